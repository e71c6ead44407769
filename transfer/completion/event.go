package completion

import (
	"time"

	"godwit/transfer"
)

// Event is an input of Apply. The set is closed.
type Event interface{ event() }

// Commands. Each may be refused, see Apply.
type (
	// Join asks whether the group counts a transfer whose marker is written: it
	// does unless that is refused. Asking again gives the same answer.
	Join struct{ ID string }
	// Enable ends joining and lets the group fire. Nobody joins any more for
	// certain once the state is Sealed, so that is when to answer.
	Enable struct{}
	// Delete removes the group.
	Delete struct{}
)

// What the shell reports.
type (
	// Recovered says that the state comes from a record: what its owner knew
	// besides is lost.
	Recovered struct{}
	// Left says that a member's record is gone.
	Left struct{ ID string }
	// Ended says that a member has ended, and in which phase.
	Ended struct {
		ID    string
		Phase transfer.Phase
	}
	// Revived says that a failed member is retried.
	Revived struct{ ID string }
	// MembersListed is the answer to ListMembers, with its Final.
	MembersListed struct {
		IDs   []string
		Final bool
	}
	// Adopted is the answer to Adopt for one member: it is retried and names this
	// group.
	Adopted struct{ ID string }
	// AdoptFailed is the other answer: it is gone, or cannot be retried any more.
	// What may work later is tried again by the shell instead.
	AdoptFailed struct{ ID string }
	// TaskCreated is the answer to CreateTask, if the task existed already too.
	TaskCreated struct{}
	// Notified is the answer to Notify.
	Notified struct{ Index int }
	// TaskEnded says that the group's task has succeeded or was given up, Err says
	// why. It is also the answer to AskTask then.
	TaskEnded struct {
		Succeeded bool
		Err       *transfer.Error
	}
	// Tick says that the time of the last WakeAt has come.
	Tick struct{}
)

func (Join) event()          {}
func (Enable) event()        {}
func (Delete) event()        {}
func (Recovered) event()     {}
func (Left) event()          {}
func (Ended) event()         {}
func (Revived) event()       {}
func (MembersListed) event() {}
func (Adopted) event()       {}
func (AdoptFailed) event()   {}
func (TaskCreated) event()   {}
func (Notified) event()      {}
func (TaskEnded) event()     {}
func (Tick) event()          {}

// Context is what an event brings along from the world.
type Context struct{ Now time.Time }
