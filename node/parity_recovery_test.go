package node

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

var parityRecovery = []parityLine{
	{"a stopped node goes on where it was, digest intact", parityRestart},
	{"no range support begins again and is counted", parityNoRanges},
	{"another entity tag begins a new generation", parityChanged},
	{"failures in a row are bounded, progress is not counted as one", parityRetries},
	{"size over the declared one fails at once", paritySize},
	{"one URL twice at the same time, both right", parityTwice},
}

func parityRestart(t *testing.T) {
	o := newOrigin(t)
	tap := turnOn(o, "/f", 300<<10)
	p := newParity(t)
	spec := p.spec("t", o.URL("/f"))
	spec.Digest = "sha256"
	p.create(spec)
	p.stored("t", 4*parityPart)
	p.stop()
	tap.open()
	p.begin()
	got := p.completed("t", o)
	if got.GetChecksums().GetSha256() != o.SHA256() {
		t.Errorf("digest %s", got.GetChecksums().GetSha256())
	}
	r := o.Requests()
	if len(r) != 2 || r[1].Header.Get("Range") == "bytes=0-" || got.GetProgress().GetRestarts() > 0 {
		t.Errorf("%d requests, the last for %q, %d restarts", len(r), r[len(r)-1].Header.Get("Range"), got.GetProgress().GetRestarts())
	}
}

func parityNoRanges(t *testing.T) {
	o := newOrigin(t, func(b *endpointtest.Behavior) {
		b.Ranges, b.CutAt, b.CutTimes, b.Cut = endpointtest.RangesOff, 8*parityPart, 1, endpointtest.CutClose
	})
	p := newParity(t)
	p.create(p.spec("t", o.URL("/f")))
	got := p.completed("t", o)
	if got.GetProgress().GetRestarts() != 1 || got.GetResponse().GetResumable() {
		t.Errorf("%d restarts, resumable %v", got.GetProgress().GetRestarts(), got.GetResponse().GetResumable())
	}
	if served := o.BytesServed(); served != o.Content().Size+8*parityPart {
		t.Errorf("%d bytes were served", served)
	}
}

func parityChanged(t *testing.T) {
	o := newOrigin(t)
	tap := turnOn(o, "/f", 300<<10)
	p := newParity(t)
	p.create(p.spec("t", o.URL("/f")))
	if got := p.stored("t", 4*parityPart); got.GetProgress().GetGeneration() != 1 {
		t.Errorf("generation %d", got.GetProgress().GetGeneration())
	}
	must(p.c.Pause(p.ctx, "t"))(p)
	o.Change()
	tap.open()
	must(p.c.Resume(p.ctx, "t"))(p)
	got := p.completed("t", o)
	if got.GetProgress().GetGeneration() != 2 || got.GetProgress().GetRestarts() != 1 {
		t.Errorf("progress %v", got.GetProgress())
	}
}

// One retry is enough for an origin that breaks off twice and gives something
// in between, and not for one that gives nothing twice.
func parityRetries(t *testing.T) {
	o := newOrigin(t)
	var broken, refusals atomic.Int64
	o.Handle("/breaks", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := broken.Add(1) * 4 * parityPart
		if at > 8*parityPart {
			at = o.Content().Size
		}
		w.Header().Set("ETag", o.ETag())
		http.ServeContent(w, r, "", time.Time{}, &brittle{flow{tap: &tap{at: at}, content: o.Content(), w: w}})
	}))
	o.Handle("/refuses", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refusals.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	p := newParity(t)
	one := int32(1)
	for _, id := range []string{"breaks", "refuses"} {
		spec := p.spec(id, o.URL("/"+id))
		spec.Retries = &one
		p.create(spec)
	}
	if got := p.completed("breaks", o); broken.Load() != 3 || got.GetProgress().GetRestarts() > 0 {
		t.Errorf("%d requests, %d restarts", broken.Load(), got.GetProgress().GetRestarts())
	}
	if got := p.status("refuses", pb.Transfer_FAILED); got.GetAttempts() != 2 || got.GetError().GetCode() != "http.unavailable" || refusals.Load() != 2 {
		t.Errorf("%d attempts, %v", got.GetAttempts(), got.GetError())
	}
}

func paritySize(t *testing.T) {
	o := newOrigin(t)
	endless := newOrigin(t, func(b *endpointtest.Behavior) {
		b.Ranges, b.Length = endpointtest.RangesOff, endpointtest.LengthNone
	})
	p := newParity(t)
	size := int64(3 * parityPart)
	for id, url := range map[string]string{"announced": o.URL("/f"), "not announced": endless.URL("/f")} {
		spec := p.spec("", url)
		spec.Destination.Url, spec.ExpectedSize = "file://"+p.file(id), &size
		got := p.status(p.create(spec).GetId(), pb.Transfer_FAILED)
		if got.GetError().GetCode() != "size.exceeded" || got.GetAttempts() != 1 {
			t.Errorf("%s: %v after %d attempts", id, got.GetError(), got.GetAttempts())
		}
	}
	p.eventually("nothing is left", func() bool { return len(p.results()) == 0 })
}

func parityTwice(t *testing.T) {
	o := newOrigin(t)
	tap := turnOn(o, "/f", 300<<10)
	p := newParity(t)
	p.create(p.spec("a", o.URL("/f")))
	p.create(p.spec("b", o.URL("/f")))
	p.stored("a", parityPart)
	p.stored("b", parityPart)
	tap.open()
	p.completed("a", o)
	p.completed("b", o)
}
