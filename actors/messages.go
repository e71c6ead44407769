package actors

import (
	"time"
	"unique"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// Messages between actors of one node. All are values; none carries bytes of
// content, contexts or channels. Requests are answered with a result.

// result answers a request: either a snapshot or an error.
type result struct {
	snapshot Snapshot
	created  bool
	reasons  []string
	// body is an entity's answer.
	body []byte
	err  *transfer.Error
	// holder is who can be asked instead, if that is known.
	holder string
}

// Requests, from System to the shard manager and on to shard and transfer.
type (
	// createRequest records a new transfer.
	createRequest struct {
		state transfer.State
		id    string
	}
	// commandRequest applies a command, if etag is empty or the current one.
	commandRequest struct {
		id    string
		event transfer.Event
		etag  string
	}
	// getRequest asks for a snapshot, with reasons why it does not run.
	getRequest struct {
		id string
	}
	// listRequest asks the manager for entries in order.
	listRequest struct{ query Query }
	// listResult answers it; shards are those that the entries are of.
	listResult struct {
		entries []entry
		shards  shardSet
	}
)

// addressed is a request for one transfer.
type addressed interface{ transferID() string }

func (r *createRequest) transferID() string  { return r.id }
func (r *commandRequest) transferID() string { return r.id }
func (r *getRequest) transferID() string     { return r.id }

// entry is what shard and manager remember of a transfer, running or not.
// A hundred thousand of them must fit in memory.
type entry struct {
	id        string
	created   time.Time
	status    string
	direction transfer.Direction
	priority  transfer.Priority
	// dest is the key under which no other live transfer may write, "" for none.
	dest string
	// host is the far side's name, for limits.
	host      string
	notBefore time.Time
	// finished is when it ended, zero while it has not.
	finished time.Time
	// wakeAt is when it has something to do although it is paused, zero for
	// never.
	wakeAt time.Time
	// acknowledged: somebody has noticed its end.
	acknowledged bool
	// wantsSlot: it waits to run; started: it was running before. needsCleanup: it is terminal, but something
	// is left to remove.
	wantsSlot, started, needsCleanup bool
	// group and completion are the sets that it belongs to, "" for none; turn: its
	// group lets it run. joined: its completion group is known to count it.
	group, completion string
	turn, joined      bool
	// fault is why the record cannot be used, nil if it can.
	fault *transfer.Error
}

func entryOf(s *transfer.State) entry {
	return entry{
		id: s.Spec.ID, created: s.Created, status: shared(s.Phase.Status()), direction: shared(s.Spec.Direction),
		priority: shared(s.Spec.Priority), dest: destinationKey(&s.Spec),
		host: shared(hostOf(s.Spec.Far())), notBefore: s.NotBefore,
		finished: s.Finished, wakeAt: s.WakeAt(), acknowledged: !s.Acknowledged.IsZero(),
		wantsSlot:    !s.Phase.Terminal() && s.Phase != transfer.PhasePaused && s.Phase != transfer.PhaseIdle,
		needsCleanup: s.Phase.Terminal() && !s.Settled(),
		group:        shared(s.Spec.Group), completion: shared(s.Spec.CompletionGroup), joined: s.Spec.CompletionGroup == "" || s.Attempts > 0,
	}
}

// destinationKey is "" for an upload: nothing is written in a store, and two may
// well go to one URL.
func destinationKey(s *transfer.Spec) string {
	if s.Direction == transfer.Upload {
		return ""
	}
	return transfer.CanonicalDestinationKey(s.Destination)
}

// shared makes equal words one piece of memory: each record that is read brings
// its own.
func shared[T ~string](word T) T { return unique.Make(word).Value() }

func (e *entry) terminal() bool { return transfer.Phase(e.status).Terminal() }

// runs tells that a transfer has a slot and uses it.
func (e *entry) runs() bool { return e.status == string(transfer.PhaseRunning) }

// scheme is that of the destination, "" for an upload.
func (e *entry) scheme() string { return schemeOf(e.dest) }

// Between shard manager and shards.
type (
	// shardLoaded says that a shard knows all its transfers.
	shardLoaded struct{ shard int }
	// shardEmpty says that a shard has given everything away; what was sent to it
	// before it is ended is still answered.
	shardEmpty struct{ shard int }
	// entryChanged keeps the manager's catalog current.
	entryChanged struct{ entry entry }
	// entryGone takes back an entry whose record was never written, or is deleted.
	entryGone struct{ entry entry }
	// loadPermit lets a shard list its records; verdicts are about owners that
	// are known to have ended.
	loadPermit struct{ verdicts map[ownerRef]verdict }
	// fence stops everything at once: the node lost its lease.
	fence struct{}
	// stopAll ends shards in good order; each transfer is recorded. Grace is how
	// long parts in flight may take to finish.
	stopAll struct{ grace time.Duration }
	// allStopped answers it.
	allStopped struct{}
)

// Between a shard and its transfers.
type (
	// numbered carries a request; the number tells shard and transfer what the
	// transfer has seen. A nil message only tells the number.
	numbered struct {
		number int
		msg    any
	}
	// recordWritten is the outcome of creating a record.
	recordWritten struct {
		id  string
		rec *record
		err error
	}
	// changed reports a transfer's entry after every change.
	changed struct{ entry entry }
	// passive says that the transfer has nothing to do and which request it saw
	// last: if there is none after it, it may go.
	passive struct {
		id   string
		seen int
	}
	// released says that the transfer was given away: its actor can be ended
	// behind what was sent to it.
	released struct{ id string }
	// lost says that the transfer cannot be run here: another owner has it, or
	// its record cannot be used.
	lost struct {
		id  string
		err *transfer.Error
	}
)

// Between transfers, shards and slots.
type (
	// want asks for a slot on behalf of a transfer that waits.
	want struct {
		id        string
		shard     *actor.PID
		priority  transfer.Priority
		created   time.Time
		notBefore time.Time
		host      string
		// started: it was running before, somewhere.
		started bool
	}
	// unwant takes it back; release gives a slot back. Both are one message:
	// whatever the transfer had, it has no longer.
	release struct{ id string }
	// releaseAll takes back what a shard that ends has asked for: nobody is left
	// to be granted anything. Another life of the shard may have asked since.
	releaseAll struct {
		shard *actor.PID
		ids   []string
	}
	// granted gives a slot, with the connections it may open to its host.
	granted struct {
		id          string
		connections int
	}
	// share changes the connections that running transfers may open.
	share struct{ connections int }
	// hostBusy says that a host asked to be left alone until then.
	hostBusy struct {
		host  string
		until time.Time
	}
	// due wakes the admission when the earliest wait has passed.
	due struct{}
)
