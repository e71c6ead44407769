package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// probe is one run of the record checks.
type probe struct {
	store  RecordStore
	folder string

	mu   sync.Mutex
	keys []string // all keys ever written, guarded by mu
	n    int      // makes keys and bodies unique, guarded by mu
}

// unique returns a number that this probe has not used.
func (p *probe) unique() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	return p.n
}

// key returns a fresh key that will be cleaned up.
func (p *probe) key() string {
	key := fmt.Sprintf("%s/%d", p.folder, p.unique())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, key)
	return key
}

// body returns a body unlike any other.
func (p *probe) body() []byte { return fmt.Appendf(nil, "%s body %d", p.folder, p.unique()) }

// cleanup removes what was written, also when ctx has ended. What cannot be
// removed is small and lies under a name of its own.
func (p *probe) cleanup(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	for _, key := range p.keys {
		if rec, err := p.store.Get(ctx, key); err == nil {
			_ = p.store.Delete(ctx, key, rec.Version)
		}
	}
}

// write is a conditional write whose outcome has been settled; an empty old
// version means create.
func (p *probe) write(ctx context.Context, key string, body []byte, old Version) (Version, error) {
	var version Version
	var err error
	if old == "" {
		version, err = p.store.Create(ctx, key, body)
	} else {
		version, err = p.store.CompareAndSwap(ctx, key, body, old)
	}
	if err != nil {
		return Settle(ctx, p.store, key, body, old, err)
	}
	return version, nil
}

// holds checks that key holds body.
func (p *probe) holds(ctx context.Context, key string, body []byte, version Version) (finding, bool) {
	rec, err := p.store.Get(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return failed("an acknowledged write cannot be read"), false
	case err != nil:
		return unasked(err), false
	case !bytes.Equal(rec.Body, body) || rec.Version != version:
		return failed("another body or version was read than was written"), false
	}
	return finding{}, true
}

// refused demands that a write lost in one of the given ways.
func refused(err error, kinds ...Kind) (finding, bool) {
	if err == nil {
		return failed("the store accepted a write whose condition did not hold"), false
	}
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return finding{}, true
		}
	}
	switch KindOf(err) {
	case ErrUnavailable, ErrUnknown, ErrConflict, ErrDenied, ErrFull, "":
		return unasked(err), false
	}
	return failed("the store refused for the wrong reason: %v", err), false
}

func (p *probe) createTwice(ctx context.Context) finding {
	key, first := p.key(), p.body()
	version, err := p.write(ctx, key, first, "")
	if err != nil {
		return unasked(err)
	}
	_, err = p.write(ctx, key, p.body(), "")
	if f, ok := refused(err, ErrExists); !ok {
		return f
	}
	if f, ok := p.holds(ctx, key, first, version); !ok {
		return f
	}
	return passed("the second create was refused")
}

func (p *probe) staleSwap(ctx context.Context) finding {
	key, second := p.key(), p.body()
	v1, err := p.write(ctx, key, p.body(), "")
	if err != nil {
		return unasked(err)
	}
	v2, err := p.write(ctx, key, second, v1)
	if err != nil {
		return unasked(err)
	}
	_, err = p.write(ctx, key, p.body(), v1)
	if f, ok := refused(err, ErrMismatch); !ok {
		return f
	}
	if f, ok := p.holds(ctx, key, second, v2); !ok {
		return f
	}
	return passed("a stale version was refused")
}

func (p *probe) missingSwap(ctx context.Context) finding {
	version, err := p.write(ctx, p.key(), p.body(), "")
	if err != nil {
		return unasked(err)
	}
	key := p.key()
	_, err = p.store.CompareAndSwap(ctx, key, p.body(), version)
	if f, ok := refused(err, ErrNotFound, ErrMismatch); !ok {
		return f
	}
	_, err = p.store.Get(ctx, key)
	switch {
	case err == nil:
		return failed("a refused write created the key")
	case !errors.Is(err, ErrNotFound):
		return unasked(err)
	}
	return passed("nothing was created")
}

func (p *probe) readAfterWrite(ctx context.Context) finding {
	key, body := p.key(), p.body()
	version, err := p.write(ctx, key, body, "")
	if err != nil {
		return unasked(err)
	}
	if f, ok := p.holds(ctx, key, body, version); !ok {
		return f
	}
	body = p.body()
	if version, err = p.write(ctx, key, body, version); err != nil {
		return unasked(err)
	}
	if f, ok := p.holds(ctx, key, body, version); !ok {
		return f
	}
	return passed("every write was read back")
}

func (p *probe) staleDelete(ctx context.Context) finding {
	key := p.key()
	v1, err := p.write(ctx, key, p.body(), "")
	if err != nil {
		return unasked(err)
	}
	if _, err = p.write(ctx, key, p.body(), v1); err != nil {
		return unasked(err)
	}
	err = p.store.Delete(ctx, key, v1)
	switch {
	case err == nil:
		return warned("the store ignores conditions on deletes")
	case errors.Is(err, ErrMismatch):
		return passed("a stale version was refused")
	case errors.Is(err, ErrUnsupported):
		return warned("the store has no conditional deletes")
	}
	return unasked(err)
}

func (p *probe) createRace(ctx context.Context) finding { return p.race(ctx, p.key(), "") }

func (p *probe) swapRace(ctx context.Context) finding {
	key := p.key()
	version, err := p.write(ctx, key, p.body(), "")
	if err != nil {
		return unasked(err)
	}
	return p.race(ctx, key, version)
}

// race lets many write under the same condition at once. Exactly one may win,
// and it must be the one whose body is there.
func (p *probe) race(ctx context.Context, key string, old Version) finding {
	var bodies [racers][]byte
	var versions [racers]Version
	var errs [racers]error
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		bodies[i] = p.body()
		wg.Go(func() {
			<-start
			versions[i], errs[i] = p.write(ctx, key, bodies[i], old)
		})
	}
	close(start)
	wg.Wait()
	winners, last := 0, 0
	for i, err := range errs {
		if err == nil {
			winners, last = winners+1, i
		}
	}
	switch {
	case winners > 1:
		return failed("%d of %d concurrent writers won", winners, racers)
	case winners == 0:
		return unasked(fmt.Errorf("nobody won: %w", errs[0]))
	}
	if f, ok := p.holds(ctx, key, bodies[last], versions[last]); !ok {
		return f
	}
	return passed("1 of %d concurrent writers won", racers)
}

func (p *probe) clock(ctx context.Context) finding {
	s, ok := p.store.(ClockSkewer)
	if !ok {
		return passed("the store has no clock of its own")
	}
	skew, err := s.ClockSkew(ctx)
	switch {
	case errors.Is(err, ErrUnsupported):
		return warned("the store does not tell its time")
	case err != nil:
		return unasked(err)
	}
	return judgeSkew(skew)
}

func judgeSkew(skew time.Duration) finding {
	shown := skew.Round(time.Second)
	switch {
	case skew.Abs() > skewFail:
		return failed("the store's clock differs from ours by %v", shown)
	case skew.Abs() > skewWarn:
		return warned("the store's clock differs from ours by %v", shown)
	}
	return passed("the store's clock differs from ours by %v", shown)
}
