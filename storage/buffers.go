package storage

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"
)

// BufferPool lends buffers out of one budget of bytes. It is the back-pressure
// of a node: who wants a buffer waits, first come first served, until the
// budget has room for it.
//
// Buffers that come back are kept for reuse and count against the budget, so
// lent and idle buffers together never exceed it. A pool is safe for use by
// several goroutines.
type BufferPool struct {
	budget int64
	lent   *semaphore.Weighted

	mu sync.Mutex
	// inUse and idle are the bytes lent and the bytes kept for reuse, guarded
	// by mu; inUse+idle <= budget.
	inUse, idle int64
	// free holds the idle buffers by their capacity, guarded by mu.
	free map[int][][]byte
}

// NewBufferPool returns a pool that lends at most budgetBytes at a time.
func NewBufferPool(budgetBytes int64) *BufferPool {
	return &BufferPool{
		budget: budgetBytes,
		lent:   semaphore.NewWeighted(budgetBytes),
		free:   make(map[int][][]byte),
	}
}

// Budget is the number of bytes the pool lends at most.
func (p *BufferPool) Budget() int64 { return p.budget }

// InUse is the number of bytes lent at this moment.
func (p *BufferPool) InUse() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inUse
}

// Get waits until the budget has room and returns a buffer of length n, whose
// content is arbitrary. [ErrInvalid] when n is negative or more than the whole
// budget, [ErrUnavailable] when ctx ended first.
func (p *BufferPool) Get(ctx context.Context, n int) ([]byte, error) {
	if n < 0 || int64(n) > p.budget {
		return nil, &Error{
			Op: "get buffer", Name: fmt.Sprint(n), Kind: ErrInvalid,
			Err: fmt.Errorf("the budget is %d bytes", p.budget),
		}
	}
	if n == 0 {
		return nil, nil
	}
	size := min(sizeClass(n), int(p.budget))
	if err := p.lent.Acquire(ctx, int64(size)); err != nil {
		return nil, &Error{Op: "get buffer", Name: fmt.Sprint(n), Kind: ErrUnavailable, Err: err}
	}
	if buf := p.take(size); buf != nil {
		return buf[:n], nil
	}
	return make([]byte, n, size), nil
}

// Put takes a buffer of Get back; the caller must not touch it any more. The
// slice may be shortened at its end, never at its start.
func (p *BufferPool) Put(buf []byte) {
	size := cap(buf)
	if size == 0 {
		return
	}
	p.mu.Lock()
	p.inUse -= int64(size)
	p.idle += int64(size)
	p.free[size] = append(p.free[size], buf[:0])
	p.mu.Unlock()
	p.lent.Release(int64(size))
}

// take accounts for size more bytes in use and returns an idle buffer of that
// size, or nil after it has dropped as many others as the budget demands.
func (p *BufferPool) take(size int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inUse += int64(size)
	if list := p.free[size]; len(list) > 0 {
		p.idle -= int64(size)
		return p.pop(size)
	}
	for class := range p.free {
		for len(p.free[class]) > 0 && p.inUse+p.idle > p.budget {
			p.pop(class)
			p.idle -= int64(class)
		}
	}
	return nil
}

// pop removes one idle buffer; mu is held.
func (p *BufferPool) pop(class int) []byte {
	list := p.free[class]
	last := len(list) - 1
	buf := list[last]
	list[last] = nil
	if last == 0 {
		delete(p.free, class)
	} else {
		p.free[class] = list[:last]
	}
	return buf
}

// sizeClass rounds n up so that sizes near each other share buffers: powers of
// two up to 64 KiB, then multiples of 64 KiB, from 1 MiB on multiples of 1 MiB.
func sizeClass(n int) int {
	const small, large = 64 << 10, 1 << 20
	switch {
	case n <= small:
		size := 4 << 10
		for size < n {
			size *= 2
		}
		return size
	case n <= large:
		return (n + small - 1) / small * small
	default:
		return (n + large - 1) / large * large
	}
}
