package send

import (
	"context"
	"io"
	"sync/atomic"

	"godwit/storage"
	"godwit/transfer"
)

// PinOf is what stored content must be, to be what it is now.
func PinOf(info storage.ObjectInfo) transfer.Pin {
	return transfer.Pin{ETag: info.ETag, Size: info.Size, Modified: info.ModTime.UTC()}
}

// Pinned reads stored content that must be what it was when it was pinned.
type Pinned struct {
	// Store is nil where this node has none for the content.
	Store storage.ObjectStore
	Name  string
	Pin   transfer.Pin
	// What names the content in errors: "the source".
	What string
	// StoreError says of a store's failure what it means for a transfer.
	StoreError func(error) *transfer.Error
	// lost is why it is not what it was, nil while it is.
	lost atomic.Pointer[transfer.Error]
}

// Open streams the content from offset to its end. It fails with source.changed
// when the content is missing or another one, with store.invalid without a
// store, and with what StoreError makes of the store's failures.
func (p *Pinned) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	if p.Store == nil {
		return nil, &transfer.Error{Code: transfer.CodeStoreInvalid, Op: "read source", Message: "this node has no store for " + p.What}
	}
	body, info, err := p.Store.Open(ctx, p.Name, offset)
	switch kind := storage.KindOf(err); {
	case kind == storage.ErrNotFound:
		return nil, p.gone("is gone")
	case kind == storage.ErrInvalid && offset > 0:
		return nil, p.Changed()
	case err != nil:
		return nil, p.StoreError(err)
	}
	if now := PinOf(info); now.ETag != p.Pin.ETag || now.Size != p.Pin.Size || !now.Modified.Equal(p.Pin.Modified) {
		_ = body.Close()
		return nil, p.Changed()
	}
	return body, nil
}

// Changed notes that the content is not what it was, and returns that as an
// error.
func (p *Pinned) Changed() *transfer.Error {
	return p.gone("has changed since the transfer was created")
}

func (p *Pinned) gone(why string) *transfer.Error {
	e := &transfer.Error{Code: transfer.CodeSourceChanged, Op: "read source", Message: p.What + " " + why}
	p.lost.Store(e)
	return e
}

// Lost is why nothing can be sent any more, nil while that is not known.
func (p *Pinned) Lost() *transfer.Error { return p.lost.Load() }
