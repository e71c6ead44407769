package node

import (
	"net/http"
	"os"
	"slices"
	"testing"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

var parityControl = []parityLine{
	{"start is idempotent", parityStart},
	{"pause and resume, and the states that do not allow it", parityPause},
	{"POST cannot be paused", parityPausePost},
	{"cancel in every state, with author and reason", parityCancel},
	{"another URL with the same content goes on where it was", paritySameSource},
	{"another URL with other content begins a new generation", parityOtherSource},
	{"priority is live", parityPriority},
	{"retry of a failed one keeps its parts", parityRetry},
	{"acknowledge and delete", parityPurge},
}

func parityStart(t *testing.T) {
	o := newOrigin(t)
	tap := turnOn(o, "/f", 300<<10)
	p := newParity(t)
	p.add(p.spec("t", o.URL("/f")))
	if got := p.get("t"); got.GetStatus() != pb.Transfer_IDLE || len(o.Requests()) > 0 {
		t.Errorf("before: %v, %d requests", got.GetStatus(), len(o.Requests()))
	}
	must(p.c.Start(p.ctx, "t"))(p)
	p.stored("t", parityPart)
	if got := must(p.c.Start(p.ctx, "t"))(p); got.GetStatus() != pb.Transfer_RUNNING {
		t.Errorf("started twice: %v", got.GetStatus())
	}
	tap.open()
	if got := p.completed("t", o); got.GetAttempts() != 1 || len(o.Requests()) != 1 {
		t.Errorf("%d attempts, %d requests", got.GetAttempts(), len(o.Requests()))
	}
	_, err := p.c.Start(p.ctx, "t")
	p.refused(err, "state.conflict")
}

func parityPause(t *testing.T) {
	o := newOrigin(t)
	tap := turnOn(o, "/f", 300<<10)
	p := newParity(t)
	p.add(p.spec("t", o.URL("/f")))
	_, err := p.c.Pause(p.ctx, "t")
	p.refused(err, "state.conflict")
	_, err = p.c.Resume(p.ctx, "t")
	p.refused(err, "state.conflict")
	must(p.c.Start(p.ctx, "t"))(p)
	p.stored("t", 4*parityPart)
	must(p.c.Pause(p.ctx, "t"))(p)
	select {
	case <-tap.left:
	case <-p.ctx.Done():
		t.Fatal("the origin still sends")
	}
	paused := must(p.c.Pause(p.ctx, "t"))(p) // again, which says the same
	if got := paused.GetPauseReasons(); paused.GetStatus() != pb.Transfer_PAUSED || !slices.Equal(got, []pb.Transfer_PauseReason{pb.Transfer_APPLICATION}) {
		t.Errorf("%v because of %v", paused.GetStatus(), got)
	}
	tap.open()
	must(p.c.Resume(p.ctx, "t"))(p)
	got := p.completed("t", o)
	if r := o.Requests()[1].Header.Get("Range"); r != "bytes=262144-" && r != "bytes=262144-1048592" || got.GetProgress().GetRestarts() > 0 {
		t.Errorf("went on with Range %q after %d restarts", r, got.GetProgress().GetRestarts())
	}
	_, err = p.c.Pause(p.ctx, "t")
	p.refused(err, "state.conflict")
	_, err = p.c.Resume(p.ctx, "t")
	p.refused(err, "state.conflict")
}

func parityPausePost(t *testing.T) {
	o := newOrigin(t)
	tap := turnOn(o, "/f", 300<<10)
	p := newParity(t)
	spec := p.spec("t", o.URL("/f"))
	spec.Method = http.MethodPost
	p.create(spec)
	p.stored("t", parityPart)
	_, err := p.c.Pause(p.ctx, "t")
	p.refused(err, "state.conflict")
	tap.open()
	p.completed("t", o)
}

func parityCancel(t *testing.T) {
	o := newOrigin(t)
	turnOn(o, "/held", 300<<10)
	o.Handle("/none", http.NotFoundHandler())
	p := newParity(t, func(c *Config) { c.Slots = 1 })
	cancel := func(id string, was, want pb.Transfer_Status) {
		t.Helper()
		if got := p.get(id).GetStatus(); got != was {
			t.Errorf("%s is %v before, want %v", id, got, was)
		}
		must(p.c.Cancel(p.ctx, id, "no longer wanted"))(p)
		got := p.get(id)
		if got.GetStatus() != want {
			t.Errorf("canceled when %v it is %v", was, got.GetStatus())
		}
		by, why := "", ""
		if want == pb.Transfer_CANCELED {
			by, why = "api", "no longer wanted"
		}
		if got.GetCanceledBy() != by || got.GetCancelReason() != why {
			t.Errorf("canceled by %q because %q", got.GetCanceledBy(), got.GetCancelReason())
		}
	}
	p.create(p.spec("done", o.URL("/f")))
	p.completed("done", o)
	p.create(p.spec("failed", o.URL("/none")))
	p.status("failed", pb.Transfer_FAILED)
	p.add(p.spec("idle", o.URL("/f")))
	p.create(p.spec("paused", o.URL("/held")))
	p.stored("paused", parityPart)
	must(p.c.Pause(p.ctx, "paused"))(p)
	p.create(p.spec("running", o.URL("/held")))
	p.stored("running", parityPart)
	p.create(p.spec("queued", o.URL("/f")))
	cancel("idle", pb.Transfer_IDLE, pb.Transfer_CANCELED)
	cancel("queued", pb.Transfer_QUEUED, pb.Transfer_CANCELED)
	cancel("paused", pb.Transfer_PAUSED, pb.Transfer_CANCELED)
	cancel("running", pb.Transfer_RUNNING, pb.Transfer_CANCELED)
	cancel("running", pb.Transfer_CANCELED, pb.Transfer_CANCELED)
	cancel("failed", pb.Transfer_FAILED, pb.Transfer_FAILED)
	cancel("done", pb.Transfer_COMPLETED, pb.Transfer_COMPLETED)
	p.eventually("only the completed one has bytes", func() bool { return slices.Equal(p.results(), []string{"done"}) })
}

func paritySameSource(t *testing.T) {
	o := newOrigin(t)
	turnOn(o, "/expired", 300<<10)
	p := newParity(t)
	p.create(p.spec("t", o.URL("/expired")))
	p.stored("t", 4*parityPart)
	fresh := o.URL("/fresh")
	change := &pb.UpdateTransferRequest{Id: "t", Url: &fresh}
	_, err := p.c.Update(p.ctx, change)
	p.refused(err, "state.conflict") // while it runs
	must(p.c.Pause(p.ctx, "t"))(p)
	must(p.c.Update(p.ctx, change))(p)
	must(p.c.Resume(p.ctx, "t"))(p)
	got := p.completed("t", o)
	if got.GetProgress().GetRestarts() != 0 || got.GetProgress().GetGeneration() != 1 {
		t.Errorf("progress %v", got.GetProgress())
	}
	if served := o.PathBytes("/fresh"); served != o.Content().Size-4*parityPart {
		t.Errorf("the new URL gave %d bytes", served)
	}
}

func parityOtherSource(t *testing.T) {
	o := newOrigin(t)
	turnOn(o, "/f", 300<<10)
	other := endpointtest.New(t, endpointtest.Options{Seed: 8, Size: o.Content().Size})
	p := newParity(t)
	p.create(p.spec("t", o.URL("/f")))
	p.stored("t", 4*parityPart)
	must(p.c.Pause(p.ctx, "t"))(p)
	fresh := other.URL("/f")
	must(p.c.Update(p.ctx, &pb.UpdateTransferRequest{Id: "t", Url: &fresh}))(p)
	must(p.c.Resume(p.ctx, "t"))(p)
	got := p.completed("t", other)
	if got.GetProgress().GetRestarts() != 1 || got.GetProgress().GetGeneration() != 2 {
		t.Errorf("progress %v", got.GetProgress())
	}
}

// The one created last overtakes because its priority was raised later still.
func parityPriority(t *testing.T) {
	o := newOrigin(t)
	tap := turnOn(o, "/first", 300<<10)
	p := newParity(t, func(c *Config) { c.Slots = 1 })
	p.create(p.spec("first", o.URL("/first")))
	p.stored("first", parityPart)
	p.create(p.spec("second", o.URL("/second")))
	p.create(p.spec("third", o.URL("/third")))
	must(p.c.Update(p.ctx, &pb.UpdateTransferRequest{Id: "third", Priority: pb.PriorityClass_HIGH}))(p)
	tap.open()
	p.completed("second", o)
	p.completed("third", o)
	var paths []string
	for _, r := range o.Requests() {
		paths = append(paths, r.Path)
	}
	if !slices.Equal(paths, []string{"/first", "/third", "/second"}) {
		t.Errorf("asked for %v", paths)
	}
}

func parityRetry(t *testing.T) {
	const half = 8 * parityPart
	o := newOrigin(t, func(b *endpointtest.Behavior) { b.CutAt, b.CutTimes, b.Cut = half, 1, endpointtest.CutClose })
	o.When(half, func() {
		o.Set(func(b *endpointtest.Behavior) { b.Status, b.StatusTimes = http.StatusNotFound, endpointtest.Always })
	})
	p := newParity(t)
	p.create(p.spec("t", o.URL("/f")))
	failed := p.status("t", pb.Transfer_FAILED)
	if failed.GetError().GetCode() != "http.status" || failed.GetError().GetWebErrorStatus() != "NOT_FOUND" || failed.GetProgress().GetBytesDone() != half {
		t.Errorf("failed with %v and %v", failed.GetError(), failed.GetProgress())
	}
	o.Set(func(b *endpointtest.Behavior) { b.Status = 0 })
	must(p.c.Retry(p.ctx, "t"))(p)
	got := p.completed("t", o)
	if o.BytesServed() != o.Content().Size || got.GetProgress().GetRestarts() > 0 {
		t.Errorf("%d bytes were served for %d, %d restarts", o.BytesServed(), o.Content().Size, got.GetProgress().GetRestarts())
	}
}

func parityPurge(t *testing.T) {
	const half = 8 * parityPart
	o := newOrigin(t, func(b *endpointtest.Behavior) { b.CutAt, b.CutTimes, b.Cut = half, 1, endpointtest.CutClose })
	tap := turnOn(o, "/f", 300<<10)
	p := newParity(t)
	p.create(p.spec("t", o.URL("/f")))
	p.stored("t", parityPart)
	_, err := p.c.Acknowledge(p.ctx, "t")
	p.refused(err, "state.conflict")
	p.refused(p.c.Delete(p.ctx, "t"), "state.conflict")
	tap.open()
	p.completed("t", o)
	unseen := func() (ids []string) {
		for tr, err := range p.c.List(p.ctx, &pb.ListTransfersRequest{Unacknowledged: true}) {
			ids = append(ids, must(tr, err)(p).GetId())
		}
		return ids
	}
	if got := unseen(); !slices.Equal(got, []string{"t"}) {
		t.Errorf("not acknowledged: %v", got)
	}
	if got := must(p.c.Acknowledge(p.ctx, "t"))(p); got.GetAcknowledgeTime() == nil || len(unseen()) > 0 {
		t.Errorf("acknowledged: %v", got)
	}
	if err := p.c.Delete(p.ctx, "t"); err != nil {
		t.Fatal(err)
	}
	_, err = p.c.Get(p.ctx, "t")
	p.refused(err, "transfer.not_found")
	checkContent(t, p.file("t"), o)
	p.create(p.spec("again", o.URL("/f"))) // nothing of it is in the way

	o.When(half, func() {
		o.Set(func(b *endpointtest.Behavior) { b.Status, b.StatusTimes = http.StatusNotFound, endpointtest.Always })
	})
	p.create(p.spec("failed", o.URL("/other")))
	p.status("failed", pb.Transfer_FAILED)
	p.completed("again", o)
	if err := os.Remove(p.file("again")); err != nil {
		t.Fatal(err)
	}
	if len(p.results()) < 2 {
		t.Errorf("a failed one keeps no bytes: %v", p.results())
	}
	if err := p.c.Delete(p.ctx, "failed"); err != nil {
		t.Fatal(err)
	}
	p.eventually("the bytes of the failed one are gone", func() bool { return slices.Equal(p.results(), []string{"t"}) })
}
