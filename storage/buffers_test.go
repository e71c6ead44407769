package storage_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"godwit/storage"
)

func TestBufferPoolWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := storage.NewBufferPool(2 << 20)
		held, err := pool.Get(t.Context(), 2<<20)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan []byte, 1)
		go func() {
			buf, err := pool.Get(t.Context(), 1<<20)
			if err != nil {
				t.Error(err)
			}
			got <- buf
		}()
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("a buffer was lent beyond the budget")
		default:
		}
		pool.Put(held)
		if buf := <-got; len(buf) != 1<<20 {
			t.Fatalf("length %d", len(buf))
		}
	})
}

func TestBufferPoolGivesUpWithItsContext(t *testing.T) {
	pool := storage.NewBufferPool(1 << 20)
	if _, err := pool.Get(t.Context(), 1<<20); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := pool.Get(ctx, 1)
	if !errors.Is(err, storage.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if got := pool.InUse(); got != 1<<20 {
		t.Fatalf("in use %d", got)
	}
}

func TestBufferPoolRefusesTheImpossible(t *testing.T) {
	pool := storage.NewBufferPool(1000)
	for _, n := range []int{-1, 1001} {
		if _, err := pool.Get(t.Context(), n); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("Get(%d): %v", n, err)
		}
	}
	buf, err := pool.Get(t.Context(), 1000)
	if err != nil || len(buf) != 1000 {
		t.Fatalf("the whole budget: %d bytes, %v", len(buf), err)
	}
	if empty, err := pool.Get(t.Context(), 0); err != nil || len(empty) != 0 {
		t.Fatalf("nothing: %v, %v", empty, err)
	}
}

func TestBufferPoolReusesBySize(t *testing.T) {
	pool := storage.NewBufferPool(64 << 20)
	first, err := pool.Get(t.Context(), 5<<20)
	if err != nil {
		t.Fatal(err)
	}
	pool.Put(first[:17])
	second, err := pool.Get(t.Context(), 5<<20-3)
	if err != nil {
		t.Fatal(err)
	}
	if &first[0] != &second[0] {
		t.Fatal("a buffer that would fit was not reused")
	}
}

// Many goroutines with different sizes: the budget holds and all comes back.
func TestBufferPoolUnderLoad(t *testing.T) {
	const budget = 8 << 20
	pool := storage.NewBufferPool(budget)
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := range 200 {
				buf, err := pool.Get(t.Context(), 1+(worker*7919+i*104729)%(3<<20))
				if err != nil {
					t.Error(err)
					return
				}
				if used := pool.InUse(); used > budget {
					t.Errorf("%d bytes lent out of %d", used, budget)
				}
				buf[0] = byte(worker)
				pool.Put(buf)
			}
		})
	}
	wg.Wait()
	if used := pool.InUse(); used != 0 {
		t.Fatalf("%d bytes never came back", used)
	}
}
