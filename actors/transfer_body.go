package actors

import (
	"context"
	"io"

	"godwit/actors/send"
	"godwit/endpoint"
	"godwit/storage"
	"godwit/transfer"
)

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
		spec.BodyPin = send.PinOf(info)
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
type storedBody struct{ *send.Pinned }

// storedBody is empty for a transfer without one.
func (t *transferActor) storedBody() storedBody {
	source := t.state.Spec.BodySource
	if source == "" {
		return storedBody{}
	}
	return storedBody{&send.Pinned{
		Store: t.cfg.Objects[schemeOf(source)], Name: nameOf(source), Pin: t.state.Spec.BodyPin,
		What: "the body of the request", StoreError: storeError,
	}}
}

// sendWith makes a request send the body.
func (b storedBody) sendWith(ctx context.Context, req *endpoint.Request) {
	if b.Pinned == nil {
		return
	}
	req.BodySize = b.Pin.Size
	req.OpenBody = func() (io.ReadCloser, error) { return b.Open(ctx, 0) }
}

// failed is the event for a request that failed: one whose body was lost needs no
// other try.
func (b storedBody) failed(err error) transfer.Event {
	if b.Pinned != nil && b.Lost() != nil {
		return transfer.BodyLost{Err: b.Lost()}
	}
	return transfer.OpenFailed{Err: asTransferError(err)}
}
