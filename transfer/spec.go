package transfer

import "time"

// Direction says which way the bytes go, seen from the storage.
type Direction string

// The directions.
const (
	Download Direction = "DOWNLOAD"
	Upload   Direction = "UPLOAD"
)

// IfExists says what to do when the destination already has an object.
type IfExists string

// The policies. Fail is the default.
const (
	IfExistsFail      IfExists = "FAIL"
	IfExistsOverwrite IfExists = "OVERWRITE"
	IfExistsSkip      IfExists = "SKIP"
)

// Priority orders transfers that wait for a slot.
type Priority string

// The priorities, lowest first.
const (
	PriorityLow     Priority = "LOW"
	PriorityDefault Priority = "DEFAULT"
	PriorityHigh    Priority = "HIGH"
)

// CostPolicy says over which networks a transfer may run.
type CostPolicy string

// The cost policies.
const (
	CostDefault          CostPolicy = "DEFAULT"
	CostUnrestrictedOnly CostPolicy = "UNRESTRICTED_ONLY"
	CostAlways           CostPolicy = "ALWAYS"
)

// Header is one request or response header.
type Header struct{ Name, Value string }

// Spec is what a user asked for. It does not change while the transfer lives,
// except through the update commands. Everything in it is secret until proven
// otherwise: URLs carry tokens and headers carry credentials.
type Spec struct {
	ID        string
	Direction Direction
	// Source is the canonical URL to fetch; Mirrors are further URLs of the
	// same content, tried in order. The source of an upload is file:///abs/path
	// or s3://bucket/key, or "" for a form.
	Source  string
	Mirrors []string
	// Destination is file:///abs/path or s3://bucket/key; of an upload, a
	// canonical URL.
	Destination string
	// Method is the HTTP method. When empty it is GET, of an upload PUT, or POST
	// for a form and ProtocolPost.
	Method  string
	Headers []Header
	Body    []byte
	// SHA256 is the declared digest in lower-case hex, or "".
	SHA256 string
	// WantSHA256 asks for the digest to be computed even if none is declared.
	WantSHA256 bool
	// Size is the declared size in bytes, or UnknownSize.
	Size     int64
	IfExists IfExists
	Priority Priority
	Cost     CostPolicy
	// PartSize is the wanted part size in bytes, 0 for the planner's choice.
	PartSize int64
	// Connections bounds the connections of this transfer, 0 for automatic.
	Connections int
	// RateLimit is in bytes a second, 0 for none.
	RateLimit int64
	// Retries is how many tries in a row may fail without progress.
	Retries int
	// Recoverable are the HTTP statuses that pause the transfer instead of
	// failing it.
	Recoverable []int
	Labels      map[string]string
	// Group is the transfer group whose order it obeys, CompletionGroup the
	// completion group that waits for it; "" for none.
	Group, CompletionGroup string
	// Resolver is asked for another URL or headers when a recoverable status has
	// paused the transfer; its URL is empty for none.
	Resolver Webhook
	// AttentionTTL is how long it then waits before it fails.
	AttentionTTL time.Duration
	// BodySource is where the request's body lies in place of Body: file:// or
	// s3://. BodyPin is what it must be.
	BodySource    string
	BodyPin       Pin
	Notifications []Notification
	// Outgoing belongs to uploads.
	Outgoing Outgoing
}

// Webhook is an endpoint that takes signed requests.
type Webhook struct {
	// URL is canonical; Secret is "whsec_" and Base64.
	URL, Secret string
}

// Pin is what stored content must be, to be what it was.
type Pin struct {
	ETag     string
	Size     int64
	Modified time.Time
}

// Notification is a message about the end of a transfer or of a set.
type Notification struct {
	// Channel is "log", or one that the node's configuration names.
	Channel string
	// Success and Failure are texts with variables in braces; an empty one is
	// not sent.
	Success, Failure string
	// Tag lets messages replace each other; TTL is how long one is of interest,
	// 0 for ever.
	Tag string
	TTL time.Duration
}

// DefaultRetries is used when a Spec does not say how often to retry.
const DefaultRetries = 10

// UnknownSize stands where a number of bytes is not known.
const UnknownSize int64 = -1

// Validator identifies one generation of content. Two answers belong together
// only if their validators match (RFC 9110, section 8.8).
type Validator struct {
	// ETag is the entity tag as sent, quotes and W/ included, or "".
	ETag string
	// LastModified is the Last-Modified date as sent, or "".
	LastModified string
	// Date is when the answer was made, as the server says; zero if it did not.
	Date time.Time
}

// Response is what the far side last answered, safe to show: no query, no
// userinfo, no cookies.
type Response struct {
	ActualURL  string
	StatusCode int
	Headers    []Header
}
