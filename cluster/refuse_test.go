package cluster_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"godwit/cluster"
)

// undisturbed runs something and fails the test when the given nodes publish
// anything meanwhile or within the minutes after it.
func undisturbed(w *world, nodes []*process, run func()) {
	w.t.Helper()
	time.Sleep(time.Minute)
	before := make([]uint64, len(nodes))
	for i, p := range nodes {
		before[i] = p.Topology().Version
	}
	run()
	time.Sleep(2 * time.Minute)
	for i, p := range nodes {
		if now := p.Topology(); now.Version != before[i] {
			w.t.Errorf("%s has published %d topologies meanwhile, now %s", p.name, now.Version-before[i], view(now))
		}
		if err := p.failure(); err != nil {
			w.t.Errorf("%s has failed: %v", p.name, err)
		}
	}
}

// secured gives a node a gossip key.
func secured(key string) func(*cluster.Config) {
	return func(c *cluster.Config) { c.Key = []byte(key) }
}

func TestForeignersAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*cluster.Config)
		want   cluster.ForeignError
		says   string
	}{
		{
			"another state store", func(c *cluster.Config) { c.Meta.ClusterID = "c2" },
			cluster.ForeignError{Field: cluster.FieldClusterID, Theirs: "c1", Ours: "c2"},
			"works on another state store (cluster c1, ours is c2): give all nodes the same --state-store",
		},
		{
			"another number of shards", func(c *cluster.Config) { c.Meta.Shards = 512 },
			cluster.ForeignError{Field: cluster.FieldShards, Theirs: "1024", Ours: "512"},
			"counts 1024 shards, this one 512",
		},
		{
			"older records", func(c *cluster.Config) { c.Meta.RecordFormat = 0 },
			cluster.ForeignError{Field: cluster.FieldRecordFormat, Theirs: "1", Ours: "0"},
			"upgrade godwit on this node",
		},
		{
			"newer records", func(c *cluster.Config) { c.Meta.RecordFormat = 2 },
			cluster.ForeignError{Field: cluster.FieldRecordFormat, Theirs: "1", Ours: "2"},
			"upgrade godwit on the other nodes first",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, 20, func(t *testing.T, w *world) {
				nodes := together(w, 4)
				undisturbed(w, nodes, func() {
					_, err := w.try("n9", 1, tc.change)
					var foreign *cluster.ForeignError
					if !errors.As(err, &foreign) {
						t.Fatalf("start: %v", err)
					}
					if foreign.Field != tc.want.Field || foreign.Theirs != tc.want.Theirs || foreign.Ours != tc.want.Ours {
						t.Errorf("got %+v", foreign)
					}
					if !strings.Contains(err.Error(), tc.says) {
						t.Errorf("it says %q, without %q", err, tc.says)
					}
				})
				for _, p := range nodes {
					if n := p.log.count("n9"); n > 1 {
						t.Errorf("%s says %d things of n9:\n%s", p.name, n, p.log)
					}
				}
			})
		})
	}
}

// TestForeignersThatMeetLaterStayApart: neither side could check the other when
// it started, and both have each other among their seeds.
func TestForeignersThatMeetLaterStayApart(t *testing.T) {
	inBubble(t, 21, func(t *testing.T, w *world) {
		w.network.Partition([]string{"10.0.0.2", "10.0.0.4"})
		ours := []*process{w.start("n1", 1), w.start("n3", 1)}
		other := func(c *cluster.Config) { c.Meta.ClusterID = "c2" }
		theirs := []*process{w.start("n2", 1, other), w.start("n4", 1, other)}
		w.within(convergence, "two clusters", func() bool { return all(ours, "n1 n3") && all(theirs, "n2 n4") })
		undisturbed(w, append(ours, theirs...), func() {
			w.network.Heal()
			time.Sleep(3 * time.Minute)
		})
		if n := ours[0].log.count("another state store"); n < 1 || n > 2*7 {
			t.Errorf("n1 says %d times that a node is foreign", n)
		}
	})
}

func TestWhoCannotBeUnderstoodIsRefused(t *testing.T) {
	const one, two = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	for _, tc := range []struct {
		name         string
		ours, theirs func(*cluster.Config)
	}{
		{"another key", secured(one), secured(two)},
		{"no key", secured(one), func(*cluster.Config) {}},
		{"a key that others lack", func(*cluster.Config) {}, secured(one)},
		{"another label", func(*cluster.Config) {}, func(c *cluster.Config) { c.Label = "other" }},
		{"another label and a key", secured(one), func(c *cluster.Config) { c.Label, c.Key = "other", []byte(one) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, 22, func(t *testing.T, w *world) {
				nodes := []*process{w.start("n1", 1, tc.ours), w.start("n2", 1, tc.ours), w.start("n3", 1, tc.ours)}
				w.within(convergence, "all see all", func() bool { return all(nodes, names(nodes)) })
				undisturbed(w, nodes, func() {
					_, err := w.try("n9", 1, tc.theirs)
					var unintelligible *cluster.UnintelligibleError
					if !errors.As(err, &unintelligible) {
						t.Fatalf("start: %v", err)
					}
					if !strings.Contains(err.Error(), "is the gossip key the same on all nodes") || !strings.HasPrefix(unintelligible.Seed, "10.0.0.") {
						t.Errorf("it says %q", err)
					}
					for _, key := range []string{one, two} {
						if strings.Contains(err.Error(), key) {
							t.Errorf("it says a key: %q", err)
						}
					}
				})
				for _, p := range nodes {
					if n := p.log.count("10.0.0.9"); n > 1 {
						t.Errorf("%s says %d things of n9:\n%s", p.name, n, p.log)
					}
				}
			})
		})
	}
}

func TestOffenderIsLoggedOnceAMinute(t *testing.T) {
	inBubble(t, 23, func(t *testing.T, w *world) {
		n1 := w.start("n1", 1, secured(strings.Repeat("k", 32)))
		w.network.Pause("10.0.0.1")
		w.start("n2", 1)
		w.network.Resume("10.0.0.1")
		time.Sleep(10 * time.Minute)
		if n := n1.log.count("10.0.0.2"); n < 5 || n > 11 {
			t.Errorf("n1 says %d things in ten minutes:\n%s", n, n1.log)
		}
	})
}

// TestSeedThatIsEnding: a seed may hang up because it is just ending.
func TestSeedThatIsEnding(t *testing.T) {
	inBubble(t, 24, func(t *testing.T, w *world) {
		listener, err := w.network.Listen("10.0.0.1:7482")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if conn, err := listener.Accept(); err == nil {
				listener.Close()
				conn.Close()
			}
		}()
		if n3 := w.start("n3", 1); view(n3.Topology()) != "n3" {
			t.Errorf("it sees %s", view(n3.Topology()))
		}
	})
}

func TestSeedThatSaysNothing(t *testing.T) {
	inBubble(t, 25, func(t *testing.T, w *world) {
		listener, err := w.network.Listen("10.0.0.1:7482")
		if err != nil {
			t.Fatal(err)
		}
		go serve(listener)
		began := time.Now()
		n3 := w.start("n3", 1)
		if took := time.Since(began); view(n3.Topology()) != "n3" || took > 4*time.Second {
			t.Errorf("it sees %s after %v", view(n3.Topology()), took)
		}
		listener.Close()
	})
}

func TestNameThatIsTaken(t *testing.T) {
	inBubble(t, 26, func(t *testing.T, w *world) {
		nodes := together(w, 5)
		undisturbed(w, nodes, func() {
			_, err := w.try("n3/33", 7)
			var taken *cluster.NameTakenError
			if !errors.As(err, &taken) || taken.Name != "n3" || taken.Addr != "10.0.0.3:7482" {
				t.Fatalf("start: %v", err)
			}
		})
	})
}

// TestNameTakenUnseen: two nodes of one name meet after both have started. The
// later epoch counts for everybody, and the other one fails.
func TestNameTakenUnseen(t *testing.T) {
	inBubble(t, 27, func(t *testing.T, w *world) {
		nodes := together(w, 4)
		w.network.Pause("10.0.0.3")
		old := nodes[2]
		nodes[2] = w.start("n3/33", 2)
		w.within(convergence, "the new life counts", func() bool { return seenAs(nodes, "n3", "n3.2") })
		w.network.Resume("10.0.0.3")
		var err error
		w.within(convergence, "the old life fails", func() bool { err = old.failure(); return err != nil })
		var taken *cluster.NameTakenError
		if !errors.As(err, &taken) || taken.Addr != "10.0.0.33:7482" {
			t.Errorf("it failed with %v", err)
		}
		undisturbed(w, nodes, func() { time.Sleep(time.Minute) })
		if !seenAs(nodes, "n3", "n3.2") {
			t.Errorf("n1 sees %s", view(nodes[0].Topology()))
		}
	})
}

func TestConfigurationIsChecked(t *testing.T) {
	inBubble(t, 28, func(t *testing.T, w *world) {
		for name, change := range map[string]func(*cluster.Config){
			"no name":        func(c *cluster.Config) { c.Name = "" },
			"a mark":         func(c *cluster.Config) { c.Name = "n@1" },
			"a slash":        func(c *cluster.Config) { c.Name = "n/1" },
			"a short key":    func(c *cluster.Config) { c.Key = []byte("short") },
			"a long label":   func(c *cluster.Config) { c.Label = strings.Repeat("l", 256) },
			"no port":        func(c *cluster.Config) { c.Seeds = []string{"10.0.0.1"} },
			"no number":      func(c *cluster.Config) { c.Seeds = []string{"10.0.0.1:http"} },
			"no advertising": func(c *cluster.Config) { c.AdvertiseAddr = "10.0.0.1" },
		} {
			if _, err := w.try("n1", 1, change); err == nil {
				t.Errorf("%s: it started", name)
			}
		}
		long := func(c *cluster.Config) { c.Meta.Version = string(bytes.Repeat([]byte("v"), 512)) }
		if _, err := w.try("n1", 1, long); !errors.Is(err, cluster.ErrMetaTooLong) {
			t.Errorf("a long version: %v", err)
		}
		n2 := w.start("n2", 1)
		meta := n2.meta
		meta.APIAddr = strings.Repeat("a", 500) + ":1"
		if err := n2.Update(meta); !errors.Is(err, cluster.ErrMetaTooLong) {
			t.Errorf("update to a long address: %v", err)
		}
		meta = n2.meta
		meta.Shards++
		if err := n2.Update(meta); err == nil {
			t.Error("the number of shards has changed")
		}
	})
}
