package actors

import (
	"godwit/transfer/completion"
	"godwit/transfer/group"
	"godwit/transfer/task"
)

// Completion is a completion group as users see it: without secrets.
type Completion struct {
	State completion.State
	ETag  string
	// Total, Completed, Failed and Canceled count members; WaitingOn are some of
	// those that have not ended.
	Total, Completed, Failed, Canceled int
	WaitingOn                          []string
	// Task is nil before the group has fired, and when it has none.
	Task *Task
}

// Task is a task as users see it: without secrets.
type Task struct {
	State task.State
	ETag  string
}

// Group is a transfer group as users see it.
type Group struct {
	State group.State
	ETag  string
	// Total, Running, Queued and Paused count members that have not ended.
	Total, Running, Queued, Paused int
	// Order are the first of them in the order in which they run; nil in lists.
	Order []string
}
