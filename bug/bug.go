// Package bug owns the seeded bugs: defects that are built in on purpose, one at
// a time, by a build tag, to prove that the checkers of package chaos see them.
// Without such a tag Seeded is none of them, a constant, so that the compiler
// leaves nothing of them in what users run.
//
// A bug is built with three tags, here that of DropIfMatch:
//
//	go build -tags history,seeded,bug_drop_if_match ./cmd/godwit
//
// With bug_any in its place the program asks the environment, see any.go.
//
// To add one, name it here and in All, give it a file like those beside, and put
// the mistake where somebody would make it, in one statement that compares
// Seeded with it. Then package chaos needs a control that sees it.
package bug

// Bug is the name of a seeded bug, which is its build tag without "bug_".
type Bug string

// None is what users run.
const None Bug = ""

// The seeded bugs.
const (
	// DropIfMatch: a record is replaced without the condition that it is still the
	// one that was read.
	DropIfMatch Bug = "drop_if_match"
	// TimeoutIsSuccess: a write of which nothing was heard is taken for done.
	TimeoutIsSuccess Bug = "timeout_is_success"
	// LostIsSuccess: a write that the store refused, because somebody else was
	// first, is taken for done.
	LostIsSuccess Bug = "lost_is_success"
	// NoWriteID: bodies that say the same are the same, so that a version comes back.
	NoWriteID Bug = "no_write_id"
	// CheckpointBeforeSync: a record claims parts that the disk may not have yet.
	CheckpointBeforeSync Bug = "checkpoint_before_sync"
	// AppendWholeAnswer: an answer with the whole content is appended where its
	// rest was asked for.
	AppendWholeAnswer Bug = "append_whole_answer"
	// IgnoreChange: a fetch goes on without asking whether the content is the same.
	IgnoreChange Bug = "ignore_change"
	// CountReports: a completion group counts reports of ends, not members.
	CountReports Bug = "count_reports"
	// WebhookIDPerAttempt: each attempt to deliver has an id of its own.
	WebhookIDPerAttempt Bug = "webhook_id_per_attempt"
	// AbortWhenFenced: who loses a transfer removes the upload that its successor
	// goes on with.
	AbortWhenFenced Bug = "abort_when_fenced"
	// CompleteWithListed: an object is made of the parts that the store lists, not of
	// those that were recorded.
	CompleteWithListed Bug = "complete_with_listed"
	// TrustAfterPause: a node that stood still goes on as if it had not.
	TrustAfterPause Bug = "trust_after_pause"
	// TakeoverOnGossip: an owner of which nothing is heard is succeeded, whatever its
	// destination.
	TakeoverOnGossip Bug = "takeover_on_gossip"
	// DecodeGzip: content that comes compressed is unpacked on the way.
	DecodeGzip Bug = "decode_gzip"
	// NoBackoff: what failed is tried again at once, for as long as it fails.
	NoBackoff Bug = "no_backoff"
)

// All are all there are.
var All = []Bug{
	DropIfMatch, TimeoutIsSuccess, LostIsSuccess, NoWriteID, CheckpointBeforeSync, AppendWholeAnswer, IgnoreChange,
	CountReports, WebhookIDPerAttempt, AbortWhenFenced, CompleteWithListed, TrustAfterPause, TakeoverOnGossip,
	DecodeGzip, NoBackoff,
}
