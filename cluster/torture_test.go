package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"godwit/cluster"
)

// script does things to a cluster by chance, as a seed has it, and knows how the
// cluster has to look afterwards.
type script struct {
	*world
	random *rand.Rand
	// running are the processes by name, epochs the lives that each name has had.
	running map[string]*process
	epochs  map[string]uint64
}

// seed is the node that is always there: without one, nodes that have never met
// do not find each other.
const seed = "n9"

// find lets a node look for the seed.
func find(c *cluster.Config) { c.Seeds = []string{"10.0.0.9:7482"} }

// any returns one of the running processes, not the seed, or nil.
func (s *script) any() *process {
	var names []string
	for name := range s.running {
		if name != seed {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return s.running[names[s.random.IntN(len(names))]]
}

// begin starts a node that is not running, at its address or at another one.
func (s *script) begin() {
	name := fmt.Sprintf("n%d", 1+s.random.IntN(8))
	if s.running[name] != nil {
		return
	}
	where := name
	if s.random.IntN(3) == 0 {
		where = fmt.Sprintf("%s/%d", name, 100+10*s.random.IntN(10)+int(name[1]-'0'))
	}
	s.epochs[name]++
	s.running[name] = s.start(where, s.epochs[name], find)
}

func (s *script) step() {
	p := s.any()
	switch what := s.random.IntN(9); {
	case what < 3 || p == nil:
		s.begin()
	case what == 3:
		delete(s.running, p.name)
		s.crash(p)
	case what == 4:
		delete(s.running, p.name)
		if err := p.Leave(s.t.Context()); err != nil {
			s.t.Logf("%s: %v", p.name, err)
		}
		s.crash(p)
	case what == 5:
		s.network.Pause(p.host)
	case what == 6:
		s.network.Partition([]string{p.host, s.any().host, s.any().host})
	case what == 7:
		s.network.Heal()
		s.network.Resume(p.host)
	case what == 8:
		s.epochs[p.name]++
		p.meta.Epoch, p.meta.Incarnation = s.epochs[p.name], fmt.Sprintf("%s.%d", p.name, s.epochs[p.name])
		p.meta.Draining = !p.meta.Draining
		if err := p.Update(p.meta); err != nil {
			s.t.Error(err)
		}
	}
	time.Sleep(time.Duration(s.random.Int64N(int64(8 * time.Second))))
}

// agreed tells whether every running node sees every running node as it is, and
// nobody else alive.
func (s *script) agreed() bool {
	for _, p := range s.running {
		topology := p.Topology()
		for name, other := range s.running {
			m := p.member(name)
			if m.Incarnation != other.meta.Incarnation || m.Draining != other.meta.Draining || m.State == cluster.StateDead || m.State == cluster.StateSuspect {
				return false
			}
		}
		for _, m := range topology.Members {
			if s.running[m.Name] == nil && m.State != cluster.StateDead {
				return false
			}
		}
	}
	return true
}

func TestWhateverHappensNodesAgreeAfterwards(t *testing.T) {
	for chance := range uint64(6) {
		t.Run(fmt.Sprint(chance), func(t *testing.T) {
			inBubble(t, chance, func(t *testing.T, w *world) {
				s := &script{
					world: w, random: rand.New(rand.NewPCG(chance, 1)),
					running: make(map[string]*process), epochs: make(map[string]uint64),
				}
				w.network.Drop(0.02)
				s.running[seed] = s.start(seed, 1, find)
				for range 40 {
					s.step()
				}
				w.network.Heal()
				for _, p := range s.running {
					w.network.Resume(p.host)
				}
				w.within(20*time.Second, "all agree", s.agreed)
				for name, p := range s.running {
					if err := p.failure(); err != nil {
						t.Errorf("%s failed: %v", name, err)
					}
				}
			})
		})
	}
}
