// Package feed hands the latest value of each key to any number of readers.
//
// It owns what each reader has not seen yet, one value a key: a slow reader
// gets fewer values, never stale ones, and never holds up the publisher or
// another reader. It keeps no history and knows nothing of transfers.
package feed

import (
	"context"
	"sync"
)

// Feed connects one or more publishers with readers. The zero value is ready.
type Feed[T any] struct {
	mu      sync.Mutex
	readers map[*Reader[T]]struct{}
}

// Publish makes v the latest value of key. It never blocks.
func (f *Feed[T]) Publish(key string, v T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for r := range f.readers {
		r.offer(key, v)
	}
}

// Subscribe returns a reader of the given keys, of all keys if there are none.
// It sees what is published from now on, and must be closed.
func (f *Feed[T]) Subscribe(keys ...string) *Reader[T] {
	r := &Reader[T]{feed: f, latest: map[string]T{}, ready: make(chan struct{}, 1)}
	if len(keys) > 0 {
		r.keys = make(map[string]struct{}, len(keys))
		for _, k := range keys {
			r.keys[k] = struct{}{}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers == nil {
		f.readers = map[*Reader[T]]struct{}{}
	}
	f.readers[r] = struct{}{}
	return r
}

// Reader receives the values of a subscription. It is used by one goroutine.
type Reader[T any] struct {
	feed *Feed[T]
	keys map[string]struct{} // nil for all

	mu     sync.Mutex
	latest map[string]T // guarded by mu
	order  []string     // keys of latest, oldest first; guarded by mu
	ready  chan struct{}
}

func (r *Reader[T]) offer(key string, v T) {
	if _, ok := r.keys[key]; !ok && r.keys != nil {
		return
	}
	r.mu.Lock()
	if _, ok := r.latest[key]; !ok {
		r.order = append(r.order, key)
	}
	r.latest[key] = v
	r.mu.Unlock()
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// Ready is sent to when there may be a value; Poll tells.
func (r *Reader[T]) Ready() <-chan struct{} { return r.ready }

// Next waits for a value not seen yet and returns it, or ctx's error.
func (r *Reader[T]) Next(ctx context.Context) (T, error) {
	for {
		if v, ok := r.Poll(); ok {
			return v, nil
		}
		select {
		case <-r.ready:
		case <-ctx.Done():
			var zero T
			return zero, context.Cause(ctx)
		}
	}
}

// Poll returns a value not seen yet without waiting; false when there is none.
func (r *Reader[T]) Poll() (T, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.order) == 0 {
		var zero T
		return zero, false
	}
	key := r.order[0]
	r.order = r.order[1:]
	v := r.latest[key]
	delete(r.latest, key)
	return v, true
}

// Close ends the subscription.
func (r *Reader[T]) Close() {
	r.feed.mu.Lock()
	defer r.feed.mu.Unlock()
	delete(r.feed.readers, r)
}
