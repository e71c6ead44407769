package actors

import (
	"context"
	"errors"
	"fmt"
	"io"

	"godwit/storage"
	"godwit/transfer"
)

// Open streams a transfer's result from offset. While the transfer runs, it
// follows the writer: what is stored without a gap is delivered as it grows
// where the store can read an unpublished object, and after publishing
// otherwise. It fails with result.not_ready when the transfer ends without a
// result, with source.changed when what was delivered is not part of it any
// more, and with offset.invalid when the offset is beyond the end, as soon as
// that is known.
// Of an upload it is the body of the far side's answer, when it has ended: with
// success, or with a failure that the far side answered with.
func (s *System) Open(ctx context.Context, id string, offset int64) (io.ReadCloser, error) {
	snap, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if snap.State.Phase.Terminal() && snap.State.Spec.Direction == transfer.Upload {
		return openAnswer(&snap.State, offset)
	}
	if snap.State.Phase == transfer.PhaseCompleted {
		return s.openResult(ctx, &snap.State, offset)
	}
	if snap.State.Phase.Terminal() {
		return nil, noResult(&snap.State)
	}
	ctx, cancel := context.WithCancel(ctx)
	pr, pw := io.Pipe()
	f := &follower{system: s, id: id, pos: offset, out: pw}
	go func() { pw.CloseWithError(f.follow(ctx)) }()
	return &followed{PipeReader: pr, cancel: cancel}, nil
}

type followed struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (f *followed) Close() error {
	f.cancel()
	return f.PipeReader.Close()
}

func noResult(s *transfer.State) *transfer.Error {
	if s.Spec.Direction == transfer.Upload {
		return &transfer.Error{
			Code: transfer.CodeNoResult, Op: "read transfer", Subject: s.Spec.ID,
			Message: "the far side has not answered: the transfer is " + s.Phase.Status(),
		}
	}
	return &transfer.Error{
		Code: transfer.CodeNoResult, Op: "read transfer", Subject: s.Spec.ID,
		Message: "it has no result: it is " + s.Phase.Status(),
	}
}

func beyondEnd(s *transfer.State, size int64) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeOffset, Op: "read transfer", Subject: s.Spec.ID, Field: "offset",
		Message: fmt.Sprintf("the offset is beyond the end: the result has %d bytes", size),
	}
}

func (s *System) openResult(ctx context.Context, state *transfer.State, offset int64) (io.ReadCloser, error) {
	store, name := s.deps.cfg.Objects[schemeOf(state.Spec.Destination)], nameOf(state.Spec.Destination)
	body, _, err := store.Open(ctx, name, offset)
	if err == nil {
		return body, nil
	}
	if storage.KindOf(err) == storage.ErrInvalid {
		// What is there may not be what was fetched: its own size counts.
		if info, statErr := store.Stat(ctx, name); statErr == nil && offset > info.Size {
			return nil, beyondEnd(state, info.Size)
		}
	}
	return nil, asTransferError(err)
}

// follower copies a growing object.
type follower struct {
	system *System
	id     string
	pos    int64
	token  string // of the upload that bytes were delivered from
	out    io.Writer
}

func (f *follower) follow(ctx context.Context) error {
	watch := f.system.Watch(ctx, []string{f.id})
	defer watch.Close()
	for {
		snap, err := watch.Next(ctx)
		if err != nil {
			return err
		}
		done, err := f.deliver(ctx, &snap.State)
		if done || err != nil {
			return err
		}
	}
}

// deliver copies what can be had of the state at hand.
func (f *follower) deliver(ctx context.Context, s *transfer.State) (done bool, err error) {
	if s.Spec.Direction == transfer.Upload {
		return f.deliverAnswer(ctx, s)
	}
	switch {
	case f.token != "" && s.Gen.Token != f.token && s.Gen.Token != "":
		return false, transfer.Errorf(transfer.CodeSourceChanged, "the transfer began again after bytes of it were read")
	case s.Phase == transfer.PhaseCompleted:
		body, err := f.system.openResult(ctx, s, f.pos)
		if err != nil {
			return false, err
		}
		defer func() { _ = body.Close() }()
		_, err = io.Copy(f.out, body)
		return true, err
	case s.Phase.Terminal():
		return false, noResult(s)
	case s.Size() >= 0 && f.pos > s.Size():
		return false, beyondEnd(s, s.Size())
	}
	ready := s.Gen.Ledger.Ranges()
	if len(ready) == 0 || ready[0].Offset > 0 || ready[0].Length <= f.pos || s.Gen.Upload == (transfer.UploadRef{}) {
		return false, nil
	}
	return false, f.copyPartial(ctx, s, ready[0].Length)
}

// copyPartial copies from f.pos up to end out of the unpublished object.
func (f *follower) copyPartial(ctx context.Context, s *transfer.State, end int64) error {
	store := f.system.deps.cfg.Objects[schemeOf(s.Spec.Destination)]
	body, err := store.ReadBack(ctx, storage.Upload(s.Gen.Upload), end)
	switch kind := storage.KindOf(err); {
	case kind == storage.ErrUnsupported || kind == storage.ErrNoUpload:
		return nil // after publishing, then
	case err != nil:
		return asTransferError(err)
	}
	defer func() { _ = body.Close() }()
	f.token = s.Gen.Token
	if err := skip(body, f.pos); err != nil {
		return asTransferError(err)
	}
	n, err := io.Copy(f.out, body)
	f.pos += n
	return err
}

// skip goes to a position of a stream, by seeking where that is possible.
func skip(r io.Reader, n int64) error {
	if s, ok := r.(io.Seeker); ok {
		_, err := s.Seek(n, io.SeekStart)
		return err
	}
	_, err := io.CopyN(io.Discard, r, n)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
