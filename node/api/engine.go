package api

import (
	"context"
	"io"

	"godwit/actors"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/group"
)

// Engine is what the API needs of the system that runs transfers. Its errors
// are *[transfer.Error], or those of a context that ended.
type Engine interface {
	// Create takes a normalized spec. It is idempotent by id; the bool tells
	// whether the transfer is new.
	Create(ctx context.Context, spec transfer.Spec, start bool) (actors.Snapshot, bool, error)
	// Command applies a user's event, if etag is empty or current.
	Command(ctx context.Context, id string, ev transfer.Event, etag string) (actors.Snapshot, error)
	Get(ctx context.Context, id string) (actors.Snapshot, error)
	List(ctx context.Context, q actors.Query) (actors.Page, error)
	// Explain adds sentences about why the transfer does not run.
	Explain(ctx context.Context, id string) (actors.Snapshot, []string, error)
	// Open streams the result from offset, following the writer to its end.
	Open(ctx context.Context, id string, offset int64) (io.ReadCloser, error)
	// Watch follows the transfers named, or all, until it is closed.
	Watch(ctx context.Context, ids []string) Watch
}

// Sets is what the API needs of the system for groups and tasks. Specs are
// normal; lists are in order of names, after the one given; errors are as those
// of Engine. Pausing, resuming and moving are changes of a group.
type Sets interface {
	// CreateCompletion is idempotent by id; the bool tells whether it is new. A
	// webhook without a secret stands for whichever the group has: such a spec
	// finds a group and never makes one (completion.not_found).
	CreateCompletion(ctx context.Context, spec completion.Spec) (actors.Completion, bool, error)
	Completion(ctx context.Context, id string) (actors.Completion, error)
	Completions(ctx context.Context, after string, limit int) (page []actors.Completion, more bool, err error)
	EnableCompletion(ctx context.Context, id string) (actors.Completion, error)
	AddToCompletion(ctx context.Context, id string, transfers []string) (actors.Completion, error)
	RetryCompletion(ctx context.Context, id string) (actors.Completion, error)
	DeleteCompletion(ctx context.Context, id string) error

	CreateGroup(ctx context.Context, spec group.Spec) (actors.Group, bool, error)
	Group(ctx context.Context, name string) (actors.Group, error)
	Groups(ctx context.Context, after string, limit int) (page []actors.Group, more bool, err error)
	ChangeGroup(ctx context.Context, name string, change group.Change, etag string) (actors.Group, error)
	DeleteGroup(ctx context.Context, name string) error

	Task(ctx context.Context, id string) (actors.Task, error)
	Tasks(ctx context.Context, after string, limit int) (page []actors.Task, more bool, err error)
	RedeliverTask(ctx context.Context, id string) (actors.Task, error)
}

// Watch delivers the latest state of transfers as it changes.
type Watch interface {
	// Next waits for a change; io.EOF when all transfers named are terminal.
	Next(ctx context.Context) (actors.Snapshot, error)
	Close()
}
