package chaos

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"godwit/chaos/history"
	"godwit/chaos/proxy"
)

// need is what a nemesis cannot do without.
type need int

const (
	// needLinks: nodes that can be held apart.
	needLinks need = 1 << iota
	// needObjects: results in S3, behind a proxy.
	needObjects
	// needState: the state in S3 as well.
	needState
	// needMany: three nodes or more.
	needMany
)

// Nemesis is a way to make a mix's life hard, a row of [Nemeses].
type Nemesis struct {
	// Kind is the kind of its faults, About what it does.
	Kind, About string
	// Covers are the rows of the catalogue of faults that it is about.
	Covers []string
	Needs  need
	// Weight is how often it is chosen, compared with others.
	Weight int
	// Whole tells that it wants all nodes for itself, Side that it strikes none, but
	// what nodes talk to.
	Whole, Side bool
	// Strike decides, by dice alone, what is to happen to the nodes that are free
	// now; nil when that is not possible.
	Strike func(m *mix, dice *mathrand.Rand) *strike
}

// strike is a fault that was decided.
type strike struct {
	kind, detail string
	nodes        []*Node
	// victims are those of the nodes that were struck, if only that shows it; nil
	// is all.
	victims []*Node
	// begin makes it, heal undoes it after hold; a nil heal has nothing to undo.
	begin, heal func(context.Context) error
	hold        time.Duration
	graceful    bool
	// side tells that it is no matter of nodes and their ways, and does not count as
	// one of those that overlap. mayEnd tells that its nodes need not run after it.
	side, mayEnd bool
	// afresh tells that those that were struck begin again; hit says which, where
	// not all that were open may have been.
	afresh bool
	hit    func() []string
}

// Nemeses are all there are.
var Nemeses = slices.Concat(processNemeses, linkNemeses, storeNemeses, sideNemeses)

// able are the nemeses that can strike here.
func (m *mix) able() []Nemesis {
	var have need
	if m.links != nil {
		have |= needLinks
	}
	if m.proxy != nil {
		have |= needObjects
	}
	if m.keepsState() {
		have |= needState
	}
	if m.opts.Nodes >= 3 {
		have |= needMany
	}
	var table []Nemesis
	for _, n := range Nemeses {
		if n.Needs&^have == 0 && (m.opts.Only == nil || slices.Contains(m.opts.Only, n.Kind)) {
			table = append(table, n)
		}
	}
	return table
}

// seconds is a random time between two, in seconds.
func seconds(dice *mathrand.Rand, from, to float64) time.Duration {
	return time.Duration((from + dice.Float64()*(to-from)) * float64(time.Second))
}

// take takes a random node in hand that no other fault has, so that one nemesis
// at a time starts and ends it. At least one other stays untouched: a cluster
// without any node is the business of kill.all.
func (m *mix) take(dice *mathrand.Rand) *Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	var free []*Node
	for _, n := range m.c.Nodes() {
		if !m.held[n] && n.Live() && n != m.guest {
			free = append(free, n)
		}
	}
	if at := dice.IntN(1 << 20); len(free) > 1 || len(free) == 1 && m.opts.Nodes == 1 {
		n := free[at%len(free)]
		m.held[n] = true
		return n
	}
	return nil
}

// takeAll takes all nodes, if no other fault has any of them.
func (m *mix) takeAll() []*Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*Node
	for _, n := range m.c.Nodes() {
		if n == m.guest && !n.Live() {
			continue
		}
		if m.held[n] || !n.Live() {
			return nil
		}
		all = append(all, n)
	}
	for _, n := range all {
		m.held[n] = true
	}
	return all
}

// room tells whether one more lasting fault may overlap those under way.
func (m *mix) room() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.active < atATime
}

// revive starts a node until it is ready. One that cannot start because other
// faults are in its way ends, and is started again.
func (m *mix) revive(ctx context.Context, n *Node, fresh bool) error {
	for {
		err := n.Revive(ctx, fresh)
		if err == nil {
			return nil
		}
		text := fmt.Sprintf("%.300v", err)
		m.rec.Add(history.Event{Node: n.Name, Life: n.Life(), Finding: &history.Finding{Kind: "log", Text: "it does not start: " + text}})
		if !n.process().Ended() || idle(ctx, time.Second) != nil {
			return err
		}
		fresh = false
	}
}

// killed counts a process that was killed.
func (m *mix) killed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kills++
}

// processNemeses strike processes.
var processNemeses = []Nemesis{
	{Kind: "kill", About: "kill -9 a node, and start it again", Covers: []string{"N1", "N9"}, Weight: 30, Strike: strikeKill(false)},
	{Kind: "kill.fresh", About: "the same, with an empty data folder, as on another machine", Covers: []string{"N1", "N6"}, Weight: 6, Strike: strikeKill(true)},
	{Kind: "kill.all", Whole: true, About: "kill -9 all nodes at once, and start them in random order", Covers: []string{"N2"}, Weight: 5, Strike: strikeKillAll},
	{Kind: "kill.point", About: "a node dies at a step around a write, a part, a publication, or the end of a group", Covers: []string{"N3", "G1"}, Weight: 16, Strike: strikePoint},
	{Kind: "stop", About: "stop a process for 1 s to 20 s, and let it go on", Covers: []string{"N4", "M11", "G2"}, Weight: 10, Strike: strikeStop},
	{Kind: "restart", About: "end a node in good order, and start it again", Covers: []string{"N12"}, Weight: 4, Strike: strikeRestart},
	{Kind: "restart.rolling", Whole: true, About: "the same for all nodes, one after the other", Covers: []string{"N13"}, Needs: needMany, Weight: 2, Strike: strikeRolling},
	{Kind: "drain", About: "drain a node by command, and take it back", Covers: []string{"N12"}, Needs: needMany, Weight: 3, Strike: strikeOperate("drain")},
	{Kind: "drain.cordon", About: "keep new work off a node for a while", Covers: []string{"N12"}, Needs: needMany, Weight: 2, Strike: strikeOperate("cordon")},
	{Kind: "join", About: "one more node joins, and leaves again or is killed", Covers: []string{"N14"}, Weight: 3, Strike: strikeJoin},
}

func strikeKill(fresh bool) func(*mix, *mathrand.Rand) *strike {
	return func(m *mix, dice *mathrand.Rand) *strike {
		// Mostly back before others have taken over, sometimes long after that.
		hold := m.lasts(dice, 0, 1)
		if dice.IntN(3) == 0 {
			hold = m.lasts(dice, 1, 12)
		}
		n := m.take(dice)
		if n == nil {
			return nil
		}
		return &strike{
			nodes: []*Node{n}, hold: hold, detail: fmt.Sprintf("for %.1f s", hold.Seconds()),
			begin: func(context.Context) error { n.Kill(); m.killed(); return nil },
			heal:  func(ctx context.Context) error { return m.revive(ctx, n, fresh) },
		}
	}
}

func strikeKillAll(m *mix, dice *mathrand.Rand) *strike {
	order := dice.Perm(m.opts.Nodes + 1)
	hold := m.lasts(dice, 0, 2)
	all := m.takeAll()
	if all == nil {
		return nil
	}
	return &strike{
		nodes: all, hold: hold,
		begin: func(ctx context.Context) error {
			return m.c.each(ctx, all, func(n *Node, _ context.Context) error { n.Kill(); m.killed(); return nil })
		},
		heal: func(ctx context.Context) error {
			return m.c.each(ctx, all, func(n *Node, ctx context.Context) error {
				// A node may wait for another before it is ready.
				if err := idle(ctx, time.Duration(order[(n.Number-1)%len(order)])*200*time.Millisecond); err != nil {
					return err
				}
				return m.revive(ctx, n, false)
			})
		},
	}
}

func strikeStop(m *mix, dice *mathrand.Rand) *strike {
	hold := m.lasts(dice, 1, 20)
	if !m.room() {
		return nil
	}
	n := m.take(dice)
	if n == nil {
		return nil
	}
	return &strike{
		nodes: []*Node{n}, hold: hold, detail: fmt.Sprintf("for %.1f s", hold.Seconds()),
		begin: func(context.Context) error { return n.Pause() },
		heal: func(ctx context.Context) error {
			if err := n.Continue(); err != nil {
				return err
			}
			if err := n.AwaitReady(ctx); err != nil && !n.process().Ended() {
				return err
			}
			return nil
		},
	}
}

func strikeRestart(m *mix, dice *mathrand.Rand) *strike {
	hold := m.lasts(dice, 0, 3)
	n := m.take(dice)
	if n == nil {
		return nil
	}
	return &strike{
		nodes: []*Node{n}, hold: hold, graceful: true,
		begin: func(ctx context.Context) error { return m.terminate(ctx, n) },
		heal:  func(ctx context.Context) error { return m.revive(ctx, n, false) },
	}
}

// terminate ends a node in good order. One that cannot, because other faults are
// in its way, is killed.
func (m *mix) terminate(ctx context.Context, n *Node) error {
	ending, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	code, err := n.Terminate(ending)
	if err != nil {
		m.rec.Add(history.Event{Node: n.Name, Finding: &history.Finding{Kind: "log", Text: fmt.Sprintf("%s does not end in good order: %.300v", n.Name, err)}})
		n.Kill()
		m.killed()
		return nil
	}
	if code != 0 {
		m.rec.Add(history.Event{Node: n.Name, Finding: &history.Finding{Kind: "log", Text: fmt.Sprintf("%s was asked to end and did with exit code %d", n.Name, code)}})
	}
	return nil
}

func strikeRolling(m *mix, _ *mathrand.Rand) *strike {
	all := m.takeAll()
	if all == nil {
		return nil
	}
	return &strike{
		nodes: all, graceful: true,
		begin: func(ctx context.Context) error {
			for _, n := range all {
				if err := m.terminate(ctx, n); err != nil {
					return err
				}
				if err := m.revive(ctx, n, false); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// disturb adds a rule to the proxy; the function that it returns takes it away.
func (m *mix) disturb(r proxy.Rule) func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	id := m.last
	m.rules[id] = r
	m.setRules()
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.rules, id)
		m.setRules()
	}
}

// setRules tells the proxy all rules, in the order in which they were made; mu
// is held.
func (m *mix) setRules() {
	var ids []int
	for id := range m.rules {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var all []proxy.Rule
	for _, id := range ids {
		all = append(all, m.rules[id])
	}
	m.proxy.Set(all...)
}
