package actors

import (
	"context"
	"io"
	"sync/atomic"

	"godwit/endpoint"
	"godwit/storage"
	"godwit/transfer"
)

// pinOf is what stored content must be, to be what it is now.
func pinOf(info storage.ObjectInfo) transfer.Pin {
	return transfer.Pin{ETag: info.ETag, Size: info.Size, Modified: info.ModTime.UTC()}
}

// pinBody notes what the body of a new transfer's request is, so that each
// request sends the same. Of a transfer that is there already its own note
// counts: its body need not be there any more.
func (s *System) pinBody(ctx context.Context, spec *transfer.Spec) error {
	if spec.BodySource == "" {
		return nil
	}
	store := s.deps.cfg.Objects[schemeOf(spec.BodySource)]
	if store == nil {
		return &transfer.Error{
			Code: transfer.CodeURLScheme, Op: "create transfer", Field: "bodySource",
			Message: "this node has no store for " + schemeOf(spec.BodySource) + ":// bodies",
		}
	}
	info, err := store.Stat(ctx, nameOf(spec.BodySource))
	if err == nil {
		spec.BodyPin = pinOf(info)
		return nil
	}
	if snap, missing := s.Get(ctx, spec.ID); missing == nil && snap.State.Spec.BodySource == spec.BodySource {
		spec.BodyPin = snap.State.Spec.BodyPin
		return nil
	}
	e := asTransferError(err)
	e.Op, e.Field = "create transfer", "bodySource"
	if storage.KindOf(err) == storage.ErrNotFound {
		e.Code, e.Message = transfer.CodeBody, "there is nothing at the place of the body"
	}
	return e
}

// storedBody is the body of a request that lies in a store.
type storedBody struct {
	store storage.ObjectStore
	name  string
	pin   transfer.Pin
	// lost is set when it is not what it was.
	lost atomic.Pointer[transfer.Error]
}

// storedBody is nil for a transfer without one.
func (t *transferActor) storedBody() *storedBody {
	source := t.state.Spec.BodySource
	if source == "" {
		return nil
	}
	return &storedBody{store: t.cfg.Objects[schemeOf(source)], name: nameOf(source), pin: t.state.Spec.BodyPin}
}

// sendWith makes a request send the body.
func (b *storedBody) sendWith(ctx context.Context, req *endpoint.Request) {
	if b == nil {
		return
	}
	req.BodySize = b.pin.Size
	req.OpenBody = func() (io.ReadCloser, error) { return b.open(ctx) }
}

func (b *storedBody) open(ctx context.Context) (io.ReadCloser, error) {
	if b.store == nil {
		return nil, &transfer.Error{Code: transfer.CodeStoreInvalid, Op: "read body", Message: "this node has no store for the body"}
	}
	body, info, err := b.store.Open(ctx, b.name, 0)
	switch {
	case storage.KindOf(err) == storage.ErrNotFound:
		return nil, b.gone("the body of the request is gone")
	case err != nil:
		return nil, storeError(err)
	}
	if now := pinOf(info); now.ETag != b.pin.ETag || now.Size != b.pin.Size || !now.Modified.Equal(b.pin.Modified) {
		_ = body.Close()
		return nil, b.gone("the body of the request has changed since the transfer was created")
	}
	return body, nil
}

func (b *storedBody) gone(why string) *transfer.Error {
	e := &transfer.Error{Code: transfer.CodeSourceChanged, Op: "read body", Message: why}
	b.lost.Store(e)
	return e
}

// failed is the event for a request that failed: one whose body was lost needs no
// other try.
func (b *storedBody) failed(err error) transfer.Event {
	if b != nil {
		if lost := b.lost.Load(); lost != nil {
			return transfer.BodyLost{Err: lost}
		}
	}
	return transfer.OpenFailed{Err: asTransferError(err)}
}
