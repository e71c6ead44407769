package chaos

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/url"
	"os"
	"time"

	"godwit/chaos/proxy"
	"godwit/node"
)

// strikePoint has a node die at one of the steps of [node.StorePoints] and
// [node.Points]. Which one dies is known when it has.
func strikePoint(m *mix, dice *mathrand.Rand) *strike {
	points := node.Points()
	if dice.IntN(4) > 0 { // those that all transfers pass
		points = node.StorePoints()
	}
	point, patience := points[dice.IntN(len(points))], seconds(dice, 2, 6)
	if !m.c.doomed.CompareAndSwap(false, true) {
		return nil // one point at a time
	}
	s := &strike{detail: "at " + point, side: true, victims: []*Node{}}
	s.begin = func(ctx context.Context) error {
		watching, stop := context.WithTimeout(ctx, patience)
		defer stop()
		deaths := m.c.deaths(watching)
		if err := os.WriteFile(m.c.failpointFile(), []byte(point), 0o600); err != nil {
			return fmt.Errorf("set a failpoint: %w", err)
		}
		for len(s.victims) == 0 && watching.Err() == nil {
			select {
			case d := <-deaths:
				s.claim(m, d.node)
			case <-watching.Done():
			}
		}
		_ = os.Remove(m.c.failpointFile()) // it is gone if a node died
		// One that has just taken the file away is about to die, and its end to be
		// noticed.
		_ = idle(ctx, time.Second)
		return nil
	}
	s.heal = func(ctx context.Context) error {
		m.c.doomed.Store(false)
		for _, n := range m.c.Nodes() {
			if n != m.guest && len(s.victims) == 0 && n.process().Ended() {
				s.claim(m, n)
			}
		}
		return nil // who has died is started again
	}
	return s
}

// claim takes a node in hand that has died, if no other fault has it.
func (s *strike) claim(m *mix, n *Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[n] {
		return
	}
	m.held[n] = true
	m.kills++
	s.nodes, s.victims = []*Node{n}, []*Node{n}
}

// linkNemeses strike what is between nodes, and between them and the store.
var linkNemeses = []Nemesis{
	{Kind: "cut.full", About: "cut a node, or half of them, off from all others", Covers: []string{"M1", "M5", "M12"}, Needs: needLinks | needMany, Weight: 6, Strike: strikeCut(false)},
	{Kind: "cut.oneway", About: "make the others deaf to a node, which hears them", Covers: []string{"M2"}, Needs: needLinks | needMany, Weight: 4, Strike: strikeCut(true)},
	{Kind: "cut.partial", About: "cut two nodes off from each other while all others see both", Covers: []string{"M3"}, Needs: needLinks | needMany, Weight: 4, Strike: strikePartial},
	{Kind: "cut.swizzle", Whole: true, About: "cut all links, one by one, and heal them in random order", Covers: []string{"M8"}, Needs: needLinks | needMany, Weight: 2, Strike: strikeSwizzle},
	{Kind: "cut.store", About: "cut a node off from the store: nothing passes, or connections are refused", Covers: []string{"M4", "ST2"}, Needs: needObjects, Weight: 6, Strike: strikeStoreCut},
	{Kind: "cut.deaf", About: "make a node deaf to the store: what it asks for is done, and it never hears of it", Covers: []string{"M4", "ST3"}, Needs: needLinks | needObjects, Weight: 3, Strike: strikeDeaf},
	{Kind: "link.lossy", About: "lose 1, 5, 20 or 50 percent of what arrives at a node", Covers: []string{"M6"}, Needs: needLinks, Weight: 5, Strike: strikeLossy},
	{Kind: "link.slow", About: "let a node send 8 KiB/s to 256 KiB/s", Covers: []string{"M7"}, Needs: needLinks, Weight: 4, Strike: strikeSlow},
}

// lasts is how long a fault holds, in seconds between two: at most a quarter of the
// run, so that a short one has more than a few.
func (m *mix) lasts(dice *mathrand.Rand, from, to float64) time.Duration {
	return min(seconds(dice, from, to), m.opts.Duration/4)
}

// lasting is a strike of a node that others may overlap.
func lasting(n *Node, hold time.Duration, detail string, make func(context.Context) (func(context.Context) error, error)) *strike {
	s := &strike{nodes: []*Node{n}, hold: hold, detail: fmt.Sprintf("%s for %.1f s", detail, hold.Seconds())}
	s.begin = func(ctx context.Context) (err error) {
		s.heal, err = make(ctx)
		return err
	}
	return s
}

func strikeCut(oneWay bool) func(*mix, *mathrand.Rand) *strike {
	return func(m *mix, dice *mathrand.Rand) *strike {
		hold, half := m.lasts(dice, 1, 15), dice.IntN(2) == 0
		if !m.room() {
			return nil
		}
		n := m.take(dice)
		if n == nil {
			return nil
		}
		side := []*Node{n}
		if half {
			side = m.c.half(n)
		}
		return lasting(n, hold, fmt.Sprintf("%d of %d", len(side), len(m.c.Nodes())), func(ctx context.Context) (func(context.Context) error, error) {
			var links [][2]int
			for _, a := range side {
				for _, b := range m.c.Nodes() {
					if has(side, b) {
						continue
					}
					links = append(links, [2]int{a.Number, b.Number})
					if !oneWay {
						links = append(links, [2]int{b.Number, a.Number})
					}
				}
			}
			return m.cut(ctx, links, 0)
		})
	}
}

func has(nodes []*Node, n *Node) bool {
	for _, one := range nodes {
		if one == n {
			return true
		}
	}
	return false
}

// cut cuts links, pausing after each, and returns what heals them in their order.
func (m *mix) cut(ctx context.Context, links [][2]int, pause time.Duration) (func(context.Context) error, error) {
	var heals []func(context.Context) error
	heal := func(ctx context.Context) error {
		var all error
		for _, one := range heals {
			all = errors.Join(all, one(ctx))
			_ = idle(ctx, pause)
		}
		return all
	}
	for _, l := range links {
		one, err := m.links.Cut(ctx, l[0], l[1])
		heals = append(heals, one)
		if err != nil {
			return heal, err
		}
		_ = idle(ctx, pause)
	}
	return heal, nil
}

func strikePartial(m *mix, dice *mathrand.Rand) *strike {
	hold, at := m.lasts(dice, 2, 20), dice.IntN(1<<20)
	if !m.room() {
		return nil
	}
	n := m.take(dice)
	if n == nil {
		return nil
	}
	var others []*Node
	for _, o := range m.c.Nodes() {
		if o != n && o != m.guest {
			others = append(others, o)
		}
	}
	other := others[at%len(others)]
	return lasting(n, hold, "from "+other.Name, func(ctx context.Context) (func(context.Context) error, error) {
		return m.cut(ctx, [][2]int{{n.Number, other.Number}, {other.Number, n.Number}}, 0)
	})
}

func strikeSwizzle(m *mix, dice *mathrand.Rand) *strike {
	var links [][2]int
	for a := 1; a <= m.opts.Nodes; a++ {
		for b := 1; b <= m.opts.Nodes; b++ {
			if a != b {
				links = append(links, [2]int{a, b})
			}
		}
	}
	dice.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
	order := dice.Perm(len(links))
	hold := m.lasts(dice, 1, 5)
	all := m.takeAll()
	if all == nil {
		return nil
	}
	s := &strike{nodes: all, hold: hold}
	heals := make([]func(context.Context) error, 0, len(links))
	s.begin = func(ctx context.Context) error {
		for _, l := range links {
			heal, err := m.cut(ctx, [][2]int{l}, 0)
			heals = append(heals, heal)
			if err != nil {
				return err
			}
			_ = idle(ctx, 500*time.Millisecond)
		}
		return nil
	}
	s.heal = func(ctx context.Context) error {
		var failed error
		for _, at := range order {
			if at < len(heals) {
				failed = errors.Join(failed, heals[at](ctx))
				_ = idle(ctx, 500*time.Millisecond)
			}
		}
		return failed
	}
	return s
}

func strikeStoreCut(m *mix, dice *mathrand.Rand) *strike {
	hold, how := m.lasts(dice, 1, 18), []proxy.Cut{proxy.Silent, proxy.Refused}[dice.IntN(2)]
	if !m.room() {
		return nil
	}
	n := m.take(dice)
	if n == nil {
		return nil
	}
	return lasting(n, hold, string(how), func(context.Context) (func(context.Context) error, error) {
		return func(context.Context) error { return m.proxy.Cut(n.Name, proxy.Open) }, m.proxy.Cut(n.Name, how)
	})
}

func strikeDeaf(m *mix, dice *mathrand.Rand) *strike {
	hold := m.lasts(dice, 1, 15)
	if !m.room() {
		return nil
	}
	n := m.take(dice)
	if n == nil {
		return nil
	}
	return lasting(n, hold, "", func(ctx context.Context) (func(context.Context) error, error) {
		at, err := url.Parse(m.ways[n.Number])
		if err != nil {
			return nil, err
		}
		return m.links.CutHost(ctx, at.Port(), n.Number)
	})
}

func strikeLossy(m *mix, dice *mathrand.Rand) *strike {
	hold, percent := m.lasts(dice, 3, 20), []int{1, 5, 20, 50}[dice.IntN(4)]
	if !m.room() {
		return nil
	}
	n := m.take(dice)
	if n == nil {
		return nil
	}
	return lasting(n, hold, fmt.Sprintf("%d %%", percent), func(ctx context.Context) (func(context.Context) error, error) {
		return m.links.Lose(ctx, percent, n.Number)
	})
}

func strikeSlow(m *mix, dice *mathrand.Rand) *strike {
	hold, rate := m.lasts(dice, 3, 15), int64(8<<10)<<dice.IntN(6)
	if !m.room() {
		return nil
	}
	n := m.take(dice)
	if n == nil {
		return nil
	}
	return lasting(n, hold, fmt.Sprintf("%d KiB/s", rate>>10), func(ctx context.Context) (func(context.Context) error, error) {
		return m.links.Slow(ctx, rate, n.Number)
	})
}
