package actors

import (
	"cmp"
	"context"
	"time"

	"godwit/endpoint"
	"godwit/transfer"
)

// Snapshot is a transfer as it was at one moment: a copy nobody else holds.
type Snapshot struct {
	State transfer.State
	// Node and Epoch say who owned it.
	Node  string
	Epoch uint64
	// Sequence counts the writes of the record.
	Sequence uint64
	// ETag changes with every change of the record.
	ETag string
	// InFlight is the number of bytes on their way into parts, or that the far side
	// has not confirmed; OnWire the number received, or sent, in all.
	InFlight, OnWire int64
}

// moment orders the snapshots of one transfer: by owner, by writes of the record,
// and by what had arrived, which never falls while there is one owner.
type moment struct {
	epoch, sequence uint64
	received        int64
}

func (s *Snapshot) moment() moment {
	return moment{s.Epoch, s.Sequence, max(s.OnWire, s.State.OnWire)}
}

func (m moment) before(o moment) bool {
	return cmp.Or(cmp.Compare(m.epoch, o.epoch), cmp.Compare(m.sequence, o.sequence), cmp.Compare(m.received, o.received)) < 0
}

// Opener opens sources. *endpoint.Client is one.
type Opener interface {
	Open(ctx context.Context, req endpoint.Request) (*endpoint.Response, error)
}

// Uploads sends content to far sides. *endpoint.Client is one; see there.
type Uploads interface {
	Probe(ctx context.Context, u *endpoint.Upload) (endpoint.Choice, *endpoint.Failure)
	OpenSession(ctx context.Context, u *endpoint.Upload) (transfer.Session, *endpoint.Failure)
	FindSession(ctx context.Context, u *endpoint.Upload) (endpoint.Found, *endpoint.Failure)
	Send(ctx context.Context, u *endpoint.Upload, from int64, p endpoint.Progress) (*endpoint.UploadAnswer, *endpoint.Failure)
	Discard(ctx context.Context, u *endpoint.Upload, url string) *transfer.Error
}

// Sealer encrypts what records must hold in secret. The name binds the
// ciphertext to its record.
type Sealer interface {
	Seal(name string, plain []byte) ([]byte, error)
	Open(name string, sealed []byte) ([]byte, error)
}

// Meter counts what happens. Implementations are safe for concurrent use and
// never block.
type Meter interface {
	// Received counts bytes from sources, Refetched those that had to be
	// fetched again (reason: "retry", "restart", "takeover"). Sent counts bytes of
	// uploads, those that are sent again included.
	Received(n int64)
	Sent(n int64)
	// GroupTrigger counts decisions of completion groups ("fired", "failed"),
	// TaskDelivery attempts of tasks ("ok", "failed").
	GroupTrigger(result string)
	TaskDelivery(result string)
	Refetched(reason string, n int64)
	// Takeover counts a claim of somebody else's transfer (reason: "restart",
	// ...), and how long after start-up it ran again.
	Takeover(reason string, after time.Duration)
	// Fenced counts a write refused because another owner has the record.
	Fenced()
	// StateWrite counts record writes (op: "create", "update", ...; result:
	// "ok", "lost", "unknown", "error").
	StateWrite(op, result string)
	// Transfers sets the number of transfers in a state.
	Transfers(status, direction string, n int)
}

// Query selects transfers for List.
type Query struct {
	// Statuses are API names; none means all.
	Statuses  []string
	Labels    map[string]string
	Direction transfer.Direction
	// Group and CompletionGroup are names, "" for any; Unacknowledged leaves out
	// those whose end was noticed.
	Group, CompletionGroup string
	Unacknowledged         bool
	// After is the Cursor of the previous page, zero for the first.
	After Cursor
	// Limit is at least 1.
	Limit int
}

// Cursor is a position in the list of all transfers, which is ordered by time
// of creation and then id.
type Cursor struct {
	Created time.Time
	ID      string
}

// Page is one page of a list. Next is nil on the last one.
type Page struct {
	Transfers []Snapshot
	Next      *Cursor
}
