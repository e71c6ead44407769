package actors

import (
	"bytes"
	"context"
	"io"

	"godwit/transfer"
)

// The result of an upload is what the far side answered.

// openAnswer reads the answer of an upload that has ended.
func openAnswer(s *transfer.State, offset int64) (io.ReadCloser, error) {
	answered := s.Phase == transfer.PhaseCompleted || s.Phase == transfer.PhaseFailed && s.Response.StatusCode != 0
	switch {
	case !answered:
		return nil, noResult(s)
	case offset < 0 || offset > int64(len(s.Answer)):
		return nil, beyondEnd(s, int64(len(s.Answer)))
	}
	return io.NopCloser(bytes.NewReader(s.Answer[offset:])), nil
}

// deliverAnswer copies the answer of an upload, once there can be no other. It is
// read again: what is told of a change does not have it.
func (f *follower) deliverAnswer(ctx context.Context, s *transfer.State) (done bool, err error) {
	if !s.Phase.Terminal() {
		return false, nil
	}
	snap, err := f.system.Get(ctx, f.id)
	if err != nil {
		return false, err
	}
	body, err := openAnswer(&snap.State, f.pos)
	if err != nil {
		return false, err
	}
	_, err = io.Copy(f.out, body)
	return true, err
}
