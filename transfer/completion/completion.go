package completion

import (
	"slices"
	"time"

	"godwit/transfer"
	"godwit/transfer/task"
)

// Policy says when a group fires.
type Policy string

// The policies. AllFinished is the default.
const (
	// AllFinished: when all members have ended, however they did.
	AllFinished Policy = "ALL_FINISHED"
	// AllSucceeded: when all members have ended, if all completed.
	AllSucceeded Policy = "ALL_SUCCEEDED"
	// Quorum: as soon as Spec.Quorum members have completed.
	Quorum Policy = "QUORUM"
)

// Spec is what a user asked for.
type Spec struct {
	ID     string
	Policy Policy
	// Quorum is how many members must complete, for that policy; otherwise 0.
	Quorum int
	// Deadline is when members that have not ended are canceled, zero for never.
	Deadline time.Time
	// AutoEnableAfter enables the group so long after its creation; 0 for never.
	AutoEnableAfter time.Duration
	// StartOnEnable starts idle members when the group is enabled.
	StartOnEnable bool
	Labels        map[string]string
	// Task runs when the group fires; nil for none.
	Task          *task.Spec
	Notifications []transfer.Notification
	// Parent is the group whose failed members this one retries.
	Parent string
}

// Phase is where a group is in its life; users see it as the group's status.
type Phase string

// The phases.
const (
	// PhaseOpen takes members and never fires.
	PhaseOpen Phase = "OPEN"
	// PhaseEnabled takes no more and waits for them to end.
	PhaseEnabled Phase = "ENABLED"
	// PhaseTriggered has decided that its task runs.
	PhaseTriggered Phase = "TRIGGERED"
	// PhaseDone: the task has succeeded, or there is none.
	PhaseDone Phase = "DONE"
	// PhaseFailed: the policy cannot be met, or the task was given up.
	PhaseFailed Phase = "FAILED"
)

// Ended tells the phases that are never left.
func (p Phase) Ended() bool { return p == PhaseDone || p == PhaseFailed }

// MaxMembers is how many members a group has at most.
const MaxMembers = 100_000

// State is everything a group's owner knows. Which members there are is not in
// the record before they are sealed, and how they ended not before the decision:
// both can be found again. Members, Completed, Failed and Canceled stay as they
// were when the group decided.
type State struct {
	Spec  Spec
	Phase Phase
	// Adopting are members of Spec.Parent that are to be retried as members of
	// this group, in order; nil once that is done with all of them.
	Adopting []string
	// Members are all that were acknowledged, by id, with the phase in which they
	// ended, or "". Sealed tells that the record names them and there will be no
	// more.
	Members map[string]transfer.Phase
	Sealed  bool
	// Completed, Failed and Canceled count members that have ended.
	Completed, Failed, Canceled int
	// Unsuccessful are the members that had not completed when the group decided,
	// in order.
	Unsuccessful []string
	// TaskID names the task, once it was decided that it runs; "" without one.
	TaskID                     string
	Created, Enabled, Finished time.Time
	// AutoEnable is when the group is enabled by itself, zero for never.
	AutoEnable time.Time
	// Err is why the group has failed.
	Err *transfer.Error

	memory memory
}

// memory is the part of a State that no record has: an owner that loads the
// record begins without it.
type memory struct {
	// listed: Members has all that the store knows of.
	listed bool
	// bytes is how much room the ids of Members take in a record.
	bytes int
	// adopting are those of State.Adopting that are left.
	adopting map[string]bool
	// verdict is what was decided while the record does not say so; creations are
	// the tasks that must exist before it may, taskEnded that ours has even ended.
	verdict   *verdict
	creations []Effect
	taskEnded bool
	// asked is when the shell was last asked for what is outstanding.
	asked time.Time
	// cancel is when members are canceled (again), if the deadline has passed.
	cancel time.Time
	// wake is the time of the last WakeAt.
	wake time.Time
}

// verdict is the outcome of a group: its policy is met when err is nil.
type verdict struct{ err *transfer.Error }

// WaitingOn returns the first members in order that the decision waits for.
func (s *State) WaitingOn(limit int) []string {
	if s.Phase != PhaseOpen && s.Phase != PhaseEnabled {
		return nil
	}
	var out []string
	for id, phase := range s.Members {
		if phase == "" {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out[:min(limit, len(out))]
}
