package completion

import (
	"maps"
	"strings"
	"time"

	"godwit/transfer"
	"godwit/transfer/task"
)

// The bounds of Spec.AutoEnableAfter.
const (
	leastAutoEnable = time.Second
	mostAutoEnable  = 30 * 24 * time.Hour
)

// Normalize checks a Spec and returns it in its canonical form, with defaults
// filled in. It does not change its argument, and leaves the task to
// task.Normalize. It fails with id.invalid, policy.invalid, duration.invalid,
// members.invalid, label.invalid or what transfer.NormalizeNotifications says.
func Normalize(s Spec, now time.Time) (Spec, *transfer.Error) {
	if err := checkID(s.ID); err != nil {
		return Spec{}, err
	}
	if s.Policy == "" {
		s.Policy = AllFinished
	}
	if err := checkPolicy(s); err != nil {
		return Spec{}, err
	}
	if err := checkTimes(s, now); err != nil {
		return Spec{}, err
	}
	if err := checkTask(s); err != nil {
		return Spec{}, err
	}
	if err := transfer.CheckLabels(s.Labels); err != nil {
		return Spec{}, err
	}
	notifications, err := transfer.NormalizeNotifications(s.Notifications)
	if err != nil {
		return Spec{}, err
	}
	s.Notifications, s.Labels = notifications, maps.Clone(s.Labels)
	if !s.Deadline.IsZero() {
		s.Deadline = s.Deadline.Round(0).UTC()
	}
	return s, nil
}

// checkID refuses dots besides what other ids refuse: a group's id becomes part
// of the id of its deliveries, whose parts are separated by dots when they are
// signed.
func checkID(id string) *transfer.Error {
	if transfer.CheckID(id) != nil || strings.Contains(id, ".") {
		return invalid(transfer.CodeID, "id",
			"an id is 1 to 128 letters, digits, hyphens and underscores, the first a letter or a digit")
	}
	return nil
}

func checkPolicy(s Spec) *transfer.Error {
	switch s.Policy {
	case AllFinished, AllSucceeded:
		if s.Quorum != 0 {
			return invalid(transfer.CodePolicy, "quorum", "a quorum belongs to the policy QUORUM")
		}
	case Quorum:
		if s.Quorum < 1 || s.Quorum > MaxMembers {
			return invalid(transfer.CodePolicy, "quorum", "the policy QUORUM needs a quorum of 1 to 100000 members")
		}
	default:
		return invalid(transfer.CodePolicy, "policy", "it is ALL_FINISHED, ALL_SUCCEEDED or QUORUM")
	}
	return nil
}

func checkTimes(s Spec, now time.Time) *transfer.Error {
	if !s.Deadline.IsZero() && !s.Deadline.After(now) {
		return invalid(transfer.CodeDuration, "deadline", "a deadline is in the future")
	}
	if d := s.AutoEnableAfter; d != 0 && (d < leastAutoEnable || d > mostAutoEnable) {
		return invalid(transfer.CodeDuration, "auto_enable_after", "a group enables itself after 1 second to 30 days")
	}
	return nil
}

// checkTask refuses a task whose transfers would join the group that has to end
// before they are created.
func checkTask(s Spec) *transfer.Error {
	if s.Task == nil || s.Task.Kind != task.Submit || s.Task.Template == nil {
		return nil
	}
	if joins := s.Task.Template.CompletionGroup; joins == s.ID || strings.Contains(joins, "{group}") {
		return invalid(transfer.CodeMembers, "submit", "the task's transfers cannot be members of the group that starts them")
	}
	return nil
}

func invalid(code transfer.Code, field, message string) *transfer.Error {
	return &transfer.Error{Code: code, Op: "validate", Field: field, Message: message}
}
