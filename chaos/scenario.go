package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// most is how many bytes all transfers of a run may have on disk at a time:
// nodes reserve room for what runs, and the machine may be shared.
const most = 2 << 30

// ErrNotHere tells why a scenario cannot be put on on this machine.
var ErrNotHere = errors.New("this cannot be done here")

// Check refuses to fill the machine's disk.
func (p Params) Check() error {
	if volume := max(int64(p.Transfers)*p.Size, int64(p.Running)*scaleSize); volume > most {
		return fmt.Errorf("these transfers may take %d MiB, at most %d are allowed: ask for fewer or smaller ones", volume/mib, most/mib)
	}
	return nil
}

// Content describes an origin that a scenario wants.
type Content struct {
	Size, Rate int64
	// Latency passes before each answer.
	Latency time.Duration
}

// Scenario is one way to make a cluster's life hard.
type Scenario struct {
	Name, About string
	// Least is how many nodes it needs.
	Least int
	// Network tells that nodes must be held apart.
	Network bool
	// Own tells that it starts its own nodes, over state in S3.
	Own bool
	// Uploads tells that it wants far sides for uploads.
	Uploads bool
	// Contents are the origins that it wants; nil takes several sizes.
	Contents func(Params) []Content
	// Args are more arguments of the nodes; nil is none.
	Args func(Params) []string
	// Run returns an error when it could not go on. Broken promises are in the
	// report.
	Run func(context.Context, *Cluster, Params) (Report, error)
}

// Scenarios are all there are.
var Scenarios = []Scenario{
	{Name: "kill", About: "kill -9 a node that runs transfers, again and again, and restart it", Least: 1, Run: runKill},
	{Name: "pause", About: "stop such a node for a while, as a hanging machine, and let it go on", Least: 1, Run: runPause},
	{Name: "drain", About: "drain a node under load while the API of all others is used", Least: 2, Run: runDrain},
	{Name: "restart-all", About: "kill all nodes at once and restart them in random order", Least: 1, Run: runRestartAll},
	{Name: "join", About: "add nodes under load and count what moves", Least: 2, Run: runJoin},
	{Name: "partition", About: "cut a node off from the others, both ways or one, and heal", Least: 3, Network: true, Run: runPartition},
	{
		Name: "complete", About: "kill a node at each step between the last member of a completion group and the delivered task", Least: 3,
		Contents: completeContents, Run: runComplete,
	},
	{Name: "upload", About: "kill the node that sends an upload after 5, 50 and 95 percent, by every protocol", Least: 3, Uploads: true, Contents: noContents, Run: runUpload},
	{Name: "group", About: "kill nodes under a serialized transfer group, whose members run one at a time and in order", Least: 3, Run: runGroup},
	{
		Name: "scale", About: "kill a node that holds 100,000 queued and 50 running transfers", Least: 2,
		Contents: scaleContents, Args: scaleArgs, Run: runScale,
	},
	{
		Name: "torture", About: "fail each call of one node to store, origins, far side and receiver, in three ways", Own: true,
		Uploads: true, Contents: tortureContents, Run: runTorture,
	},
	{Name: "clock", About: "set the clock of a node to another year or hour while it runs transfers, and back", Least: 1, Run: runClock},
	{Name: "diskfull", About: "fill the disk of results, and that of the state, and make room again", Least: 1, Run: runDiskFull},
	{Name: "poison", About: "spoil the record of one transfer, in five ways, and kill all nodes", Least: 1, Run: runPoison},
	{Name: "upgrade", About: "replace node after node by a later version that writes unknown fields, and back", Least: 1, Run: runUpgrade},
	{Name: "restore", About: "put an older copy of the state in place between two lives of all nodes", Least: 1, Run: runRestore},
	{Name: "restore-live", About: "put an older copy of the state in place while nodes run, and restart them", Least: 1, Run: runRestoreLive},
	{Name: "fsync", About: "have every call of a node fail or take long that makes writes durable", Least: 1, Run: runFsync},
	{Name: "limits", About: "run hundreds of transfers with few file descriptors, and with little memory", Least: 1, Contents: limitContents, Run: runLimits},
	{Name: "bitrot", About: "change bytes of unfinished files while all nodes are dead", Least: 1, Run: runBitrot},
}

// FindScenario returns the scenario of that name.
func FindScenario(name string) (Scenario, error) {
	var names []string
	for _, s := range Scenarios {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("no scenario has the name %q, these do: %s", name, strings.Join(names, ", "))
}

// Origins are the contents that it wants.
func (s Scenario) Origins(p Params) []Content {
	if s.Contents != nil {
		return s.Contents(p)
	}
	var all []Content
	for share := int64(1); share <= 4; share++ {
		// Sizes that are no multiple of anything.
		all = append(all, Content{Size: p.Size*share/4 - 1000*share - 7, Rate: p.Rate})
	}
	return all
}

// Arguments are the arguments that it wants nodes to have.
func (s Scenario) Arguments(p Params) []string {
	if s.Args == nil {
		return nil
	}
	return s.Args(p)
}

// run is the part that scenarios have in common: faults until there were
// enough, then the verdict.
func (c *Cluster) run(ctx context.Context, name string, p Params, fault func(ctx context.Context, r *Report, i int) error) (Report, error) {
	r := Report{Scenario: fmt.Sprintf("%s, %d nodes, store %s", name, c.opts.Nodes, c.opts.Store.Name), Seed: c.opts.Seed}
	began := time.Now()
	for r.Faults < p.Faults && (p.Duration == 0 || time.Since(began) < p.Duration) {
		if err := c.TopUp(ctx, p, &r); err != nil {
			return r, err
		}
		// Not always at the same point of the transfers' lives, if there are any.
		if p.Transfers > 0 {
			if err := idle(ctx, time.Duration(c.dice.Int64N(int64(1500*time.Millisecond)))); err != nil {
				return r, err
			}
		}
		switch err := fault(ctx, &r, r.Faults); {
		case errors.Is(err, errNothingRuns) && ctx.Err() == nil:
			continue // all had ended
		case err != nil:
			return r, err
		}
		r.Faults++
	}
	c.Logf("%d faults were injected, transfers finish", r.Faults)
	c.Judge(ctx, p, &r)
	r.Took = time.Since(began)
	return r, ctx.Err()
}
