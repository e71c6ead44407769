package actors

// The steps between the end of the last member and a delivered task: a node may
// die at each of them.
const (
	// PointMemberRecorded: a member's record says that it has ended.
	PointMemberRecorded = "member-recorded"
	// PointMemberReported: its completion group knows.
	PointMemberReported = "member-reported"
	// PointGroupDecided: the group is about to create its task.
	PointGroupDecided = "group-decided"
	// PointTaskCreated: the task's record exists.
	PointTaskCreated = "task-created"
	// PointGroupTriggered: the group's record says so.
	PointGroupTriggered = "group-triggered"
	// PointAttemptBegun: an attempt is about to be made.
	PointAttemptBegun = "attempt-begun"
	// PointAttemptMade: it was made, and is not recorded.
	PointAttemptMade = "attempt-made"
	// PointAttemptRecorded: the task's record has it.
	PointAttemptRecorded = "attempt-recorded"
	// PointGroupEnded: the group's record says how its task ended.
	PointGroupEnded = "group-ended"
)

// Points are all of them, in order.
func Points() []string {
	return []string{
		PointMemberRecorded, PointMemberReported, PointGroupDecided, PointTaskCreated, PointGroupTriggered,
		PointAttemptBegun, PointAttemptMade, PointAttemptRecorded, PointGroupEnded,
	}
}
