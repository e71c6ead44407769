package actors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"godwit/actors"
	"godwit/endpoint"
	"godwit/storage"
	"godwit/storage/storagetest"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/task"
)

// receiver takes the deliveries of all nodes of a test.
type receiver struct {
	mu         sync.Mutex
	deliveries []endpoint.Delivery
	writes     []storagetest.Call
	// answer decides about the n-th delivery, from 1 on; nil accepts all.
	answer func(n int) (endpoint.Answer, error)
}

func (r *receiver) deliver(_ context.Context, d endpoint.Delivery) (endpoint.Answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliveries = append(r.deliveries, d)
	if r.answer != nil {
		return r.answer(len(r.deliveries))
	}
	return endpoint.Answer{Status: 200}, nil
}

// ids are those of the deliveries, in order.
func (r *receiver) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, d := range r.deliveries {
		out = append(out, d.ID)
	}
	return out
}

// distinct are the different ids.
func (r *receiver) distinct() []string { return slices.Compact(slices.Sorted(slices.Values(r.ids()))) }

// told is what a delivery says.
type told struct {
	Completion                         string
	Total, Completed, Failed, Canceled int
	Members                            map[string]string
}

func (r *receiver) last() told {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out told
	if err := json.Unmarshal(r.deliveries[len(r.deliveries)-1].Body, &out); err != nil {
		panic(err)
	}
	return out
}

// outlets connects a node with the receiver.
func (r *receiver) outlets() actors.Outlets {
	return actors.Outlets{
		Deliver: r.deliver,
		Finished: func(_ string, _ time.Time, c *actors.Completion, members []actors.Snapshot) ([]byte, error) {
			t := told{
				Completion: c.State.Spec.ID, Total: c.Total, Completed: c.Completed, Failed: c.Failed, Canceled: c.Canceled,
				Members: map[string]string{},
			}
			for _, m := range members {
				t.Members[m.State.Spec.ID] = m.State.Phase.Status()
			}
			return json.Marshal(t)
		},
		Notice: func(_ string, _ time.Time, t *task.State) ([]byte, error) { return json.Marshal(t.Spec.Text) },
		Channel: func(name string) (transfer.Webhook, bool) {
			return transfer.Webhook{URL: "https://channel.example/" + name}, name == "ops"
		},
		Run: func(_ context.Context, name string, stdin []byte, _ string, attempt int) actors.CommandResult {
			return actors.CommandResult{HasExit: true, Output: fmt.Sprintf("%s %d %d", name, attempt, len(stdin))}
		},
	}
}

// withReceiver gives all nodes of the test one receiver.
func (b *bubble) withReceiver() *receiver {
	r := &receiver{}
	b.config = func(cfg *actors.Config) { cfg.Outlets = r.outlets() }
	b.hook = func(call storagetest.Call) storagetest.Fault {
		r.mu.Lock()
		defer r.mu.Unlock()
		if call.Op == storagetest.OpCreate || call.Op == storagetest.OpSwap {
			r.writes = append(r.writes, call)
		}
		return storagetest.Fault{}
	}
	return r
}

// writesTo counts the writes of records whose keys end so.
func (r *receiver) writesTo(suffix string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, w := range r.writes {
		if strings.HasSuffix(w.Name, suffix) {
			n++
		}
	}
	return n
}

// mortal is the store of a node that may die: then nothing reaches it any more.
type mortal struct {
	storage.RecordStore
	dead *atomic.Bool
}

func (m mortal) refuse(op, key string) error {
	if m.dead.Load() {
		return &storage.Error{Op: op, Name: key, Kind: storage.ErrUnavailable}
	}
	return nil
}

func (m mortal) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	if err := m.refuse("create", key); err != nil {
		return "", err
	}
	return m.RecordStore.Create(ctx, key, body)
}

func (m mortal) CompareAndSwap(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
	if err := m.refuse("swap", key); err != nil {
		return "", err
	}
	return m.RecordStore.CompareAndSwap(ctx, key, body, old)
}

func webhook() *task.Spec {
	return &task.Spec{Kind: task.Webhook, URL: "https://receiver.example/done", Secret: "whsec_" + strings.Repeat("A", 32)}
}

func inGroup(id string) func(*transfer.Spec) {
	return func(s *transfer.Spec) { s.CompletionGroup = id }
}

func (c *town) completion(id string, change ...func(*completion.Spec)) actors.Completion {
	c.Helper()
	spec := completion.Spec{ID: id, Policy: completion.AllFinished, StartOnEnable: true, Task: webhook()}
	for _, f := range change {
		f(&spec)
	}
	got, created, err := c.any(1).CreateCompletion(c.Context(), spec)
	if err != nil || !created {
		c.Fatalf("completion group %s: %v, created %v", id, err, created)
	}
	return got
}

func (c *town) enable(id string) {
	c.Helper()
	if _, err := c.any(0).EnableCompletion(c.Context(), id); err != nil {
		c.Fatalf("enable %s: %v", id, err)
	}
}

func (c *town) getCompletion(id string) actors.Completion {
	c.Helper()
	got, err := c.any(2).Completion(c.Context(), id)
	if err != nil {
		c.Fatalf("completion group %s: %v", id, err)
	}
	return got
}

// wantCompletion waits until a group is in a phase.
func (c *town) wantCompletion(id string, want completion.Phase) actors.Completion {
	c.Helper()
	var got actors.Completion
	for range 600 {
		var err error
		if got, err = c.any(2).Completion(c.Context(), id); err == nil && got.State.Phase == want {
			return got
		}
		if code := codeOf(err); err != nil && code.Class() != transfer.Transient {
			c.Fatalf("completion group %s: %v", id, err)
		}
		settle(time.Second)
	}
	for _, id := range got.WaitingOn {
		snap, why, err := c.any(0).Explain(c.Context(), id)
		c.Logf("%s is %s on %s since epoch %d: %q, %v", id, snap.State.Phase, snap.Node, snap.Epoch, why, err)
	}
	c.Fatalf("completion group %s is %s, not %s: %+v", id, got.State.Phase, want, got)
	return got
}

func codeOf(err error) transfer.Code {
	var e *transfer.Error
	errors.As(err, &e)
	if e == nil {
		return ""
	}
	return e.Code
}

func TestCompletionFiresOnce(t *testing.T) {
	inTown(t, 2, 0, func(c *town) {
		r := c.withReceiver()
		for i := range 3 {
			c.start(fmt.Sprintf("n%d", i+1))
		}
		c.completion("g")
		ids := c.createMany(20, inGroup("g"))
		for _, id := range ids {
			c.completed(c.any(0), id)
		}
		settle(time.Minute)
		if got := c.getCompletion("g"); got.State.Phase != completion.PhaseOpen || len(r.ids()) > 0 {
			c.Fatalf("it is %s and was delivered %d times before it was enabled", got.State.Phase, len(r.ids()))
		}
		c.enable("g")
		c.enable("g")
		got := c.wantCompletion("g", completion.PhaseDone)
		if got.Total != 20 || got.Completed != 20 || got.Task == nil || got.Task.State.Phase != task.PhaseSucceeded || got.Task.State.Attempts != 1 {
			c.Errorf("group %+v, task %+v", got, got.Task)
		}
		if ids := r.ids(); len(ids) != 1 || ids[0] != got.State.TaskID {
			c.Errorf("delivered %v, want %s once", ids, got.State.TaskID)
		}
		if last := r.last(); last.Completion != "g" || len(last.Members) != 20 || last.Members["t007"] != "COMPLETED" {
			c.Errorf("told %+v", last)
		}
		if n := r.writesTo("/g/g"); n > 10 {
			c.Errorf("the group's record was written %d times", n)
		}
	})
}

func TestCompletionAfterEnabling(t *testing.T) {
	inTown(t, 2, 0, func(c *town) {
		c.withReceiver()
		for i := range 3 {
			c.start(fmt.Sprintf("n%d", i+1))
		}
		c.completion("g")
		c.enable("g")
		c.wantCompletion("g", completion.PhaseDone)
		_, _, err := c.any(0).Create(c.Context(), c.spec("late", inGroup("g")), true)
		if codeOf(err) != transfer.CodeCompletionEnabled {
			c.Errorf("joined an enabled group: %v", err)
		}
		if _, err := c.any(1).Get(c.Context(), "late"); codeOf(err) != transfer.CodeNotFound {
			c.Errorf("a refused transfer exists: %v", err)
		}
		_, _, err = c.any(0).Create(c.Context(), c.spec("lost", inGroup("nowhere")), true)
		if codeOf(err) != transfer.CodeCompletionNotFound {
			c.Errorf("joined a group that does not exist: %v", err)
		}
		c.create(c.any(2), c.spec("free"), true)
		if _, err := c.any(0).AddToCompletion(c.Context(), "g", []string{"free"}); codeOf(err) != transfer.CodeCompletionEnabled {
			c.Errorf("added to an enabled group: %v", err)
		}
	})
}

func TestCompletionCountsFailedAndCanceled(t *testing.T) {
	inTown(t, 4, 0, func(c *town) {
		r := c.withReceiver()
		for i := range 3 {
			c.start(fmt.Sprintf("n%d", i+1))
		}
		c.completion("g")
		// One exists already, one is never started, and one is paused.
		for _, id := range []string{"idle", "paused", "gone"} {
			c.create(c.any(0), c.spec(id, inGroup("g")), false)
		}
		c.create(c.any(1), c.spec("added"), false)
		if _, err := c.any(1).AddToCompletion(c.Context(), "g", []string{"added"}); err != nil {
			c.Fatal(err)
		}
		c.create(c.any(1), c.spec("bad", inGroup("g"), func(s *transfer.Spec) { s.SHA256 = strings.Repeat("0", 64) }), true)
		c.enable("g")
		c.await(c.any(0), "bad")
		got := c.wantCompletion("g", completion.PhaseDone)
		if got.Completed != 4 || got.Failed != 1 || got.Total != 5 {
			c.Errorf("group %+v", got)
		}
		if last := r.last(); last.Members["bad"] != "FAILED" || last.Members["added"] != "COMPLETED" {
			c.Errorf("told %+v", last)
		}
	})
}

func TestCompletionWaitsForPaused(t *testing.T) {
	inTown(t, 4, 0, func(c *town) {
		r := c.withReceiver()
		for i := range 3 {
			c.start(fmt.Sprintf("n%d", i+1))
		}
		c.slow()
		c.completion("g", func(s *completion.Spec) { s.StartOnEnable = false })
		ids := c.createMany(3, inGroup("g"), oneConnection)
		settle(time.Second)
		if _, err := c.any(0).Command(c.Context(), ids[0], transfer.Pause{}, ""); err != nil {
			c.Fatal(err)
		}
		c.enable("g")
		settle(5 * time.Minute)
		got := c.getCompletion("g")
		if got.State.Phase != completion.PhaseEnabled || !slices.Equal(got.WaitingOn, ids[:1]) || len(r.ids()) > 0 {
			c.Fatalf("it is %s, waits on %v", got.State.Phase, got.WaitingOn)
		}
		if _, err := c.any(0).Command(c.Context(), ids[0], transfer.Cancel{By: "test"}, ""); err != nil {
			c.Fatal(err)
		}
		if got := c.wantCompletion("g", completion.PhaseDone); got.Canceled != 1 {
			c.Errorf("group %+v", got)
		}
	})
}

// TestCompletionTally: what is delivered counts its members by what it says of
// them, not by what a group knows that has just been taken over.
func TestCompletionTally(t *testing.T) {
	c := actors.Completion{Total: 4, Completed: 1, WaitingOn: []string{"b"}}
	var members []actors.Snapshot
	for _, phase := range []transfer.Phase{transfer.PhaseCompleted, transfer.PhaseCompleted, transfer.PhaseFailed, transfer.PhaseCanceled, transfer.PhaseRunning} {
		members = append(members, actors.Snapshot{State: transfer.State{Phase: phase}})
	}
	actors.Tally(&c, members)
	if c.Completed != 2 || c.Failed != 1 || c.Canceled != 1 || c.WaitingOn != nil {
		t.Errorf("%+v", c)
	}
}

// TestCompletionKilledAtEachPoint kills the node that reaches one of the steps
// between the last end and the delivered task: one decision, one id, never
// before the group was enabled, never lost.
func TestCompletionKilledAtEachPoint(t *testing.T) {
	for _, point := range actors.Points() {
		t.Run(point, func(t *testing.T) {
			inTown(t, 2, 0, func(c *town) {
				r := c.withReceiver()
				deaths, anybody := map[string]*atomic.Bool{}, &atomic.Bool{}
				dying := make(chan string, 1)
				for i := range 3 {
					name, dead := fmt.Sprintf("n%d", i+1), &atomic.Bool{}
					deaths[name] = dead
					c.config = func(cfg *actors.Config) {
						cfg.Outlets = r.outlets()
						deliver := cfg.Outlets.Deliver
						cfg.Outlets.Deliver = func(ctx context.Context, d endpoint.Delivery) (endpoint.Answer, error) {
							if dead.Load() {
								return endpoint.Answer{}, transfer.Errorf(transfer.CodeConnect, "dead")
							}
							return deliver(ctx, d)
						}
						cfg.Records = mortal{cfg.Records, dead}
						cfg.Reached = func(at string) {
							if at != point {
								return
							}
							if !anybody.Swap(true) {
								dead.Store(true)
								dying <- name
							}
						}
					}
					c.start(name)
				}
				c.cut = func(from, to string) bool {
					return deaths[from] != nil && deaths[from].Load() || deaths[to] != nil && deaths[to].Load()
				}
				c.completion("g")
				for i := range 9 {
					c.create(c.any(i), c.spec(fmt.Sprintf("t%03d", i), inGroup("g")), false)
				}
				c.enable("g")
				settle(3 * time.Second)
				select {
				case name := <-dying:
					c.kill(name, true)
				default:
					c.Fatal("nobody got there")
				}
				died := time.Now()
				got := c.wantCompletion("g", completion.PhaseDone)
				// What the dead node could not say is found out when its shards are loaded.
				if after := time.Since(died); after > 10*time.Second {
					c.Errorf("done %v after the kill", after)
				}
				settle(time.Minute)
				if got.Completed != 9 || !slices.Equal(r.distinct(), []string{got.State.TaskID}) {
					c.Errorf("group %+v, delivered %v", got, r.ids())
				}
				keys, err := c.records.List(c.Context(), "shards/", "", 1000)
				if err != nil {
					c.Fatal(err)
				}
				r.mu.Lock()
				for _, d := range r.deliveries {
					if string(d.Body) != string(r.deliveries[0].Body) || !strings.Contains(string(d.Body), `"Completed":9`) {
						c.Errorf("told %s, at first %s", d.Body, r.deliveries[0].Body)
					}
				}
				r.mu.Unlock()
				if tasks := slices.DeleteFunc(keys, func(key string) bool { return !strings.Contains(key, "/k/") }); len(tasks) != 1 {
					c.Errorf("tasks %v", tasks)
				}
			})
		})
	}
}

// TestCompletionKeepsMembers refuses to delete what the group is still to tell of.
func TestCompletionKeepsMembers(t *testing.T) {
	three(t, 1, func(c *town, _ *receiver) {
		c.completion("g")
		c.completion("h")
		c.create(c.any(0), c.spec("t", inGroup("g")), true)
		c.completed(c.any(1), "t")
		if _, err := c.any(2).Command(c.Context(), "t", transfer.Purge{}, ""); codeOf(err) != transfer.CodeState {
			c.Errorf("deleted: %v", err)
		}
		c.create(c.any(0), c.spec("u", inGroup("g")), false)
		if _, err := c.any(0).AddToCompletion(c.Context(), "h", []string{"u"}); codeOf(err) != transfer.CodeState {
			c.Errorf("taken from another group: %v", err)
		}
		c.enable("g")
		c.wantCompletion("g", completion.PhaseDone)
		if _, err := c.any(2).Command(c.Context(), "t", transfer.Purge{}, ""); err != nil {
			c.Error(err)
		}
	})
}

// TestCompletionWaitsCheaply lets a group wait for long: it looks for what it was
// not told now and then, and not more and more often.
func TestCompletionWaitsCheaply(t *testing.T) {
	three(t, 4, func(c *town, _ *receiver) {
		c.completion("g", func(s *completion.Spec) { s.StartOnEnable = false })
		c.create(c.any(0), c.spec("idle", inGroup("g")), false)
		c.enable("g")
		settle(time.Minute)
		c.mu.Lock()
		before := c.calls["census"]
		c.mu.Unlock()
		settle(time.Hour)
		c.mu.Lock()
		defer c.mu.Unlock()
		// Two other nodes, every 20 seconds, and a few of the group's own accord.
		if got := c.calls["census"] - before; got < 300 || got > 420 {
			c.Errorf("%d calls in an hour", got)
		}
	})
}
