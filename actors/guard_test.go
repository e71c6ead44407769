package actors

import (
	"context"
	"io"
	"testing"
	"time"

	"godwit/endpoint"
	"godwit/transfer"
)

// counting counts the requests that are made.
type counting struct {
	Uploads
	requests int
}

func (c *counting) OpenSession(context.Context, *endpoint.Upload) (transfer.Session, *endpoint.Failure) {
	c.requests++
	return transfer.Session{}, nil
}

// Send makes a request for every byte.
func (c *counting) Send(ctx context.Context, u *endpoint.Upload, from int64, _ endpoint.Progress) (*endpoint.UploadAnswer, *endpoint.Failure) {
	for at := from; at < u.Size; at++ {
		if _, err := u.Open(ctx, at, 1); err != nil {
			return nil, &endpoint.Failure{Err: asTransferError(err)}
		}
		c.requests++
	}
	return &endpoint.UploadAnswer{}, nil
}

func (c *counting) Discard(context.Context, *endpoint.Upload, string) *transfer.Error {
	c.requests++
	return nil
}

// TestGuardKnowsIncarnations: what an incarnation has begun ends with it, although
// the node is in order again.
func TestGuardKnowsIncarnations(t *testing.T) {
	g := &guard{limit: time.Minute}
	first, second := &deps{cfg: Config{Incarnation: "1"}}, &deps{cfg: Config{Incarnation: "2"}}
	refused := func(ctx context.Context) bool { return g.check(ctx, "deliver", "task") != nil }
	g.look(instantNow(), "1")
	earlier, later := first.newLife().ctx, second.newLife().ctx
	if refused(earlier) || !refused(later) || refused(t.Context()) {
		t.Error("not only its own incarnation acts")
	}
	g.close()
	if !refused(earlier) || !refused(later) || !refused(t.Context()) {
		t.Error("a fenced node acts")
	}
	g.look(instantNow(), "2")
	if !refused(earlier) || refused(later) || refused(t.Context()) {
		t.Error("what an earlier incarnation began goes on")
	}
}

// TestGuardedUploads wakes a node up in the middle of an upload: others may have
// gone on with it meanwhile, so that no other request is begun.
func TestGuardedUploads(t *testing.T) {
	g := &guard{limit: time.Minute}
	far := &counting{}
	guarded := guardedUploads{far, g}
	u := endpoint.Upload{Size: 3, Open: func(context.Context, int64, int64) (io.ReadCloser, error) { return nil, nil }}
	send := func() *endpoint.Failure {
		_, f := guarded.Send(t.Context(), &u, 0, endpoint.Progress{})
		return f
	}
	open := func() *endpoint.Failure {
		_, f := guarded.OpenSession(t.Context(), &u)
		return f
	}
	g.look(instantNow(), "")
	if open() != nil || send() != nil || guarded.Discard(t.Context(), &u, "") != nil || far.requests != 5 {
		t.Fatalf("%d requests of a node that was not away", far.requests)
	}
	u.Open = func(_ context.Context, offset, _ int64) (io.ReadCloser, error) {
		if offset == 1 {
			g.look(instant{at: time.Now().Add(-time.Hour)}, "")
		}
		return nil, nil
	}
	far.requests = 0
	if f := send(); f == nil || f.Unknown || f.Err.Code.Class() != transfer.Transient || far.requests != 2 {
		t.Errorf("%d requests, and then %+v", far.requests, f)
	}
	e := guarded.Discard(t.Context(), &u, "")
	if f := open(); f == nil || e == nil || send() == nil || far.requests != 2 {
		t.Errorf("%d requests, %v, %v", far.requests, f, e)
	}
}

// TestGuardedOutlets wakes a node up just before it delivers for a task and runs a
// command: others have done both meanwhile.
func TestGuardedOutlets(t *testing.T) {
	g := &guard{limit: time.Minute}
	done := 0
	guarded := Outlets{
		Deliver: func(context.Context, endpoint.Delivery) (endpoint.Answer, error) {
			done++
			return endpoint.Answer{Status: 204}, nil
		},
		Run: func(context.Context, string, []byte, string, int) CommandResult {
			done++
			return CommandResult{HasExit: true}
		},
	}.guarded(g)
	try := func() (ran *transfer.Error, delivered error) {
		_, err := guarded.Deliver(t.Context(), endpoint.Delivery{ID: "task"})
		return guarded.Run(t.Context(), "command", nil, "task", 1).Err, err
	}
	g.look(instantNow(), "")
	if e, err := try(); err != nil || e != nil || done != 2 {
		t.Fatalf("a node that was not away: %d done, %v %v", done, err, e)
	}
	g.look(instant{at: time.Now().Add(-time.Hour)}, "")
	e, err := try()
	if err == nil || asTransferError(err).Code.Class() != transfer.Transient || e == nil || e.Code.Class() != transfer.Transient || done != 2 {
		t.Errorf("a node that was away: %d done, %v %v", done, err, e)
	}
	if none := (Outlets{}).guarded(g); none.Deliver != nil || none.Run != nil {
		t.Error("a node without outlets got some")
	}
}
