package actors

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"godwit/storage"
	"godwit/transfer"
)

// Spool keeps content that is to be sent, under a name that nobody can guess, and
// returns its URL and its length in bytes. A transfer that names it as its source
// and says that it was spooled removes it when it has completed or was canceled,
// else with itself. It fails with
// field.unsupported where the node offers no such place, with net.reset when r
// fails, and as stores do.
func (s *System) Spool(ctx context.Context, r io.Reader) (url string, size int64, err error) {
	folder := s.deps.cfg.SpoolURL
	store := s.deps.cfg.Objects[schemeOf(folder)]
	if folder == "" || store == nil {
		return "", 0, &transfer.Error{
			Code: transfer.CodeField, Op: "spool", Message: "this node keeps no content that is to be sent; give the place of a source instead",
		}
	}
	url = folder + strings.ToLower(ulid.Make().String())
	token := newNonce() + newNonce()
	up, err := store.Begin(ctx, nameOf(url), storage.BeginOptions{Token: token, Size: storage.UnknownSize})
	if err != nil {
		return "", 0, spoolError(err)
	}
	opts := storage.CompleteOptions{Token: token}
	parts, err := spoolParts(ctx, store, up, r, &opts)
	if err == nil {
		_, err = store.Complete(ctx, up, parts, opts)
	}
	if err != nil {
		s.dropSpooled(ctx, store, up)
		return "", 0, spoolError(err)
	}
	return url, opts.Size, nil
}

// spoolParts stores what r brings, part after part, and sums it up.
func spoolParts(ctx context.Context, store storage.ObjectStore, up storage.Upload, r io.Reader, sum *storage.CompleteOptions) ([]storage.Part, error) {
	plan, planErr := transfer.MakePlan(transfer.UnknownSize, 0, traitsOf(store))
	if planErr != nil {
		return nil, planErr
	}
	var parts []storage.Part
	for n := 1; ; n++ {
		offset, size := plan.Part(n)
		part, err := spoolPart(ctx, store, up, r, n, offset, size)
		if err != nil {
			return nil, err
		}
		if part.Size > 0 {
			parts = append(parts, part)
			sum.CRC64 = storage.CombineCRC64(sum.CRC64, part.CRC64, part.Size)
			sum.Size += part.Size
		}
		if part.Size < size {
			return parts, nil
		}
		if n == store.Limits().MaxParts {
			return nil, transfer.Errorf(transfer.CodeTooManyParts, "the store takes no more than %d bytes", sum.Size)
		}
	}
}

// spoolPart stores one part; one of no bytes is not stored.
func spoolPart(ctx context.Context, store storage.ObjectStore, up storage.Upload, r io.Reader, n int, offset, size int64) (storage.Part, error) {
	w, err := store.OpenPart(ctx, up, n, offset, size)
	if err != nil {
		return storage.Part{}, err
	}
	defer w.Discard()
	if _, err := w.ReadFrom(r); err != nil || w.Len() == 0 {
		return storage.Part{}, err
	}
	return w.Commit(ctx)
}

// dropSpooled removes what was not spooled to its end, even if it was published
// and nobody was told: the caller waits no longer than for this.
func (s *System) dropSpooled(ctx context.Context, store storage.ObjectStore, up storage.Upload) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.deps.cfg.CallTimeout)
	defer cancel()
	err := store.Abort(ctx, up)
	if err == nil {
		err = store.Delete(ctx, up.Name)
	}
	if err != nil {
		s.deps.cfg.Logger.WarnContext(ctx, "spooled content is left behind", slog.String("name", up.Name), slog.Any("error", err))
	}
}

func spoolError(err error) *transfer.Error {
	var e transfer.Error
	if storage.KindOf(err) == "" {
		e = *asTransferError(err)
		if e.Code == transfer.CodeInternal || e.Code == transfer.CodeStoreUnavailable {
			e = transfer.Error{Code: transfer.CodeReset, Message: "the content did not arrive whole", Err: err}
		}
	} else {
		e = *storeError(err)
	}
	e.Op = "spool"
	return &e
}

// dropSource returns what makes room once a record says that nothing can need a
// spooled source any more; a failed transfer may be retried. What is left by an
// error or a death goes with the transfer.
func (t *transferActor) dropSource() func(context.Context) {
	spec, phase := t.state.Spec, t.state.Phase
	needed := phase != transfer.PhaseCompleted && phase != transfer.PhaseCanceled
	store := t.cfg.Objects[schemeOf(spec.Source)]
	if needed || phase == t.recorded || store == nil || !t.system.isSpooled(&spec) {
		return func(context.Context) {}
	}
	return func(c context.Context) {
		c, cancel := context.WithTimeout(c, t.cfg.CallTimeout)
		defer cancel()
		if err := store.Delete(c, nameOf(spec.Source)); err != nil {
			t.cfg.Logger.WarnContext(c, "spooled source not removed yet", slog.String("transfer", spec.ID), slog.Any("error", err))
		}
	}
}

// removeSpooled removes the source that was written for a transfer about to be
// deleted. It fails only when the actor ends; what the store refuses for good
// stays, since the transfer must not.
func (t *transferActor) removeSpooled(ctx context.Context, spec *transfer.Spec) error {
	if !t.system.isSpooled(spec) {
		return nil
	}
	store, name := t.cfg.Objects[schemeOf(spec.Source)], nameOf(spec.Source)
	if store == nil {
		return nil
	}
	for failures := 1; ; failures++ {
		err := store.Delete(ctx, name)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && storeError(err).Code.Class() != transfer.Transient {
			t.cfg.Logger.WarnContext(ctx, "spooled source not removed", slog.String("transfer", t.id), slog.Any("error", err))
			return nil
		}
		if err := sleep(ctx, min(transfer.Backoff(failures, t.cfg.Random()), 5*time.Second)); err != nil {
			return err
		}
	}
}
