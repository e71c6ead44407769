package task

import (
	"time"

	"godwit/transfer"
)

// Kind is what a task does.
type Kind string

// The kinds.
const (
	Webhook      Kind = "WEBHOOK"
	Exec         Kind = "EXEC"
	Submit       Kind = "SUBMIT"
	Notification Kind = "NOTIFICATION"
)

// Spec is what a task does, and to whom. It may hold credentials.
type Spec struct {
	Kind Kind
	// URL is canonical, Secret of the form whsec_…; both of a Webhook.
	URL, Secret string
	// Command is the name of one in the node's configuration, of an Exec.
	Command string
	// Template makes one transfer of each completed member, of a Submit. Its
	// texts may hold variables, so it is not normal yet.
	Template *transfer.Spec
	// Text is what a Notification says, Channel where it goes; Tag replaces
	// earlier ones, Expires ends its interest (zero for never).
	Text, Channel, Tag string
	Expires            time.Time
}

// Phase is where a task is in its life.
type Phase string

// The phases. Redelivery by hand leaves the last two.
const (
	PhasePending    Phase = "PENDING"
	PhaseRunning    Phase = "RUNNING"
	PhaseSucceeded  Phase = "SUCCEEDED"
	PhaseDeadLetter Phase = "DEAD_LETTER"
)

// Ended tells that nothing happens any more unless somebody asks for it.
func (p Phase) Ended() bool { return p == PhaseSucceeded || p == PhaseDeadLetter }

// Attempt is one delivery.
type Attempt struct {
	Start, End time.Time
	Node       string
	// Status is that of a webhook's answer, 0 without one; Exit of a command
	// that ended by itself.
	Status  int
	Exit    int
	HasExit bool
	// Output is the beginning of an answer, or the end of a command's output.
	Output string
	Err    *transfer.Error
}

// State is everything a record says about a task.
type State struct {
	ID   string
	Spec Spec
	// CompletionGroup or Transfer is what triggered it.
	CompletionGroup, Transfer string
	Phase                     Phase
	// Attempts counts all, Planned those of the current plan.
	Attempts, Planned int
	// History holds the last attempts, oldest first.
	History []Attempt
	// NotBefore is when a pending task tries again.
	NotBefore                  time.Time
	Created, Updated, Finished time.Time
	// Err is why the last attempt failed, or why it was given up.
	Err *transfer.Error
	// Submitted are the transfers that it has created.
	Submitted []string
}
