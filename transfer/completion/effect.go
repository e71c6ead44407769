package completion

import (
	"time"

	"godwit/transfer/task"
)

// Effect is an output of Apply: something the shell must do. The set is
// closed. Effects are carried out in order; those after a Persist wait until
// the record is written, and are dropped when it turns out that another owner
// has it. What gets no answer is asked for again, so each may come repeatedly.
type Effect interface{ effect() }

// The effects.
type (
	// Persist writes the record.
	Persist struct{}
	// ListMembers finds the markers of members. Answered by MembersListed. Final
	// says that the listing begins after the record forbids to join, so that it
	// has all there will ever be.
	ListMembers struct{ Final bool }
	// StartMembers starts those of the members named that are idle, and leaves
	// the others alone.
	StartMembers struct{ IDs []string }
	// Census finds out how the members stand. Answered by Ended for each that has
	// ended, by Left for each that has no record, and by Revived for each that had
	// failed and is live again.
	Census struct{}
	// CancelMembers cancels those of the members named that have not ended.
	CancelMembers struct{ IDs []string }
	// Adopt makes failed members of the group From members of this one and retries
	// them. Answered by Adopted or AdoptFailed for each.
	Adopt struct {
		IDs  []string
		From string
	}
	// CreateTask creates the group's task if there is none with this id. Answered
	// by TaskCreated.
	CreateTask struct {
		ID   string
		Spec task.Spec
	}
	// AskTask finds out whether the task has ended. Answered by TaskEnded if so,
	// and if the task is gone: with task.not_found.
	AskTask struct{ ID string }
	// Notify creates a task that tells the outcome, if there is none with this id.
	// Index is that of Spec.Notifications. Answered by Notified.
	Notify struct {
		Index int
		ID    string
		Spec  task.Spec
	}
	// WakeAt asks for a Tick at this time, in place of the one asked for before;
	// zero for none.
	WakeAt struct{ Time time.Time }
	// Remove removes the record.
	Remove struct{}
)

func (Persist) effect()       {}
func (ListMembers) effect()   {}
func (StartMembers) effect()  {}
func (Census) effect()        {}
func (CancelMembers) effect() {}
func (Adopt) effect()         {}
func (CreateTask) effect()    {}
func (AskTask) effect()       {}
func (Notify) effect()        {}
func (WakeAt) effect()        {}
func (Remove) effect()        {}
