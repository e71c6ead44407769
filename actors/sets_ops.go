package actors

// Ops of entities. They are never renamed: nodes of two versions run side by
// side. Each may be repeated.
const (
	opCreate = "create"
	opGet    = "get"
	// opExists asks a set whether it is there, and a completion group also for its
	// phase.
	opExists = "exists"
	opDelete = "delete"
	// opJoin asks a completion group whether it counts a transfer; opMember tells
	// a set how one of its members stands.
	opJoin   = "join"
	opMember = "member"
	opEnable = "enable"
	// opTaskEnded tells a completion group what became of its task.
	opTaskEnded = "task-ended"
	// opMembers is opGet with all members.
	opMembers = "members"
	// opRetrySource is the whole group, for another that retries its members.
	opRetrySource = "retry-source"
	opChange      = "change"
	opRedeliver   = "redeliver"
)
