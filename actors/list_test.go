package actors_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/transfer"
)

// TestPagesWhileThingsChange reads a list page by page while transfers are
// created, run and end: whatever was there all the time comes exactly once, in
// order of creation.
func TestPagesWhileThingsChange(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.source.Script = slowly
		b.config = func(c *actors.Config) { c.Slots = 3 }
		sys := b.node()
		ids := make([]string, 60)
		for i := range ids {
			// Ids in another order than creation.
			ids[i] = fmt.Sprintf("t%03d", (i*37)%100)
			b.create(sys, b.spec(ids[i]), true)
			settle(time.Millisecond)
		}
		var got []string
		q := actors.Query{Limit: 7}
		for n := 0; ; n++ {
			page, err := sys.List(b.Context(), q)
			if err != nil {
				b.Fatal(err)
			}
			if len(page.Transfers) > 7 || len(page.Transfers) < 7 && page.Next != nil {
				b.Errorf("a page of %d", len(page.Transfers))
			}
			for _, snap := range page.Transfers {
				got = append(got, snap.State.Spec.ID)
			}
			if page.Next == nil {
				break
			}
			q.After = *page.Next
			b.create(sys, b.spec(fmt.Sprintf("new%03d", n)), true)
			settle(100 * time.Millisecond)
		}
		old := slices.DeleteFunc(slices.Clone(got), func(id string) bool { return id[0] == 'n' })
		if !slices.Equal(old, ids) {
			b.Errorf("listed %v, want %v", old, ids)
		}
	})
}

// TestFilters selects by status, direction and labels, over pages that hold
// other transfers as well.
func TestFilters(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		sys := b.node()
		for i := range 30 {
			b.create(sys, b.spec(fmt.Sprintf("t%02d", i), func(s *transfer.Spec) {
				if i%3 == 0 {
					s.Labels = map[string]string{"team": "a", "n": fmt.Sprint(i)}
				}
			}), i%2 == 0)
			settle(time.Millisecond)
		}
		settle(time.Minute)
		tests := map[string]struct {
			query actors.Query
			want  int
		}{
			"all":              {actors.Query{}, 30},
			"completed":        {actors.Query{Statuses: []string{"COMPLETED"}}, 15},
			"either":           {actors.Query{Statuses: []string{"COMPLETED", "IDLE"}}, 30},
			"none":             {actors.Query{Statuses: []string{"RUNNING"}}, 0},
			"label":            {actors.Query{Labels: map[string]string{"team": "a"}}, 10},
			"labels":           {actors.Query{Labels: map[string]string{"team": "a", "n": "9"}}, 1},
			"label and status": {actors.Query{Labels: map[string]string{"team": "a"}, Statuses: []string{"IDLE"}}, 5},
			"uploads":          {actors.Query{Direction: transfer.Upload}, 0},
			"downloads":        {actors.Query{Direction: transfer.Download}, 30},
		}
		for name, test := range tests {
			for _, limit := range []int{1, 4, 100} {
				count := 0
				q := test.query
				q.Limit = limit
				for pages := 0; pages < 100; pages++ {
					page, err := sys.List(b.Context(), q)
					if err != nil {
						b.Fatal(err)
					}
					count += len(page.Transfers)
					if page.Next == nil {
						break
					}
					q.After = *page.Next
				}
				if count != test.want {
					b.Errorf("%s by %d: %d transfers, want %d", name, limit, count, test.want)
				}
			}
		}
	})
}

// TestListAfterRestart gives the same list.
func TestListAfterRestart(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		sys := b.node()
		for i := range 10 {
			b.create(sys, b.spec(fmt.Sprint("t", 9-i)), false)
			settle(time.Millisecond)
		}
		before, err := sys.List(b.Context(), actors.Query{Limit: 100})
		if err != nil {
			b.Fatal(err)
		}
		sys.Abandon()
		sys = b.node()
		after, err := sys.List(b.Context(), actors.Query{Limit: 100})
		if err != nil {
			b.Fatal(err)
		}
		for i, snap := range before.Transfers {
			if i >= len(after.Transfers) || after.Transfers[i].State.Spec.ID != snap.State.Spec.ID {
				b.Fatalf("another order at %d", i)
			}
		}
	})
}

// TestWatchCoalesces reads a watch late: there is one value, the latest, and
// then the end.
func TestWatchCoalesces(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize} }
		sys := b.node()
		b.create(sys, b.spec("a"), true)
		b.create(sys, b.spec("b"), true)
		watch := sys.Watch(b.Context(), []string{"a"})
		defer watch.Close()
		if snap, err := watch.Next(b.Context()); err != nil || snap.State.Phase.Terminal() {
			b.Fatalf("first %s: %v", snap.State.Phase, err)
		}
		settle(time.Hour)
		snap, err := watch.Next(b.Context())
		if err != nil || snap.State.Phase != transfer.PhaseCompleted || snap.State.Spec.ID != "a" {
			b.Fatalf("then %s %s: %v", snap.State.Spec.ID, snap.State.Phase, err)
		}
		if _, err := watch.Next(b.Context()); !errors.Is(err, io.EOF) {
			b.Errorf("at the end %v, want io.EOF", err)
		}
	})
}

// TestWatchShowsProgress follows a running transfer: bytes grow, and what was
// received never falls.
func TestWatchShowsProgress(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize} }
		sys := b.node()
		b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Connections = 1 }), true)
		watch := sys.Watch(b.Context(), []string{"a"})
		defer watch.Close()
		var done, wire int64
		looks := 0
		for {
			snap, err := watch.Next(b.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			looks++
			if snap.State.Done() < done {
				b.Errorf("stored bytes fell from %d to %d", done, snap.State.Done())
			}
			if !snap.State.Phase.Terminal() && snap.OnWire < wire {
				b.Errorf("received bytes fell from %d to %d", wire, snap.OnWire)
			}
			done, wire = snap.State.Done(), snap.OnWire
		}
		if done != 8*partSize || looks < 20 || looks > 80 {
			b.Errorf("%d looks, %d bytes at the end", looks, done)
		}
	})
}

// TestWatchAll delivers what is there and then whatever changes, without an end.
func TestWatchAll(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		sys := b.node()
		for i := range 250 {
			b.create(sys, b.spec(fmt.Sprintf("t%03d", i)), false)
		}
		watch := sys.Watch(b.Context(), nil)
		defer watch.Close()
		seen := map[string]bool{}
		for range 250 {
			snap, err := watch.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			seen[snap.State.Spec.ID] = true
		}
		if len(seen) != 250 {
			b.Errorf("%d of 250 were delivered", len(seen))
		}
		b.create(sys, b.spec("new"), false)
		snap, err := watch.Next(b.Context())
		if err != nil || snap.State.Spec.ID != "new" {
			b.Errorf("%s came: %v", snap.State.Spec.ID, err)
		}
		ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
		defer cancel()
		if snap, err := watch.Next(ctx); err == nil {
			b.Errorf("%s came out of nothing", snap.State.Spec.ID)
		}
	})
}
