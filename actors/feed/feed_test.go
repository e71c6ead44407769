package feed_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"godwit/actors/feed"
)

// TestLatestOfEachKey publishes faster than is read: each key comes once, with
// its latest value, in the order in which the keys first changed.
func TestLatestOfEachKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f feed.Feed[int]
		keys := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 30).Draw(t, "keys")
		named := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b"}), 0, 2, rapid.ID).Draw(t, "named")
		r := f.Subscribe(named...)
		defer r.Close()
		latest := map[string]int{}
		var order []string
		for i, k := range keys {
			f.Publish(k, i)
			if len(named) > 0 && k != named[0] && k != named[len(named)-1] {
				continue
			}
			if _, ok := latest[k]; !ok {
				order = append(order, k)
			}
			latest[k] = i
		}
		for _, k := range order {
			got, err := r.Next(context.Background())
			if err != nil || got != latest[k] {
				t.Fatalf("%s is %d (%v), want %d", k, got, err, latest[k])
			}
		}
		ended, stop := context.WithCancel(context.Background())
		stop()
		if got, err := r.Next(ended); err == nil {
			t.Fatalf("%d came a second time", got)
		}
	})
}

// TestNextWaits blocks until something comes, and ends with its context.
func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f feed.Feed[string]
		r := f.Subscribe()
		defer r.Close()
		got := make(chan string, 1)
		go func() {
			v, err := r.Next(t.Context())
			if err != nil {
				v = err.Error()
			}
			got <- v
		}()
		synctest.Wait()
		if len(got) > 0 {
			t.Fatalf("%q came out of nothing", <-got)
		}
		f.Publish("k", "news")
		if v := <-got; v != "news" {
			t.Errorf("got %q", v)
		}
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		if _, err := r.Next(ctx); !errors.Is(err, cause) {
			t.Errorf("error %v, want the context's cause", err)
		}
	})
}

// TestClosedReaders are forgotten, and hold up nobody.
func TestClosedReaders(t *testing.T) {
	var f feed.Feed[int]
	f.Publish("k", 1) // nobody reads: lost
	closed, open := f.Subscribe(), f.Subscribe()
	closed.Close()
	closed.Close()
	f.Publish("k", 2)
	if v, err := open.Next(t.Context()); err != nil || v != 2 {
		t.Errorf("got %d (%v), want 2", v, err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if v, err := closed.Next(ended); err == nil {
		t.Errorf("a closed reader got %d", v)
	}
	open.Close()
}

// TestManyPublishers ends with the last value of every key, whatever the order.
func TestManyPublishers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f feed.Feed[int]
		r := f.Subscribe()
		defer r.Close()
		var publishers sync.WaitGroup
		for p := range 8 {
			publishers.Go(func() {
				for i := range 200 {
					f.Publish(fmt.Sprint(p), p*1000+i)
				}
			})
		}
		last := map[int]int{}
		for len(last) < 8 || !allDone(last) {
			v, err := r.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if v%1000 < last[v/1000] {
				t.Fatalf("publisher %d went back to %d", v/1000, v%1000)
			}
			last[v/1000] = v % 1000
		}
		publishers.Wait()
	})
}

func allDone(last map[int]int) bool {
	for _, v := range last {
		if v != 199 {
			return false
		}
	}
	return true
}
