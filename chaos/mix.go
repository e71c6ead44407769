package chaos

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"godwit/chaos/history"
	"godwit/chaos/proxy"
)

const (
	// quietEvery and quietFor: about a quarter of the time nothing strikes, so that
	// what takes long is seen to end, and idle nodes are seen to be idle.
	quietEvery = 60 * time.Second
	quietFor   = 15 * time.Second
	// settlePatience bounds how long all may take to end once nothing strikes any
	// more.
	settlePatience = 3 * time.Minute
	// wholeEvery: one of so many faults is one that wants all nodes.
	wholeEvery = 16
	// atATime is how many lasting faults overlap at most.
	atATime = 2
)

// MixOptions say what a mix is made of. Zero values stand for its own.
type MixOptions struct {
	// Binary is a godwit that was built with the tag "history"; Bug is the seeded
	// bug that it has, "" for none.
	Binary, Bug string
	// Folder takes everything that is written, the history and the report too.
	Folder string
	Nodes  int
	// Store is "dir", "mixed" (state in a folder, results in S3, too), "s3", or
	// "memory": like s3, but with a server in this process, which takes less of the
	// machine.
	Store string
	// Seed makes the harness decide the same again. What nodes do it does not
	// decide, and so not which of them run when a decision is due.
	Seed uint64
	// Duration is how long nemeses strike; Pause the mean time between two.
	Duration, Pause time.Duration
	// Transfers is how many are kept unfinished. Size is that of the greatest
	// content, in bytes, Rate what an origin sends on one connection, in bytes a
	// second.
	Transfers  int
	Size, Rate int64
	// Driver runs the nodes; nil is namespaces where they can be had and
	// loopback elsewhere.
	Driver Driver
	// Only names the kinds of nemeses that may strike; nil is all.
	Only []string
	Logf func(format string, args ...any)
}

func (o MixOptions) withDefaults() MixOptions {
	set := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	set(&o.Duration, 2*time.Minute)
	set(&o.Pause, 4*time.Second)
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Store == "" {
		o.Store = "s3"
	}
	if o.Transfers == 0 {
		o.Transfers = 24
	}
	if o.Size == 0 {
		o.Size = 16 * mib
	}
	if o.Rate == 0 {
		o.Rate = 2 * mib
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return o
}

// mix is a run in which random nemeses strike a cluster under a load of
// everything that it does.
type mix struct {
	opts    MixOptions
	rec     *history.Recorder
	c       *Cluster
	links   Links          // nil where nodes cannot be held apart
	proxy   *proxy.Proxy   // nil where there is no S3
	ways    map[int]string // to the store, by node
	origin  *mixOrigin
	far     *mixFar
	hooks   *mixHooks
	results mixResults
	load    *mixLoad
	closers []func()
	began   time.Time

	mu    sync.Mutex // guards what follows
	rules map[int]proxy.Rule
	last  int
	// held are the nodes that a nemesis has in hand.
	held map[*Node]bool
	// originBusy tells that one of the origin's faults is under way.
	originBusy bool
	// active is how many lasting faults are under way.
	active int
	// faults are counted by kind, kills are processes that were killed.
	faults map[string]int
	kills  int
	// failed is what keeps the run from going on.
	failed error
	// guests are nodes that joined and left again.
	guest *Node
}

// RunMix runs a mix to its end. The error tells why it could not go on; broken
// promises are in the report.
func RunMix(ctx context.Context, opts MixOptions) (MixReport, error) {
	opts = opts.withDefaults()
	m := &mix{opts: opts, rules: map[int]proxy.Rule{}, held: map[*Node]bool{}, faults: map[string]int{}}
	defer m.close()
	if err := m.prepare(ctx); err != nil {
		return MixReport{}, err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	var workers sync.WaitGroup
	for _, work := range []func(context.Context){m.load.run, m.load.watch, m.load.probe, m.sample, m.observe} {
		workers.Go(func() { work(working) })
	}
	m.began = time.Now()
	err := m.strikes(ctx)
	m.opts.Logf("%d faults were made, all is healed, transfers finish", m.total())
	m.load.stop()
	if err == nil {
		err = m.settle(ctx)
	}
	stop()
	workers.Wait()
	if err != nil {
		return MixReport{}, errors.Join(err, m.fault())
	}
	m.load.lastLooks(ctx)
	report, err := m.judge()
	return report, errors.Join(err, m.fault())
}

// fault is what a nemesis or the load could not go on with.
func (m *mix) fault() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed
}

// fail remembers the first reason not to go on.
func (m *mix) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == nil {
		m.failed = err
	}
}

func (m *mix) total() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, count := range m.faults {
		n += count
	}
	return n
}

// strikes has nemeses strike until the time is over, and heals.
func (m *mix) strikes(ctx context.Context) error {
	dice := mathrand.New(mathrand.NewPCG(m.opts.Seed, 10))
	table := m.able()
	if len(table) == 0 {
		return errors.New("no nemesis can strike here")
	}
	// What lasts is healed when the time is over.
	lasting, end := context.WithTimeout(ctx, m.opts.Duration)
	defer end()
	var going sync.WaitGroup
	calm := quietEvery
	// The first is a kill, so that no mix, however short, is without one.
	turn := slices.DeleteFunc(slices.Clone(table), func(n Nemesis) bool { return n.Kind != history.FaultKill })
	first := len(turn) > 0
	for time.Since(m.began) < m.opts.Duration && m.fault() == nil {
		pause := time.Duration(float64(m.opts.Pause) * (0.4 + 1.2*dice.Float64()))
		if since := time.Since(m.began); since > calm-quietFor {
			going.Wait()
			m.opts.Logf("a quiet phase, %d faults so far", m.total())
			pause, calm = quietFor, time.Since(m.began)+quietEvery
		}
		if err := idle(ctx, pause); err != nil {
			going.Wait()
			return err
		}
		// Some want all nodes, which are seldom free.
		whole := dice.IntN(wholeEvery) == 0 && !first
		if whole {
			going.Wait()
		}
		if !first {
			turn = table
		}
		s := m.decide(dice, turn, whole)
		if s == nil {
			continue // nobody is left to be struck
		}
		first = false
		going.Go(func() { m.perform(ctx, lasting, s) })
	}
	going.Wait()
	return m.fault()
}

// decide has a random nemesis strike, another one if that cannot now.
func (m *mix) decide(dice *mathrand.Rand, table []Nemesis, whole bool) *strike {
	for i := range 20 {
		n := choose(dice, table)
		// Far sides are always free, and would get the turns of all that are not.
		if n.Whole != whole || i > 0 && n.Side {
			continue
		}
		if s := n.Strike(m, dice); s != nil {
			s.kind = n.Kind
			return s
		}
	}
	return nil
}

// choose is a random nemesis, each by its weight.
func choose(dice *mathrand.Rand, table []Nemesis) Nemesis {
	sum := 0
	for _, n := range table {
		sum += n.Weight
	}
	at := dice.IntN(sum)
	for _, n := range table {
		if at -= n.Weight; at < 0 {
			return n
		}
	}
	return table[0] // never: at is below the sum
}

// perform makes a fault, lets it last, until lasting ends at most, and undoes it,
// and records all of it.
func (m *mix) perform(ctx, lasting context.Context, s *strike) {
	overlaps := 1
	if s.side {
		overlaps = 0
	}
	m.mu.Lock()
	m.active += overlaps
	m.mu.Unlock()
	e := history.Event{At: m.rec.Now(), Fault: &history.Fault{Kind: s.kind, Detail: s.detail, Graceful: s.graceful, Afresh: s.afresh}}
	for _, n := range s.nodes {
		e.Fault.Nodes = append(e.Fault.Nodes, n.Name)
	}
	struck := m.load.open()
	m.opts.Logf("%s %v %s", s.kind, e.Fault.Nodes, s.detail)
	err := s.begin(ctx)
	if err == nil && s.hold > 0 {
		_ = idle(lasting, s.hold) // healed in any case
	}
	// What was made is undone although the run ends.
	healing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*startPatience)
	defer cancel()
	if s.heal != nil {
		err = errors.Join(err, s.heal(healing))
	}
	for _, n := range s.nodes { // something else may have ended it meanwhile
		if !s.mayEnd && n.process().Ended() {
			err = errors.Join(err, m.revive(healing, n, false))
		}
	}
	if s.hit != nil {
		struck = s.hit()
	} else {
		struck = union(struck, m.load.open())
	}
	e.End, e.Fault.Struck = m.rec.Now(), struck
	if s.victims != nil {
		e.Fault.Nodes = nil
		for _, n := range s.victims {
			e.Fault.Nodes = append(e.Fault.Nodes, n.Name)
		}
	}
	if s.victims == nil || len(s.victims) > 0 {
		m.rec.Add(e)
	}
	m.mu.Lock()
	for _, n := range s.nodes {
		delete(m.held, n)
	}
	m.active -= overlaps
	if s.victims == nil || len(s.victims) > 0 {
		m.faults[s.kind]++
	}
	m.mu.Unlock()
	if err != nil {
		m.fail(fmt.Errorf("%s of %v: %w", s.kind, e.Fault.Nodes, err))
	}
}

// union is both lists, each entry once.
func union(a, b []string) []string {
	seen := map[string]bool{}
	var all []string
	for _, list := range [][]string{a, b} {
		for _, one := range list {
			if !seen[one] {
				seen[one] = true
				all = append(all, one)
			}
		}
	}
	return all
}

// settle heals everything, and waits until all nodes are members and all
// transfers and groups have ended, or should have.
func (m *mix) settle(ctx context.Context) error {
	if m.links != nil {
		if err := m.links.Heal(ctx); err != nil {
			return err
		}
	}
	if m.proxy != nil {
		m.proxy.Set()
	}
	for _, n := range m.c.Nodes() {
		if n == m.guest || n.Live() {
			continue
		}
		starting, cancel := context.WithTimeout(ctx, startPatience)
		err := m.revive(starting, n, false)
		cancel()
		if err != nil {
			return err
		}
	}
	waiting, cancel := context.WithTimeout(ctx, settlePatience)
	defer cancel()
	if err := m.c.AwaitMembers(waiting); err != nil {
		m.opts.Logf("%v", err) // the checkers say so, too
	}
	m.load.await(waiting)
	return nil
}

// historyName is the history of the harness, in its folder.
const historyName = "history.jsonl"

func (m *mix) historyFile() string { return filepath.Join(m.opts.Folder, historyName) }

// close ends everything, in the opposite order.
func (m *mix) close() {
	for i := len(m.closers) - 1; i >= 0; i-- {
		m.closers[i]()
	}
}
