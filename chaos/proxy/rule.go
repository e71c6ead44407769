package proxy

import (
	"slices"
	"strings"
	"time"
)

// Scope tells records of the state store from all other objects.
type Scope string

// The scopes; "" is both.
const (
	State Scope = "state"
	Data  Scope = "data"
)

// Action is what goes wrong with a call.
type Action string

const (
	// Pass does nothing to it, but see Delay and Rate.
	Pass Action = ""
	// Refuse answers with Status and Code, without asking the server, or, if
	// After, when it has done it. A Status of 200 comes with an error in the body,
	// as that of CompleteMultipartUpload may.
	Refuse Action = "refuse"
	// Lose has it done, and closes the connection without an answer. With a Delay
	// the answer is held for that long first.
	Lose Action = "lose"
	// Drop closes the connection without asking the server.
	Drop Action = "drop"
	// Hang neither has it done nor answers, or, if After, has it done and does not
	// answer, until the client has given up.
	Hang Action = "hang"
	// Truncate has it done, and ends the answer in the middle of its body. One
	// without a body is lost.
	Truncate Action = "truncate"
	// Duplicate has it done and answers. It keeps a copy of a PUT, and sends it
	// again as soon as somebody else has written that key.
	Duplicate Action = "duplicate"
	// Expire aborts a multipart upload behind the client's back before the call is
	// forwarded.
	Expire Action = "expire"
	// Corrupt changes one byte of a record that is read.
	Corrupt Action = "corrupt"
	// Stale tells a record as it was before its last change, if that was seen.
	Stale Action = "stale"
)

// Rule says which calls go wrong, and how. Its zero value matches all calls
// and changes nothing.
type Rule struct {
	// Name is the fault's in events; "" is the action's own.
	Name string

	// Nodes are those whose calls match, Ops the operations, as history.Store
	// names them; none is all. A plain proxy's are "get", "head", "post", "put",
	// "patch" and "delete".
	Nodes, Ops []string
	// Key is a prefix of the keys that match, as events show them.
	Key   string
	Scope Scope

	// Nth is the only matching call that is struck, from 1; 0 is any. Chance is
	// how probable it is that a matching call is struck; 0 is certain. Limit is how
	// many are struck at most; 0 is all.
	Nth, Limit int
	Chance     float64

	Do Action
	// After: see Refuse and Hang.
	After bool
	// Status is 503 by default, Code that which S3 has for the status.
	Status int
	Code   string
	// Delay passes before a call is forwarded, but see Lose. Rate is how many
	// bytes a second pass each way; 0 is all.
	Delay time.Duration
	Rate  int64
	// Then is called when the fault strikes: after the server has answered, where
	// it is asked, and before the client is told. It holds the call while it runs.
	Then func()
}

// fault is what events call a rule that struck.
func (r *Rule) fault() string {
	switch {
	case r.Name != "":
		return r.Name
	case r.Do != Pass:
		return string(r.Do)
	case r.Rate > 0:
		return "slow"
	}
	return "delay"
}

// live is a rule that is set, with what it has met.
type live struct {
	Rule
	// matched and struck count calls, guarded by the proxy's mu.
	matched, struck int
}

// matches tells whether a rule is for a call.
func (r *Rule) matches(c *call) bool {
	switch {
	case len(r.Nodes) > 0 && !slices.Contains(r.Nodes, c.node):
		return false
	case len(r.Ops) > 0 && !slices.Contains(r.Ops, c.seen.Op):
		return false
	case !strings.HasPrefix(c.seen.Key, r.Key):
		return false
	}
	return r.Scope == "" || (r.Scope == State) == c.seen.Record
}

// strikes counts a matching call and decides; chance is in [0, 1).
func (l *live) strikes(chance float64) bool {
	l.matched++
	switch {
	case l.Nth > 0 && l.matched != l.Nth:
		return false
	case l.Limit > 0 && l.struck == l.Limit:
		return false
	case l.Chance > 0 && chance >= l.Chance:
		return false
	}
	l.struck++
	return true
}

// codes are S3's words for what a refusal without a Code says.
var codes = map[int]string{
	200: "InternalError", 403: "AccessDenied", 404: "NoSuchBucket", 409: "ConditionalRequestConflict",
	412: "PreconditionFailed", 429: "TooManyRequests", 500: "InternalError", 503: "SlowDown", 507: "XMinioStorageFull",
}

// refusal is the status and the code that a rule answers with.
func (r *Rule) refusal() (status int, code string) {
	status, code = r.Status, r.Code
	if status == 0 {
		status = 503
	}
	if code == "" {
		code = codes[status]
	}
	if code == "" {
		code = "InternalError"
	}
	return status, code
}
