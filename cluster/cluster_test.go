package cluster_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"godwit/cluster"
)

// convergence is how long gossip may take, in virtual time, to tell everybody
// something new.
const convergence = 10 * time.Second

// together starts n nodes and waits until they see each other.
func together(w *world, n int) []*process {
	w.t.Helper()
	nodes := w.startMany(n)
	w.within(convergence, "all see all", func() bool { return all(nodes, names(nodes)) })
	return nodes
}

func TestTwentyNodesConverge(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		nodes := together(w, 20)
		self := nodes[6].member("n7")
		want := cluster.Member{
			Name: "n7", Incarnation: "n7.1", Epoch: 1, APIAddr: "10.0.0.7:7480", RemoteAddr: "10.0.0.7:7481",
			GossipAddr: "10.0.0.7:7482", Version: "1.2.3", Weight: 1, State: cluster.StateAlive,
		}
		if other := nodes[19].member("n7"); self != want || other != want {
			t.Errorf("n7 sees itself as\n%+v and n20 sees it as\n%+v, not as\n%+v", self, other, want)
		}
	})
}

func TestConvergesThoughPacketsAreLost(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, w *world) {
		w.network.Drop(0.2)
		nodes := together(w, 10)
		time.Sleep(time.Minute)
		w.within(convergence, "nobody is given up", func() bool { return all(nodes, names(nodes)) })
	})
}

func TestStartsAloneAndFindsTheOthers(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, w *world) {
		n3 := w.start("n3", 1)
		if got := view(n3.Topology()); got != "n3" {
			t.Fatalf("n3 sees %s when it starts alone", got)
		}
		n4 := w.start("n4", 1)
		time.Sleep(time.Minute)
		n1 := w.start("n1", 1)
		w.within(convergence, "three see each other", func() bool { return all([]*process{n1, n3, n4}, "n1 n3 n4") })
	})
}

func TestTopologiesAreValues(t *testing.T) {
	inBubble(t, 4, func(t *testing.T, w *world) {
		nodes := together(w, 5)
		w.crash(nodes[4])
		w.within(convergence, "n5 is dead", func() bool { return nodes[0].member("n5").Gone })
		time.Sleep(time.Minute)
		history := nodes[0].history()
		if got := view(history[0]); history[0].Version != 1 {
			t.Errorf("the first topology is %s, version %d", got, history[0].Version)
		}
		for i, topology := range history {
			if !slices.IsSortedFunc(topology.Members, func(a, b cluster.Member) int { return strings.Compare(a.Name, b.Name) }) {
				t.Errorf("members are not ordered: %s", view(topology))
			}
			if i > 0 && (topology.Version <= history[i-1].Version || slices.Equal(topology.Members, history[i-1].Members)) {
				t.Errorf("version %d, %s, was published after %d, %s", topology.Version, view(topology), history[i-1].Version, view(history[i-1]))
			}
		}
		if last := history[len(history)-1]; view(last) != view(nodes[0].Topology()) {
			t.Errorf("the latest topology was not published: %s", view(last))
		}
	})
}

func TestCrashIsSeenAtOnce(t *testing.T) {
	inBubble(t, 5, func(t *testing.T, w *world) {
		nodes := together(w, 5)
		rest := nodes[:4]
		time.Sleep(time.Second) // for the witnesses to connect
		w.crash(nodes[4])
		w.within(500*time.Millisecond, "n5 is gone", func() bool { return all(rest, "n1 n2 n3 n4 n5:DEAD,gone") })
		time.Sleep(11 * time.Minute)
		w.within(convergence, "n5 is forgotten", func() bool { return all(rest, "n1 n2 n3 n4") })
	})
}

// TestCrashBeforeTheWitnessCame: one that no witness ever met is asked by gossip
// before a port that refuses proves anything.
func TestCrashBeforeTheWitnessCame(t *testing.T) {
	inBubble(t, 15, func(t *testing.T, w *world) {
		nodes := w.startMany(5)
		w.within(convergence, "n1 sees n5", func() bool { return nodes[0].member("n5").Name != "" })
		w.crash(nodes[4])
		w.within(2*time.Second, "n5 is gone", func() bool { return nodes[0].member("n5").Gone })
	})
}

func TestHostThatVanishesIsDeadButNotGone(t *testing.T) {
	inBubble(t, 6, func(t *testing.T, w *world) {
		nodes := together(w, 5)
		rest := nodes[:4]
		w.network.Pause(nodes[4].host)
		took := w.within(8*time.Second, "n5 is dead", func() bool { return all(rest, "n1 n2 n3 n4 n5:DEAD") })
		t.Logf("a host that vanished was dead for all after %v", took)
		w.crash(nodes[4])
		time.Sleep(time.Minute)
		if !all(rest, "n1 n2 n3 n4 n5:DEAD") {
			t.Errorf("a host that cannot be reached is %s", view(rest[0].Topology()))
		}
		w.network.Resume(nodes[4].host)
		w.within(convergence, "its port refuses", func() bool { return all(rest, "n1 n2 n3 n4 n5:DEAD,gone") })
	})
}

func TestPartitionHeals(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lasts time.Duration
	}{
		{"before gossip gives up", 2 * time.Second},
		{"before the dead are forgotten", 10 * time.Second},
		{"just as they are", 30 * time.Second},
		{"long after", 90 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, 7, func(t *testing.T, w *world) {
				nodes := together(w, 20)
				w.network.Partition(hosts(nodes[:10]))
				time.Sleep(tc.lasts)
				if tc.lasts >= 30*time.Second {
					for _, p := range nodes {
						if got := strings.Count(view(p.Topology()), "DEAD"); got != 10 {
							t.Errorf("%s sees %s", p.name, view(p.Topology()))
						}
					}
				}
				w.network.Heal()
				took := w.within(convergence, "all see all", func() bool { return all(nodes, names(nodes)) })
				t.Logf("healed in %v", took)
			})
		})
	}
}

func TestPausedNodeReturns(t *testing.T) {
	for _, lasts := range []time.Duration{3 * time.Second, 20 * time.Second, 2 * time.Minute} {
		t.Run(lasts.String(), func(t *testing.T) {
			inBubble(t, 8, func(t *testing.T, w *world) {
				nodes := together(w, 7)
				w.network.Pause(nodes[3].host)
				time.Sleep(lasts)
				w.network.Resume(nodes[3].host)
				w.within(convergence, "all see all", func() bool { return all(nodes, names(nodes)) })
				if err := nodes[3].failure(); err != nil {
					t.Errorf("it failed: %v", err)
				}
			})
		})
	}
}

func TestWhatANodeSaysChanges(t *testing.T) {
	inBubble(t, 9, func(t *testing.T, w *world) {
		nodes := together(w, 5)
		meta := nodes[2].meta
		meta.Draining, meta.Weight = true, 3
		if err := nodes[2].Update(meta); err != nil {
			t.Fatal(err)
		}
		w.within(convergence, "n3 drains", func() bool { return all(nodes, "n1 n2 n3:DRAINING n4 n5") })
		if got := nodes[0].member("n3"); !got.Draining || got.Weight != 3 {
			t.Errorf("n1 sees %+v", got)
		}
		meta.Draining, meta.Cordoned, meta.Held = false, true, true
		if err := nodes[2].Update(meta); err != nil {
			t.Fatal(err)
		}
		w.within(convergence, "n3 is cordoned and held", func() bool {
			got := nodes[0].member("n3")
			return got.Cordoned && got.Held && got.State == cluster.StateAlive
		})
	})
}

func TestNodeComesBackWithANewEpoch(t *testing.T) {
	inBubble(t, 10, func(t *testing.T, w *world) {
		nodes := together(w, 5)
		meta := nodes[2].meta
		meta.Incarnation, meta.Epoch = "n3.2", 2
		if err := nodes[2].Update(meta); err != nil {
			t.Fatal(err)
		}
		w.within(convergence, "all see the new incarnation", func() bool { return seenAs(nodes, "n3", "n3.2") })
		if !all(nodes, names(nodes)) {
			t.Errorf("n1 sees %s", view(nodes[0].Topology()))
		}
	})
}

// seenAs tells whether all nodes see a member alive under an incarnation.
func seenAs(nodes []*process, name, incarnation string) bool {
	for _, p := range nodes {
		if m := p.member(name); m.Incarnation != incarnation || m.State != cluster.StateAlive || m.Gone {
			return false
		}
	}
	return true
}

func TestRestart(t *testing.T) {
	for _, tc := range []struct{ name, where string }{
		{"at the same address", "n3"},
		{"at another address", "n3/33"},
	} {
		for _, after := range []time.Duration{0, 200 * time.Millisecond, time.Minute} {
			t.Run(tc.name+" after "+after.String(), func(t *testing.T) {
				inBubble(t, 11, func(t *testing.T, w *world) {
					nodes := together(w, 5)
					w.crash(nodes[2])
					time.Sleep(after)
					nodes[2] = w.start(tc.where, 2)
					took := w.within(3*time.Second, "all see the new life", func() bool { return seenAs(nodes, "n3", "n3.2") })
					t.Logf("seen after %v", took)
					since := nodes[0].Topology().Version
					time.Sleep(2 * time.Minute)
					if !seenAs(nodes, "n3", "n3.2") || nodes[2].failure() != nil {
						t.Errorf("n1 sees %s", view(nodes[0].Topology()))
					}
					if now := nodes[0].Topology(); now.Version > since+1 {
						t.Errorf("news of the old life came through: %d topologies, now %s", now.Version-since, view(now))
					}
				})
			})
		}
	}
}

func TestLeavingInGoodOrder(t *testing.T) {
	inBubble(t, 12, func(t *testing.T, w *world) {
		nodes := together(w, 6)
		rest := nodes[:5]
		began := time.Now()
		if err := nodes[5].Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("leaving took %v", time.Since(began))
		w.crash(nodes[5])
		w.within(200*time.Millisecond, "n6 is absent", func() bool { return all(rest, names(rest)) })
		time.Sleep(2 * time.Minute)
		for _, p := range rest {
			for _, topology := range p.history() {
				if strings.Contains(view(topology), "DEAD") || strings.Contains(view(topology), "SUSPECT") {
					t.Errorf("%s saw %s", p.name, view(topology))
				}
			}
			if view(p.Topology()) != names(rest) {
				t.Errorf("%s sees %s", p.name, view(p.Topology()))
			}
		}
		nodes[5] = w.start("n6", 2)
		w.within(convergence, "n6 is back", func() bool { return all(nodes, names(nodes)) })
	})
}

func TestEndingTwice(t *testing.T) {
	inBubble(t, 13, func(t *testing.T, w *world) {
		nodes := together(w, 3)
		n3 := nodes[2]
		for range 2 {
			if err := n3.Leave(t.Context()); err != nil {
				t.Errorf("leave: %v", err)
			}
		}
		if err := n3.Update(n3.meta); !errors.Is(err, cluster.ErrClosed) {
			t.Errorf("update after leaving: %v", err)
		}
		w.crash(n3)
		n2 := nodes[1]
		w.crash(n2)
		for range 2 {
			if err := n2.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if err := n2.Leave(t.Context()); err != nil {
				t.Errorf("leave after close: %v", err)
			}
		}
		if err := n2.Update(n2.meta); !errors.Is(err, cluster.ErrClosed) {
			t.Errorf("update after closing: %v", err)
		}
	})
}

// TestUpdateWhileLeaving: a callback that updates does not keep Leave waiting.
func TestUpdateWhileLeaving(t *testing.T) {
	inBubble(t, 14, func(t *testing.T, w *world) {
		started, late := make(chan *process, 1), make(chan error, 1)
		var once sync.Once
		n1 := w.start("n1", 1, func(c *cluster.Config) {
			c.OnTopology = func(cluster.Topology) {
				once.Do(func() {
					self := <-started
					time.Sleep(time.Second)
					late <- self.Update(self.meta)
				})
			}
		})
		started <- n1
		if err := n1.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-late; !errors.Is(err, cluster.ErrClosed) {
			t.Errorf("update while leaving: %v", err)
		}
	})
}
