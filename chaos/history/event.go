// Package history owns what is known of a chaos run: everything that happened,
// as a list of events on one clock.
//
// The harness holds origins, the way to the store, receivers, clients and
// nemeses in one process, so that their events carry the time of one clock;
// nodes write their own down with CLOCK_MONOTONIC, which is the same for all
// processes of a machine. A history is a file of JSON lines. Package check
// judges it, package timeline draws it; neither needs a cluster, so that an old
// history can be judged again.
package history

import (
	"strings"
	"time"
)

// Event is one thing that happened, a line of a history. Exactly one of the
// pointers is set.
type Event struct {
	// At is when it began, End when its outcome was known, both since the run
	// began. End is 0 where that is the same moment, or never came.
	At  time.Duration `json:"at"`
	End time.Duration `json:"end,omitempty"`
	// Node is who acted or was acted upon, "" for the harness; Life counts the
	// processes that ran under that name, from 1; 0 is unknown.
	Node string `json:"node,omitempty"`
	Life int    `json:"life,omitempty"`

	Run      *Run      `json:"run,omitempty"`
	Fault    *Fault    `json:"fault,omitempty"`
	Process  *Process  `json:"process,omitempty"`
	Call     *Call     `json:"call,omitempty"`
	Write    *Write    `json:"write,omitempty"`
	Store    *Store    `json:"store,omitempty"`
	Serve    *Serve    `json:"serve,omitempty"`
	Delivery *Delivery `json:"delivery,omitempty"`
	Look     *Look     `json:"look,omitempty"`
	Sample   *Sample   `json:"sample,omitempty"`
	Members  *Members  `json:"members,omitempty"`
	Transfer *Transfer `json:"transfer,omitempty"`
	Group    *Group    `json:"group,omitempty"`
	Finding  *Finding  `json:"finding,omitempty"`
}

// Run is the first event: what was run, so that it can be run again.
type Run struct {
	Scenario string    `json:"scenario"`
	Seed     uint64    `json:"seed"`
	Nodes    int       `json:"nodes"`
	Store    string    `json:"store"`
	Began    time.Time `json:"began"`
	// Mono is what CLOCK_MONOTONIC said then, in nanoseconds. The recorder sets
	// both.
	Mono int64 `json:"mono,omitempty"`
	// Bug is the one that the nodes were built with, "" for none.
	Bug string `json:"bug,omitempty"`
	// Waste is how many bytes one fault may make one transfer fetch again, Memory
	// the most resident bytes of a node, Streams the most connections of one node
	// to one origin; 0 is not judged.
	Waste   int64 `json:"waste,omitempty"`
	Memory  int64 `json:"memory,omitempty"`
	Streams int   `json:"streams,omitempty"`
	// PartSize is in bytes, what a connection that breaks may cost; 0 is Waste.
	PartSize int64 `json:"partSize,omitempty"`
	// Fenced tells that the store of results fences those who were succeeded, so
	// that nobody has to wait for a lease to run out.
	Fenced bool `json:"fenced,omitempty"`
	// Strict judges how long things took, too. Ideal is how long the whole
	// workload takes when nothing disturbs it.
	Strict bool          `json:"strict,omitempty"`
	Ideal  time.Duration `json:"ideal,omitempty"`
}

// Fault is something that a nemesis did. It lasts from At to End of its event,
// which is written when it is over.
type Fault struct {
	// Kind is the nemesis: "kill", "stop", "cut", "store.unavailable" and so on,
	// or one of those that checkers know.
	Kind string `json:"kind"`
	// Nodes are those that it struck, none for a fault of a far side.
	Nodes []string `json:"nodes,omitempty"`
	// Detail tells a person more.
	Detail string `json:"detail,omitempty"`
	// Struck are the transfers that may have lost parts in flight.
	Struck []string `json:"struck,omitempty"`
	// Graceful tells that nothing may be lost by it: a drain, a planned restart.
	Graceful bool `json:"graceful,omitempty"`
	// Afresh tells that those who were struck begin again at byte 0: their upload
	// is gone.
	Afresh bool `json:"afresh,omitempty"`
}

// The kinds of faults that checkers know. A kind may go on after a dot:
// "kill.failpoint" is a "kill".
const (
	// FaultKill ends a process without warning, FaultStop makes it stand still.
	FaultKill = "kill"
	FaultStop = "stop"
	// FaultCut is a cut of any links of a node.
	FaultCut = "cut"
	// FaultMild is a bad link that nobody may take for a death: at most 5 % lost,
	// at most 200 ms late.
	FaultMild = "mild"
	// FaultDrain asks a node to end, or to give away what it has, in good order;
	// FaultRestart also starts it again. FaultJoin adds one.
	FaultDrain   = "drain"
	FaultRestart = "restart"
	FaultJoin    = "join"
	// FaultRestore puts the state store back to what it was before.
	FaultRestore = "store.restore"
	// FaultPoison makes records unreadable, those of Struck.
	FaultPoison = "store.poison"
)

// Is tells whether the fault is of a kind, or of one below it.
func (f *Fault) Is(kind string) bool {
	return f.Kind == kind || strings.HasPrefix(f.Kind, kind+".")
}

// The steps in the life of a process.
const (
	StepStart = "start"
	StepReady = "ready"
	StepEnd   = "end"
)

// Process is a step in the life of a node.
type Process struct {
	// Step is StepStart, StepReady or StepEnd.
	Step string `json:"step"`
	// Code is the exit code of one that ended, -1 when a signal ended it. Wanted
	// tells that the harness ended it.
	Code   int  `json:"code,omitempty"`
	Wanted bool `json:"wanted,omitempty"`
	// Version is what runs: "", or the name of another binary.
	Version string `json:"version,omitempty"`
}

// Call is a call of the API, or a command.
type Call struct {
	// Op is "create", "get", "list", "cancel", "pause", "resume", "retry", "delete",
	// "completion.create", "completion.enable", "drain".
	Op string `json:"op"`
	ID string `json:"id,omitempty"`
	// Outcome is OK, Refused when the answer says that it did not happen, or
	// Unknown.
	Outcome Outcome `json:"outcome"`
	// Code is the stable code of an error.
	Code string `json:"code,omitempty"`
	// Status is that of the transfer in the answer.
	Status string `json:"status,omitempty"`
	// Completion is the completion group of a created transfer, Size what its
	// origin has, -1 for one that must fail.
	Completion string `json:"completion,omitempty"`
	Size       int64  `json:"size,omitempty"`
	// Expect is the code that one fails with that must fail, "" for any.
	Expect string `json:"expect,omitempty"`
	// Upload tells that it sends, so that its far side may have had everything
	// before somebody canceled it.
	Upload bool `json:"upload,omitempty"`
	// Whole tells that the origin knows no ranges, so that each interruption costs
	// everything.
	Whole bool `json:"whole,omitempty"`
}

// Outcome is what is known of a call or of a write.
type Outcome string

// The outcomes. A write that is only begun is one whose node died before it
// learned more: like an unknown one it may have happened.
const (
	Begun   Outcome = "begun"
	OK      Outcome = "ok"
	Lost    Outcome = "lost"
	Refused Outcome = "refused"
	Unknown Outcome = "unknown"
	Error   Outcome = "error"
)

// Write is an attempt to change a record, as a node built with the tag
// "history" writes it down.
type Write struct {
	// Attempt is the same in both lines of an attempt, and in no others.
	Attempt string `json:"attempt"`
	// Op is "create", "cas" or "delete".
	Op  string `json:"op"`
	Key string `json:"key"`
	// Old is the version to be replaced, New the one that took its place.
	Old     string  `json:"old,omitempty"`
	New     string  `json:"new,omitempty"`
	Outcome Outcome `json:"outcome"`
	// Kind is the store's word for a failure.
	Kind string `json:"kind,omitempty"`
	// What follows is from the record; Epoch is 0 where there is none.
	WriteID     string `json:"writeId,omitempty"`
	Epoch       uint64 `json:"epoch,omitempty"`
	Sequence    uint64 `json:"sequence,omitempty"`
	Owner       string `json:"owner,omitempty"`
	Incarnation string `json:"incarnation,omitempty"`
	Released    bool   `json:"released,omitempty"`
	// Phase is that of a transfer, a completion group or a task.
	Phase string `json:"phase,omitempty"`
	// Generation, Restarts and Upload say of what content a transfer has stored
	// Done bytes.
	Generation uint64 `json:"generation,omitempty"`
	Restarts   int    `json:"restarts,omitempty"`
	Upload     string `json:"upload,omitempty"`
	Done       int64  `json:"done,omitempty"`
	// Members are those of a completion group that is sealed, Policy is what it
	// makes of those that fail. Group is the completion group of a task.
	Members []string `json:"members,omitempty"`
	Policy  string   `json:"policy,omitempty"`
	Group   string   `json:"group,omitempty"`
	// Future tells that what a later version of the program wrote is in the record.
	Future bool `json:"future,omitempty"`
}

// Store is a request to the store, as the proxy in front of it saw it.
type Store struct {
	// Op is "get", "head", "put", "delete", "list", "upload.create", "upload.part",
	// "upload.complete", "upload.abort", "upload.list".
	Op  string `json:"op"`
	Key string `json:"key"`
	// Record tells that Key is one of the state store, not of a result.
	Record      bool   `json:"record,omitempty"`
	Upload      string `json:"upload,omitempty"`
	Part        int    `json:"part,omitempty"`
	IfMatch     string `json:"ifMatch,omitempty"`
	IfNoneMatch string `json:"ifNoneMatch,omitempty"`
	ETag        string `json:"etag,omitempty"`
	Size        int64  `json:"size,omitempty"`
	// Digest is the CRC64NVME of a body that was sent, in hexadecimal.
	Digest string `json:"digest,omitempty"`
	// Status is what the store answered, 0 when it was never asked; Told what
	// the node was told, 0 when it got no answer.
	Status int `json:"status,omitempty"`
	Told   int `json:"told,omitempty"`
	// Fault is what the proxy did, "" for nothing.
	Fault string `json:"fault,omitempty"`
	// Epoch, Sequence, Owner and Incarnation are those of a record in the body.
	Epoch       uint64 `json:"epoch,omitempty"`
	Sequence    uint64 `json:"sequence,omitempty"`
	Owner       string `json:"owner,omitempty"`
	Incarnation string `json:"incarnation,omitempty"`
}

// Serve is an answer of an origin.
type Serve struct {
	ID         string `json:"id"`
	Generation int    `json:"generation"`
	Offset     int64  `json:"offset"`
	// Bytes is how many were handed over.
	Bytes  int64 `json:"bytes"`
	Status int   `json:"status"`
	// Fault is what the origin did on purpose, "" for nothing.
	Fault string `json:"fault,omitempty"`
	// Streams is how many connections of that node were being served, this one
	// included.
	Streams int `json:"streams,omitempty"`
}

// Delivery is a webhook as its receiver saw it.
type Delivery struct {
	Group   string `json:"group"`
	Webhook string `json:"webhook"`
	Attempt int    `json:"attempt"`
	// Reply is "taken", "refused" or "dropped" (taken, and not answered).
	Reply string `json:"reply"`
	// Wrong says what is wrong with it, "" for nothing.
	Wrong string `json:"wrong,omitempty"`
	// Members are the states of the members that it speaks of.
	Members map[string]string `json:"members,omitempty"`
}

// Look is a look at a destination by somebody who reads results.
type Look struct {
	ID string `json:"id"`
	// There tells that something is; then Size, Generation and Wrong say what.
	There      bool   `json:"there"`
	Size       int64  `json:"size,omitempty"`
	Generation int    `json:"generation,omitempty"`
	Wrong      string `json:"wrong,omitempty"`
	// Final is the last look at the end of the run, which reads every byte.
	Final bool `json:"final,omitempty"`
}

// Sample is what a node's process takes at a moment.
type Sample struct {
	// Resident is in bytes, CPU the time it has used since its start.
	Resident   int64         `json:"resident"`
	CPU        time.Duration `json:"cpu"`
	Files      int           `json:"files"`
	Goroutines int           `json:"goroutines,omitempty"`
	// Idle tells that nothing was to be done: no open transfer, no fault.
	Idle bool `json:"idle,omitempty"`
}

// Members is the cluster as Node sees it: the state of each member by name.
type Members struct {
	States map[string]string `json:"states"`
	Shards map[string]int    `json:"shards,omitempty"`
}

// Transfer is what the API shows of a transfer.
type Transfer struct {
	ID         string `json:"id"`
	Status     string `json:"status"`
	Owner      string `json:"owner,omitempty"`
	Epoch      uint64 `json:"epoch,omitempty"`
	Generation uint64 `json:"generation,omitempty"`
	Done       int64  `json:"done,omitempty"`
	Wire       int64  `json:"wire,omitempty"`
	Code       string `json:"code,omitempty"`
	// Waits tells that it is not to run now: paused, queued, or waiting for a
	// time that it names.
	Waits bool `json:"waits,omitempty"`
	// Final is the last one at the end of the run.
	Final bool `json:"final,omitempty"`
}

// Group is what the API shows of a completion group.
type Group struct {
	ID      string   `json:"id"`
	Status  string   `json:"status"`
	Members []string `json:"members,omitempty"`
	Task    string   `json:"task,omitempty"`
	// TaskStatus is that of its task, Attempts how often it was tried.
	TaskStatus string `json:"taskStatus,omitempty"`
	Attempts   int    `json:"attempts,omitempty"`
	Final      bool   `json:"final,omitempty"`
}

// Finding is something that the harness itself saw and that is no event of
// another kind: a line of a log, a canary found, a connection to a denied
// address.
type Finding struct {
	// Kind is "log", "secret", "denied", "foreign", "unknown-fields".
	Kind string `json:"kind"`
	Text string `json:"text"`
	// Wrong tells that it breaks a promise.
	Wrong bool `json:"wrong,omitempty"`
}
