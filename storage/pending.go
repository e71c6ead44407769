package storage

import (
	"context"
	"time"
)

// Pending is an upload that was begun, and neither published nor aborted.
type Pending struct {
	// Upload is what Abort takes. Where a store has cut the object's name its
	// Name is the beginning of it only.
	Upload Upload
	// Names are the objects that it may become; see [PendingLister].
	Names []string
	// Changed is when something was last done to it, by the store's clock.
	Changed time.Time
	// Size is what it holds in bytes, as far as the store tells.
	Size int64
}

// Published is an object that lies directly in a folder.
type Published struct {
	Name    string
	Changed time.Time
	Size    int64
}

// PendingLister lists what object stores hold besides what somebody asks for by
// name. Places are folders: "bucket/" or "bucket/prefix/", or an absolute path.
// All below a place is listed by ListPending, what lies in it by ListPublished.
type PendingLister interface {
	ObjectStore
	// Clock is the store's time.
	Clock(ctx context.Context, place string) (time.Time, error)
	// ListPending calls visit for the uploads whose objects lie below a place.
	ListPending(ctx context.Context, place string, visit func(Pending) error) error
	// Touched is when something was last done to an upload; ErrNoUpload when it
	// is gone.
	Touched(ctx context.Context, up Upload) (time.Time, error)
	// ListPublished calls visit for the objects that lie in a place.
	ListPublished(ctx context.Context, place string, visit func(Published) error) error
}
