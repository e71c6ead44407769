// Package completion says how a completion group advances: who its members are,
// when it fires, and that it decides once. It is pure, as package transfer is.
//
//	      Enable, or by itself           policy met            task succeeded
//	OPEN ─────────────────────► ENABLED ───────────► TRIGGERED ─────────────► DONE
//	                               │ │   without a task            │           ▲
//	                               │ └─────────────────────────────┼──────────►│
//	                               │ policy cannot be met          │ given up  │ delivered
//	                               └───────────────► FAILED ◄──────┘           │ again
//	                                                   └───────────────────────┘
//
// The number of writes does not depend on the number of members. A transfer says
// in its own record to which group it belongs, and a key beside the group's
// record marks it as a member; then it asks the group, which answers from
// memory. When the group is enabled, the record says first that nobody joins any
// more, then the markers are listed, and a second record says who the members
// are. How they end is held in memory: an owner that has lost it asks them all.
//
// The decision is taken once. The task's id follows from the group's, and the
// task is created before the group's record says that it has fired, so that any
// number of owners that come to decide create one task.
package completion
