package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"godwit/bug"
)

// asked is the scenario that chaos/cmd/chaos wants to be put on.
var asked struct {
	name, store, folder string
	driver, bug         string
	nodes               int
	seed                uint64
	params              Params
}

func init() {
	flag.StringVar(&asked.name, "scenario.scenario", "", "the scenario to put on, for chaos/cmd/chaos")
	flag.StringVar(&asked.store, "scenario.store", "dir", "dir, mixed or s3")
	flag.StringVar(&asked.driver, "scenario.driver", "", "docker, or what the scenario needs")
	flag.StringVar(&asked.bug, "scenario.bug", "", "the seeded bug that nodes have, or none")
	flag.StringVar(&asked.folder, "scenario.folder", "", "where nodes work and log")
	flag.IntVar(&asked.nodes, "scenario.nodes", 3, "how many nodes")
	flag.Uint64Var(&asked.seed, "scenario.seed", 1, "seed of all decisions")
	asked.params.Register(flag.CommandLine, "scenario.")
}

// perform puts a scenario on. Its error says why it could not go on, or what
// promises were broken.
func perform(ctx context.Context, t testing.TB, name string, as staging) (Report, error) {
	t.Helper()
	s, err := FindScenario(name)
	if err != nil {
		t.Fatal(err)
	}
	as.params = as.params.WithDefaults()
	r, err := s.Run(ctx, stage(t, s, as), as.params)
	if errors.Is(err, ErrNotHere) {
		t.Skip(err)
	}
	if err != nil {
		r.Stopped = fmt.Errorf("%s: %w", name, err)
	}
	return r, r.Err()
}

// quick is how scenarios are put on in short runs: no more than the parts in
// flight, two of 5 MiB, may be fetched again after a fault.
func quick(t testing.TB, nodes int, store string) staging {
	return staging{nodes: nodes, store: store, seed: 1, folder: t.TempDir(), params: Params{
		Faults: 2, Transfers: 4, Size: 24 << 20, PartSize: 5 << 20, Connections: 2, Rate: 4 << 20, Waste: 12 << 20,
		Pauses: []time.Duration{time.Second}, Queued: 200, Running: 4,
	}}
}

// play is perform for short runs; it fails for every broken promise.
func play(t testing.TB, name string, as staging) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	r, err := perform(ctx, t, name, as)
	t.Log(r.String())
	if err != nil {
		t.Error(err)
	}
	if r.Writes == 0 || r.Transfers == 0 || r.Faults == 0 {
		t.Error("nothing was judged")
	}
}

func TestScenariosOnOneNode(t *testing.T) {
	for _, tc := range []struct{ name, store string }{
		{"kill", "dir"}, {"kill", "mixed"}, {"pause", "dir"}, {"restart-all", "mixed"},
	} {
		t.Run(tc.name+"/"+tc.store, func(t *testing.T) {
			t.Parallel()
			play(t, tc.name, quick(t, 1, tc.store))
		})
	}
}

// quickFaults are scenarios that need other than two faults to have done each of
// theirs.
var quickFaults = map[string]int{"complete": 5, "clock": 4, "poison": 5}

// quickNodes are scenarios of which each node is struck for itself, so that more of
// them would only take longer.
var quickNodes = map[string]int{"diskfull": 1, "poison": 1, "restore": 1, "restore-live": 1, "bitrot": 1, "fsync": 2, "limits": 2}

// TestScenarios puts every scenario on with few and short faults.
func TestScenarios(t *testing.T) {
	for _, s := range Scenarios {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			store := "mixed"
			if s.Network || s.Name == "bitrot" {
				store = "dir" // the only one that all networks reach, and whose results are files
			}
			nodes, ok := quickNodes[s.Name]
			if !ok {
				nodes = 3
			}
			as := quick(t, max(s.Least, nodes), store)
			if few, ok := quickFaults[s.Name]; ok {
				as.params.Faults = few
			}
			if s.Name == "torture" {
				as.params.Every = 15
			}
			play(t, s.Name, as)
		})
	}
}

// TestAskedScenario is what chaos/cmd/chaos runs.
func TestAskedScenario(t *testing.T) {
	if asked.name == "" {
		t.Skip("go run ./chaos/cmd/chaos runs it")
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	r, err := perform(ctx, t, asked.name, staging{
		nodes: asked.nodes, bug: bug.Bug(asked.bug), store: asked.store, driver: asked.driver, seed: asked.seed, folder: asked.folder, params: asked.params,
		logf: func(format string, args ...any) {
			fmt.Fprintf(os.Stderr, "%7.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
		},
	})
	fmt.Print(r.String())
	if err != nil {
		t.Fail()
		fmt.Fprintln(os.Stderr, err)
	}
}
