package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// tortureFar is the way of uploading; a request that fails has sent a part.
const tortureFar = "content-range"

// tortureContents are three parts, and one that is small.
func tortureContents(Params) []Content {
	return []Content{{Size: (tortureParts-1)*torturePart + 1007}, {Size: 300_007}}
}

// torture is what a run of that name remembers.
type torture struct {
	c *Cluster

	mu sync.Mutex // guards what follows
	r  Report
	// struck and missed count runs, by how and name of the way: those in which the
	// call was made, and those that got by without it.
	struck, missed map[string]int
	took           []float64
}

// runTorture does a canonical set of work once, counts what it calls, and then
// does it again for each of these calls, in three ways: it fails before it has
// been done, its answer is lost, and the node is killed when it has been done. The
// set must end as if nothing had happened.
func runTorture(ctx context.Context, c *Cluster, p Params) (Report, error) {
	t := &torture{c: c, struck: map[string]int{}, missed: map[string]int{}}
	t.r = Report{Scenario: "torture, one node, store " + c.opts.Store.Name, Seed: c.opts.Seed}
	if c.opts.Store.Endpoint == "" {
		return t.r, errors.New("torture needs results in S3")
	}
	began := time.Now()
	victims, err := t.victims(ctx, p.Beside)
	for _, v := range victims {
		defer v.close()
	}
	if err != nil {
		return t.r, err
	}
	counts, err := t.count(ctx, victims[0])
	if err != nil {
		return t.r, err
	}
	blows := make(chan blow)
	g, working := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(blows)
		for _, b := range plan(counts, c.opts.Seed, p.Every) {
			if p.Duration > 0 && time.Since(began) > p.Duration {
				t.note("no more runs were begun after %v", p.Duration)
				return nil
			}
			select {
			case blows <- b:
			case <-working.Done():
				return nil
			}
		}
		return nil
	})
	for _, v := range victims {
		g.Go(func() error {
			for b := range blows {
				if err := t.strike(working, v, b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = g.Wait()
	t.end(ctx, victims)
	t.r.Took = time.Since(began)
	return t.r, err
}

func (t *torture) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.r.Note(format, args...)
}

// victims starts so many nodes. They wait most of the time, for the second
// attempt at what has failed.
func (t *torture) victims(ctx context.Context, count int) ([]*victim, error) {
	found := make([]*victim, count)
	var g errgroup.Group
	for i := range found {
		g.Go(func() (err error) {
			found[i], err = newVictim(ctx, &t.c.opts, fmt.Sprintf("victim%d", i+1))
			return err
		})
	}
	err := g.Wait()
	var all []*victim
	for _, v := range found {
		if v != nil {
			all = append(all, v)
		}
	}
	return all, err
}

// count does the work once and returns how many calls went each way.
func (t *torture) count(ctx context.Context, v *victim) ([]int, error) {
	var before, counts []int
	for _, w := range v.ways {
		before = append(before, w.proxy.Calls())
	}
	if _, err := v.run(ctx, nil, &t.r); err != nil {
		return nil, fmt.Errorf("without any fault: %w", err)
	}
	var words []string
	for i, w := range v.ways {
		counts = append(counts, w.proxy.Calls()-before[i])
		words = append(words, fmt.Sprintf("%d to the %s", counts[i], wayNames[i]))
	}
	t.r.Note("calls without any fault: %s", strings.Join(words, ", "))
	t.c.Logf("calls without any fault: %s", strings.Join(words, ", "))
	return counts, nil
}

// plan is all blows in random order, or one in so many of them.
func plan(counts []int, seed uint64, every int) []blow {
	var all []blow
	for way, n := range counts {
		for k := 1; k <= n; k++ {
			for _, how := range []string{errorBefore, replyLost, killAfter} {
				all = append(all, blow{way: way, k: k, how: how})
			}
		}
	}
	rand.New(rand.NewPCG(seed, 3)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:(len(all)+max(every, 1)-1)/max(every, 1)]
}

// strike is one run.
func (t *torture) strike(ctx context.Context, v *victim, b blow) error {
	began := time.Now()
	var found Report
	struck, err := v.run(ctx, &b, &found)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		found.Violate("%v: %v", &b, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.r.Faults++
	t.r.Violations = append(t.r.Violations, found.Violations...)
	t.took = append(t.took, time.Since(began).Seconds())
	name := b.how + ", " + wayNames[b.way]
	if struck {
		t.struck[name]++
	} else {
		t.missed[name]++
	}
	t.c.Logf("run %d: %v: struck %v, %.1f s, %d wrong", t.r.Faults, &b, struck, time.Since(began).Seconds(), len(found.Violations))
	return nil
}

// end judges what all runs have left.
func (t *torture) end(ctx context.Context, victims []*victim) {
	kills := 0
	for _, v := range victims {
		var r Report
		v.c.JudgeHistory(&r)
		v.c.judgeLogs(&r)
		t.r.Writes += r.Writes
		t.r.Violations = append(t.r.Violations, r.Violations...)
		t.r.Transfers += 3 * v.runs
		kills += v.kills
		if left := settle(ctx, v.leftovers); len(left) > 0 {
			t.r.Violate("%d hidden files are left: %s", len(left), strings.Join(left, ", "))
		}
		for _, stray := range v.receiver.astray() {
			t.r.Violate("a delivery went astray: %s", stray)
		}
	}
	if left := settle(ctx, t.c.opts.Store.Uploads); len(left) > 0 {
		t.r.Violate("%d multipart uploads are left: %s", len(left), strings.Join(left, ", "))
	}
	t.r.Measure("a run, from its first call to its verdict", "s", t.took)
	t.r.Note("%d kills; runs by fault: %v; runs that got by without the call: %v", kills, t.struck, t.missed)
}

// settle returns what is left over after a while.
func settle(ctx context.Context, look func() []string) []string {
	ctx, cancel := context.WithTimeout(ctx, leftoverPatience)
	defer cancel()
	for {
		left := look()
		if len(left) == 0 || idle(ctx, 5*glance) != nil {
			return left
		}
	}
}
