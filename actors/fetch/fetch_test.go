package fetch_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"godwit/actors/actorstest"
	"godwit/actors/fetch"
	"godwit/endpoint"
	"godwit/storage"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

const partSize = 64 << 10

// rig is one session in virtual time, and all that it has reported.
type rig struct {
	source  *actorstest.Source
	objects *actorstest.Objects
	store   storage.ObjectStore
	run     *fetch.Run
	cfg     fetch.Config
	panics  any

	mu     sync.Mutex
	events []transfer.Event
}

func newRig(parts int, buffered bool) *rig {
	return newRigSize(int64(parts)*partSize, buffered)
}

func newRigSize(size int64, buffered bool) *rig {
	r := &rig{
		source: actorstest.NewSource(size),
		objects: actorstest.NewObjects(storage.Limits{
			MinPart: 1, MaxPart: 1 << 30, Preferred: partSize, MaxParts: 10000, Buffered: buffered,
		}),
		run: fetch.NewRun(context.Background()),
	}
	r.store = r.objects
	up, err := r.objects.Begin(context.Background(), "/o", storage.BeginOptions{Token: "t"})
	if err != nil {
		panic(err)
	}
	r.cfg = fetch.Config{
		Gen: transfer.Generation{
			Number: 1, Validator: transfer.Validator{ETag: `"1"`}, Resumable: true, Token: "t", Upload: transfer.UploadRef(up),
			Plan: transfer.Plan{Size: size, PartSize: partSize},
		},
		Request: func(offset, length int64) endpoint.Request {
			return endpoint.Request{URL: "https://origin.example/o", Offset: offset, Length: length}
		},
		Source: r.source, Report: r.report, Received: func(int64) {}, Refetched: func(int64) {},
		StoreFailed: func(err error) transfer.Event {
			return transfer.StoreFailed{Err: transfer.Errorf(transfer.CodeStoreUnavailable, "%v", err)}
		},
	}
	return r
}

func (r *rig) report(ev transfer.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
}

// fetch runs one session to its end; a panic is kept.
func (r *rig) fetch() {
	done := r.run.Begin()
	defer done()
	defer func() { r.panics = recover() }()
	r.cfg.Store = r.store
	fetch.Fetch(r.run, r.cfg)
}

// again is what the owner of a failed session does: a new run with the parts
// that were reported.
func (r *rig) again() {
	r.run.Stop()
	r.run.Wait()
	r.run = fetch.NewRun(context.Background())
	for _, ev := range r.take() {
		if stored, ok := ev.(transfer.PartStored); ok {
			r.cfg.Gen.Ledger.Add(stored.Part)
		}
	}
}

func (r *rig) take() []transfer.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.events
	r.events = nil
	return out
}

// stored checks that the parts of the ledger are the content, each once.
func (r *rig) stored() error {
	r.again()
	if !r.cfg.Gen.Ledger.Complete(r.cfg.Gen.Plan) {
		return fmt.Errorf("%d parts are stored, %d bytes", r.cfg.Gen.Ledger.Count(), r.cfg.Gen.Ledger.Bytes())
	}
	body, err := r.objects.ReadBack(context.Background(), storage.Upload(r.cfg.Gen.Upload), r.cfg.Gen.Plan.Size)
	if err != nil {
		return nil // a store that cannot be read back checks when it completes
	}
	got, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	want, err := io.ReadAll(r.source.Content().Reader(0))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%d bytes that differ from the content", len(got))
	}
	return nil
}

// draw makes a source of any shape: whatever it does, it serves something now
// and then.
func draw(t *rapid.T) func(int, endpoint.Request) actorstest.Answer {
	answers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) actorstest.Answer {
		a := actorstest.Answer{Delay: time.Duration(rapid.IntRange(0, 200).Draw(t, "delay")) * time.Millisecond}
		switch rapid.IntRange(0, 6).Draw(t, "shape") {
		case 0:
			a.Err = transfer.Errorf(transfer.CodeConnect, "refused")
		case 1:
			a.Cut = rapid.Int64Range(1, 4*partSize).Draw(t, "cut")
		case 2:
			a.Cut, a.Stall = rapid.Int64Range(1, 4*partSize).Draw(t, "cut"), time.Minute
		case 3:
			a.Length = rapid.Int64Range(1, 3*partSize).Draw(t, "length")
		case 4:
			a.Whole = true
		case 5:
			a.Rate = rapid.Int64Range(partSize/8, 8*partSize).Draw(t, "rate")
		}
		return a
	}), 1, 20).Draw(t, "answers")
	return func(n int, _ endpoint.Request) actorstest.Answer {
		if n%3 == 0 {
			return actorstest.Answer{}
		}
		return answers[n%len(answers)]
	}
}

// TestAnyShapeOfSource fetches from sources that reset, stall, answer less than
// asked, forget what ranges are, or refuse: in the end every part was stored,
// and none was reported twice.
func TestAnyShapeOfSource(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		script := draw(rt)
		size := rapid.Int64Range(1, 12*partSize).Draw(rt, "size")
		buffered := rapid.Bool().Draw(rt, "buffered")
		connections := rapid.IntRange(0, 4).Draw(rt, "connections")
		// rapid's own T is not for use in a bubble: the outcome is carried out.
		var problem error
		synctest.Test(t, func(*testing.T) {
			r := newRigSize(size, buffered)
			r.source.Script = script
			r.cfg.Connections = connections
			seen := map[int]bool{}
			for range 500 {
				r.fetch()
				for _, ev := range r.events {
					if p, ok := ev.(transfer.PartStored); ok && seen[p.Part.Number] {
						problem = fmt.Errorf("part %d was reported twice", p.Part.Number)
					} else if ok {
						seen[p.Part.Number] = true
					}
				}
				r.again()
				if r.cfg.Gen.Ledger.Complete(r.cfg.Gen.Plan) {
					break
				}
			}
			if err := r.stored(); err != nil && problem == nil {
				problem = err
			}
			synctest.Wait()
			if now, _ := r.source.Active(); now != 0 && problem == nil {
				problem = fmt.Errorf("%d answers were left open", now)
			}
			if r.run.InFlight() != 0 && problem == nil {
				problem = fmt.Errorf("%d bytes in flight at the end", r.run.InFlight())
			}
		})
		if problem != nil {
			rt.Fatal(problem)
		}
	})
}

// TestShareBoundsConnections lets every connection be as slow, so that more of
// them help: never are there more than asked for, and never more than the host's
// share, which may change meanwhile.
func TestShareBoundsConnections(t *testing.T) {
	tests := map[string]struct{ connections, share, least, most int }{
		"automatic":       {0, 0, 6, 16},
		"asked for":       {3, 0, 3, 3},
		"share":           {0, 2, 2, 2},
		"share of one":    {0, 1, 1, 1},
		"the lesser of 2": {5, 3, 3, 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(256, false)
				r.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: 8 * partSize} }
				r.cfg.Connections = test.connections
				r.run.Share(test.share)
				r.fetch()
				if err := r.stored(); err != nil {
					t.Fatal(err)
				}
				if _, most := r.source.Active(); most < test.least || most > test.most {
					t.Errorf("%d connections, want %d to %d", most, test.least, test.most)
				}
			})
		})
	}
}

// TestShareFalls takes connections away from a running session.
func TestShareFalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(512, false)
		r.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: 8 * partSize} }
		r.run.Share(6)
		go r.fetch()
		<-time.After(4 * time.Second)
		if now, _ := r.source.Active(); now < 4 {
			t.Errorf("%d connections before, want up to 6", now)
		}
		r.run.Share(2)
		<-time.After(time.Second)
		if now, _ := r.source.Active(); now > 2 {
			t.Errorf("%d connections with a share of 2", now)
		}
		r.run.Stop()
		r.run.Wait()
	})
}

// TestRateLimit fetches at a limit that is changed on the way, in both
// directions: the time is what it must be, and no connection is lost.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(64, false)
		r.run.Limit(partSize)
		began := time.Now()
		go func() {
			<-time.After(10 * time.Second)
			r.run.Limit(4 << 20)
			<-time.After(250 * time.Millisecond)
			r.run.Limit(2 * partSize)
		}()
		r.fetch()
		if err := r.stored(); err != nil {
			t.Fatal(err)
		}
		// 10 parts at first, 16 at once, 38 at twice the rate, give or take bursts.
		if took := time.Since(began); took < 22*time.Second || took > 32*time.Second {
			t.Errorf("it took %v", took)
		}
		for _, ev := range r.take() {
			if _, ok := ev.(transfer.PartStored); !ok {
				t.Errorf("reported %T", ev)
			}
		}
	})
}

// TestPanicsReachTheOwner lets source and store panic in a worker, or in the
// background: the session's caller gets it, and nobody is left behind.
func TestPanicsReachTheOwner(t *testing.T) {
	type fault struct {
		op   storagetest.Op
		body bool
		open bool
	}
	faults := map[string]fault{
		"open part": {op: storagetest.OpOpenPart}, "write": {op: storagetest.OpReadFrom}, "commit": {op: storagetest.OpCommit},
		"body": {body: true}, "open": {open: true},
	}
	for name, f := range faults {
		for _, buffered := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " buffered ", buffered), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(64, buffered)
					calls := 0
					hooked := &storagetest.Faults{Hook: func(c storagetest.Call) storagetest.Fault {
						if c.Op == f.op {
							if calls++; calls == 9 {
								panic("a bug")
							}
						}
						return storagetest.Fault{}
					}}
					r.store = hooked.Objects(r.objects)
					r.source.Script = func(n int, _ endpoint.Request) actorstest.Answer {
						switch {
						case n == 3 && f.body:
							return actorstest.Answer{PanicBody: "a bug"}
						case n == 3 && f.open:
							return actorstest.Answer{Panic: "a bug"}
						}
						return actorstest.Answer{Rate: 8 * partSize, Length: 8 * partSize}
					}
					r.fetch()
					if r.panics != "a bug" {
						t.Fatalf("the panic was %v", r.panics)
					}
					r.run.Wait()
					synctest.Wait()
					if now, _ := r.source.Active(); now != 0 {
						t.Errorf("%d answers were left open", now)
					}
				})
			})
		}
	}
}

// TestStop ends a session at any time: it returns at once, and a bubble tells
// by itself whether a goroutine is left.
func TestStop(t *testing.T) {
	for _, after := range []time.Duration{0, time.Millisecond, 70 * time.Millisecond, 3 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(256, true)
				r.source.Script = func(n int, _ endpoint.Request) actorstest.Answer {
					return actorstest.Answer{Delay: 50 * time.Millisecond, Rate: 2 * partSize, Cut: 3 * partSize, Stall: time.Hour}
				}
				ended := make(chan struct{})
				go func() { defer close(ended); r.fetch() }()
				<-time.After(after)
				stopped := time.Now()
				r.run.Stop()
				<-ended
				r.run.Wait()
				if took := time.Since(stopped); took > 0 {
					t.Errorf("stopping took %v", took)
				}
				for _, ev := range r.take() {
					if _, ok := ev.(transfer.PartStored); !ok {
						t.Errorf("a stopped session reported %T", ev)
					}
				}
				if now, _ := r.source.Active(); now != 0 {
					t.Errorf("%d answers were left open", now)
				}
			})
		})
	}
}

// TestKeptAnswer uses the answer that is open already, where it fits, and closes
// it where it does not.
func TestKeptAnswer(t *testing.T) {
	tests := map[string]struct {
		offset   int64
		have     []int
		requests int
	}{
		"from the start": {0, nil, 1},
		"from a part":    {2 * partSize, []int{1, 2}, 1},
		"not needed":     {0, []int{1, 2}, 2},
		"between parts":  {5, []int{1}, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(4, false)
				r.cfg.Connections = 1
				for _, n := range test.have {
					content, err := r.objects.OpenPart(t.Context(), storage.Upload(r.cfg.Gen.Upload), n, int64(n-1)*partSize, partSize)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := content.ReadFrom(io.LimitReader(r.source.Content().Reader(int64(n-1)*partSize), partSize)); err != nil {
						t.Fatal(err)
					}
					part, err := content.Commit(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					r.cfg.Gen.Ledger.Add(transfer.Part(part))
				}
				resp, err := r.source.Open(r.run.Context(), endpoint.Request{Offset: test.offset, Length: transfer.UnknownSize})
				if err != nil {
					t.Fatal(err)
				}
				if !r.run.Keep(resp) {
					t.Fatal("the answer was not kept")
				}
				r.fetch()
				if err := r.stored(); err != nil {
					t.Fatal(err)
				}
				if got := len(r.source.Requests()); got != test.requests {
					t.Errorf("%d requests, want %d", got, test.requests)
				}
				if now, _ := r.source.Active(); now != 0 {
					t.Errorf("%d answers were left open", now)
				}
			})
		})
	}
}

// TestKeepAfterStop closes an answer that comes too late.
func TestKeepAfterStop(t *testing.T) {
	r := newRig(1, false)
	resp, err := r.source.Open(t.Context(), endpoint.Request{Length: transfer.UnknownSize})
	if err != nil {
		t.Fatal(err)
	}
	r.run.Stop()
	if r.run.Keep(resp) {
		t.Error("a stopped run kept an answer")
	}
	if now, _ := r.source.Active(); now != 0 {
		t.Error("the answer was left open")
	}
}

// TestUnknownLength fetches a stream that says nothing of its length, of many
// sizes around a part's.
func TestUnknownLength(t *testing.T) {
	for _, size := range []int64{0, 1, partSize - 1, partSize, partSize + 1, 3 * partSize} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRigSize(size, false)
				r.cfg.Gen.Plan = transfer.Plan{Size: transfer.UnknownSize, PartSize: partSize, Growing: true}
				r.cfg.Gen.Resumable = false
				r.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{NoSize: true, NoRanges: true} }
				resp, err := r.source.Open(r.run.Context(), endpoint.Request{Length: transfer.UnknownSize})
				if err != nil {
					t.Fatal(err)
				}
				r.run.Keep(resp)
				r.fetch()
				events := r.take()
				ended, ok := events[len(events)-1].(transfer.Ended)
				if !ok || ended.Size != size {
					t.Fatalf("ended with %T %v, want %d bytes", events[len(events)-1], events[len(events)-1], size)
				}
				if stored := len(events) - 1; int64(stored) != (size+partSize-1)/partSize {
					t.Errorf("%d parts", stored)
				}
			})
		})
	}
}

// TestFailedCommitGivesMemoryBack looks at the writers after the store refused
// their parts.
func TestFailedCommitGivesMemoryBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(4, true)
		counted := &countingStore{ObjectStore: r.objects}
		r.store = (&storagetest.Faults{Hook: storagetest.FailOps(storagetest.Refused(), storagetest.OpCommit)}).Objects(counted)
		r.fetch()
		if counted.opened == 0 || counted.discarded != counted.opened {
			t.Errorf("%d of %d parts were discarded", counted.discarded, counted.opened)
		}
		events := r.take()
		if len(events) != 1 {
			t.Fatalf("%d events, want one failure: %v", len(events), events)
		}
		if _, ok := events[0].(transfer.StoreFailed); !ok {
			t.Errorf("reported %T", events[0])
		}
	})
}

// countingStore counts writers that were opened and discarded.
type countingStore struct {
	storage.ObjectStore
	mu                sync.Mutex
	opened, discarded int
}

func (s *countingStore) OpenPart(ctx context.Context, up storage.Upload, n int, offset, size int64) (storage.PartWriter, error) {
	w, err := s.ObjectStore.OpenPart(ctx, up, n, offset, size)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	return &countingWriter{PartWriter: w, store: s}, err
}

type countingWriter struct {
	storage.PartWriter
	store *countingStore
}

func (w *countingWriter) Discard() {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.discarded++
	w.PartWriter.Discard()
}
