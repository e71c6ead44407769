package completion

import (
	"time"

	"godwit/transfer"
)

// RetrySpec makes the spec of the group that retries the failed members of one
// that has ended: give it to New with the same members to adopt. Its id follows
// from the parent's, so that retrying twice finds the same group.
//
// A deadline that has passed is left out, and a quorum is what is still missing
// to the parent's, at least one and at most all members. It is refused with
// state.conflict while the parent has not ended, and when nothing has failed.
func RetrySpec(parent State, failed []string, now time.Time) (Spec, *transfer.Error) {
	m := &machine{State: parent}
	if !parent.Phase.Ended() {
		return Spec{}, m.refuse(transfer.CodeState, "retry", "it has not ended yet")
	}
	if len(failed) == 0 {
		return Spec{}, m.refuse(transfer.CodeState, "retry", "none of its members has failed; deliver its task again if that was given up")
	}
	for _, id := range failed {
		if _, member := parent.Members[id]; !member {
			return Spec{}, m.refuse(transfer.CodeMembers, "retry", "it has no member "+id)
		}
	}
	spec := parent.Spec
	spec.ID, spec.Parent, spec.AutoEnableAfter = RetryID(parent.Spec), parent.Spec.ID, 0
	if !spec.Deadline.After(now) {
		spec.Deadline = time.Time{}
	}
	if spec.Policy == Quorum {
		spec.Quorum = max(1, min(spec.Quorum-parent.Completed, len(failed)))
	}
	return spec, nil
}
