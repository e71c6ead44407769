package actors

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"pgregory.net/rapid"

	"godwit/transfer"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func shardPID(n int) *actor.PID { return &actor.PID{Id: fmt.Sprint("s", n)} }

// wanted is an ask with defaults.
func wanted(id string, change ...func(*want)) want {
	w := want{id: id, shard: shardPID(1), priority: transfer.PriorityDefault, created: epoch, host: "h"}
	for _, c := range change {
		c(&w)
	}
	return w
}

func idsOf(ws []want) []string {
	out := []string{}
	for _, w := range ws {
		out = append(out, w.id)
	}
	return out
}

func TestAdmissionOrder(t *testing.T) {
	a := newAdmission(10, 10)
	a.ask(wanted("young", func(w *want) { w.created = at(5) }))
	a.ask(wanted("low", func(w *want) { w.priority = transfer.PriorityLow }))
	a.ask(wanted("b"))
	a.ask(wanted("a"))
	a.ask(wanted("high", func(w *want) { w.priority, w.created = transfer.PriorityHigh, at(9) }))
	got, want := idsOf(a.admit(at(10))), []string{"high", "a", "b", "young", "low"}
	if !slices.Equal(got, want) {
		t.Errorf("admitted %v, want %v", got, want)
	}
}

func TestAdmissionNotBefore(t *testing.T) {
	a := newAdmission(10, 10)
	a.ask(wanted("later", func(w *want) { w.notBefore = at(30) }))
	a.ask(wanted("soon", func(w *want) { w.notBefore = at(20) }))
	if got := a.admit(at(19)); len(got) != 0 {
		t.Fatalf("admitted %v too early", idsOf(got))
	}
	if next := a.next(); !next.Equal(at(20)) {
		t.Errorf("next is %v, want %v", next, at(20))
	}
	if got := idsOf(a.admit(at(20))); !slices.Equal(got, []string{"soon"}) {
		t.Errorf("admitted %v", got)
	}
	if got := idsOf(a.admit(at(31))); !slices.Equal(got, []string{"later"}) {
		t.Errorf("admitted %v", got)
	}
	if next := a.next(); !next.IsZero() {
		t.Errorf("next is %v with nobody waiting for a time", next)
	}
}

func TestAdmissionHold(t *testing.T) {
	a := newAdmission(10, 10)
	a.hold("h", at(30))
	a.hold("h", at(10)) // an earlier end takes nothing back
	a.ask(wanted("held"))
	a.ask(wanted("other", func(w *want) { w.host = "i" }))
	if got := idsOf(a.admit(at(20))); !slices.Equal(got, []string{"other"}) {
		t.Errorf("admitted %v", got)
	}
	if why := a.why("held", at(20)); why == "" || why == "it is about to run" {
		t.Errorf("held because %q", why)
	}
	if next := a.next(); !next.Equal(at(30)) {
		t.Errorf("next is %v, want the end of the hold", next)
	}
	if got := idsOf(a.admit(at(30))); !slices.Equal(got, []string{"held"}) {
		t.Errorf("admitted %v", got)
	}
}

// TestAdmissionAskedTwice asks again: the last ask counts while it waits, and
// none does while it runs, unless its shard has begun another life.
func TestAdmissionAskedTwice(t *testing.T) {
	a := newAdmission(1, 1)
	a.ask(wanted("a", func(w *want) { w.notBefore = at(50) }))
	a.ask(wanted("a"))
	if got := idsOf(a.admit(at(1))); !slices.Equal(got, []string{"a"}) {
		t.Fatalf("admitted %v", got)
	}
	a.ask(wanted("a"))
	a.ask(wanted("b"))
	if got := a.admit(at(2)); len(got) != 0 {
		t.Fatalf("admitted %v beside one that runs", idsOf(got))
	}
	a.ask(wanted("a", func(w *want) { w.shard = shardPID(2) }))
	if got := a.admit(at(3)); len(got) != 1 || got[0].id != "a" || !got[0].shard.Equal(shardPID(2)) {
		t.Fatalf("admitted %v, want a for its new shard", got)
	}
	if !a.forget("a") || a.forget("a") {
		t.Error("a slot is given back exactly once")
	}
	if got := idsOf(a.admit(at(4))); !slices.Equal(got, []string{"b"}) {
		t.Errorf("admitted %v", got)
	}
}

// TestAdmissionPassesAConnectionOn lets one of two blocked transfers through to
// a connection that it then does not take: the other one gets it.
func TestAdmissionPassesAConnectionOn(t *testing.T) {
	for name, leave := range map[string]func(a *admission){
		"forgotten": func(a *admission) { a.forget("first") },
		"later":     func(a *admission) { a.ask(wanted("first", func(w *want) { w.notBefore = at(50) })) },
		"held and forgotten": func(a *admission) {
			a.hold("h", at(4))
			a.admit(at(3))
			a.forget("first")
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAdmission(5, 1)
			a.ask(wanted("runs"))
			a.admit(at(1))
			a.ask(wanted("first"))
			a.ask(wanted("second", func(w *want) { w.created = at(1) }))
			if got := a.admit(at(2)); len(got) != 0 {
				t.Fatalf("admitted %v beyond the host's connections", idsOf(got))
			}
			a.forget("runs")
			leave(a)
			if got := idsOf(a.admit(at(5))); !slices.Equal(got, []string{"second"}) {
				t.Errorf("admitted %v", got)
			}
		})
	}
}

func TestAdmissionWhy(t *testing.T) {
	a := newAdmission(2, 1)
	a.ask(wanted("runs"))
	a.admit(at(0))
	a.ask(wanted("host"))
	a.ask(wanted("time", func(w *want) { w.notBefore = at(60) }))
	a.ask(wanted("ready", func(w *want) { w.host = "i" }))
	tests := map[string]string{
		"host":    "all connections to h are in use",
		"time":    "it waits until 2026-01-01T00:01:00Z before it tries again",
		"ready":   "it is about to run",
		"runs":    "",
		"unknown": "",
	}
	for id, want := range tests {
		if got := a.why(id, at(0)); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	a.admit(at(0))
	if got := a.why("host", at(0)); got != "all slots of this node are in use" {
		t.Errorf("without a slot: %q", got)
	}
}

// model is what admission must be equal to, told in the simplest way.
type model struct {
	waiting, running map[string]want
	holds            map[string]time.Time
}

// mayRun tells whether a waiting transfer is kept by nothing but slots.
func (m *model) mayRun(w want, now time.Time, hostConnections int) bool {
	return !w.notBefore.After(now) && !m.holds[w.host].After(now) && m.onHost(w.host) < hostConnections
}

func (m *model) onHost(host string) int {
	n := 0
	for _, r := range m.running {
		if r.host == host {
			n++
		}
	}
	return n
}

// TestAdmissionProperties drives admission by random asks, releases, holds and
// time, beside a model.
func TestAdmissionProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(1, 5).Draw(t, "slots")
		hostConnections := rapid.IntRange(1, 4).Draw(t, "host connections")
		a := newAdmission(slots, hostConnections)
		m := &model{waiting: map[string]want{}, running: map[string]want{}, holds: map[string]time.Time{}}
		now := 0
		id := rapid.Custom(func(t *rapid.T) string { return fmt.Sprint("t", rapid.IntRange(0, 12).Draw(t, "id")) })
		host := rapid.SampledFrom([]string{"h1", "h2", "h3"})
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				w := want{
					id: id.Draw(t, "id"), shard: shardPID(rapid.IntRange(1, 2).Draw(t, "life")), host: host.Draw(t, "host"),
					priority: rapid.SampledFrom([]transfer.Priority{transfer.PriorityLow, transfer.PriorityDefault, transfer.PriorityHigh}).Draw(t, "priority"),
					created:  at(rapid.IntRange(0, 3).Draw(t, "created")), notBefore: at(now + rapid.IntRange(-2, 5).Draw(t, "wait")),
				}
				a.ask(w)
				if has, ok := m.running[w.id]; ok && has.shard.Equal(w.shard) {
					return
				}
				delete(m.running, w.id)
				m.waiting[w.id] = w
			},
			"forget": func(t *rapid.T) {
				id := id.Draw(t, "id")
				_, ran := m.running[id]
				if a.forget(id) != ran {
					t.Fatalf("forget %s did not tell %v", id, ran)
				}
				delete(m.running, id)
				delete(m.waiting, id)
			},
			"hold": func(t *rapid.T) {
				h, until := host.Draw(t, "host"), at(now+rapid.IntRange(0, 6).Draw(t, "for"))
				a.hold(h, until)
				if until.After(m.holds[h]) {
					m.holds[h] = until
				}
			},
			"pass": func(t *rapid.T) { now += rapid.IntRange(0, 4).Draw(t, "seconds") },
			"admit": func(t *rapid.T) {
				checkAdmit(t, a, m, at(now), slots, hostConnections)
			},
			"": func(t *rapid.T) {
				if len(a.running) != len(m.running) || len(a.byID) != len(m.waiting) || len(a.waiting)+len(a.later)+a.countBlocked() != len(m.waiting) {
					t.Fatalf("%d run and %d wait, want %d and %d", len(a.running), len(a.byID), len(m.running), len(m.waiting))
				}
			},
		})
	})
}

// checkAdmit judges one call: who was admitted was allowed to, in order, within
// all bounds, and nobody who may run was left while a slot is free.
func checkAdmit(t *rapid.T, a *admission, m *model, now time.Time, slots, hostConnections int) {
	var last *waiter
	for _, w := range a.admit(now) {
		if _, ok := m.waiting[w.id]; !ok || !m.mayRun(w, now, hostConnections) {
			t.Fatalf("%s was admitted and must not run", w.id)
		}
		delete(m.waiting, w.id)
		m.running[w.id] = w
		next := &waiter{want: w}
		if last != nil && next.before(last) {
			t.Fatalf("%s was admitted after %s", w.id, last.want.id)
		}
		last = next
	}
	if len(m.running) > slots {
		t.Fatalf("%d run with %d slots", len(m.running), slots)
	}
	for _, w := range m.waiting {
		free := len(m.running) < slots
		if free && m.mayRun(w, now, hostConnections) {
			t.Fatalf("%s may run, a slot is free, and it waits", w.id)
		}
		// Who was passed over by one of lesser rank was kept by something else.
		if last != nil && (&waiter{want: w}).before(last) && m.mayRun(w, now, hostConnections) {
			t.Fatalf("%s was passed over for %s", w.id, last.want.id)
		}
		// Time alone will bring it up again.
		if until := w.notBefore; until.After(now) && (a.next().IsZero() || a.next().After(latest(until, m.holds[w.host]))) {
			t.Fatalf("%s waits until %v and nobody will look", w.id, until)
		}
		// Where the host is full, the end of one that runs will bring it up.
		full := m.onHost(w.host) >= hostConnections
		if until := m.holds[w.host]; free && !full && until.After(now) && (a.next().IsZero() || a.next().After(latest(until, w.notBefore))) {
			t.Fatalf("%s is held until %v and nobody will look", w.id, until)
		}
	}
	checkShares(t, a, m, hostConnections)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// checkShares wants everybody to have something, and all together not more than
// the host takes.
func checkShares(t *rapid.T, a *admission, m *model, hostConnections int) {
	perHost := map[string]int{}
	for _, w := range m.running {
		perHost[w.host]++
	}
	for host, n := range perHost {
		if share := a.share(host, time.Now()); share < 1 || share*n > hostConnections || (share+1)*n <= hostConnections {
			t.Fatalf("%d transfers have %d of %d connections to %s each", n, share, hostConnections, host)
		}
	}
}

// countBlocked counts those that wait for a connection to their host.
func (a *admission) countBlocked() int {
	n := 0
	for _, h := range a.blocked {
		n += h.Len()
	}
	return n
}
