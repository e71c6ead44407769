package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// fewFiles is how many file descriptors a node may have, crowd how many idle
	// connections to its API are held open beside its work.
	fewFiles, crowd = 128, 160
	// littleMemory is how many bytes a node may have.
	littleMemory = 256 << 20
	// mostLimited is how many transfers are enough, however many are asked for.
	mostLimited = 500
	// restFor is how long a node that has nothing to do is watched, and restCPU
	// how much of it may be work.
	restFor, restCPU = 4 * time.Second, 2 * time.Second
)

// limitContents are small: many transfers are to run, not many bytes.
func limitContents(p Params) []Content {
	return []Content{{Size: 40_001, Rate: p.Rate}, {Size: 300_007, Rate: p.Rate}, {Size: 900_001, Rate: p.Rate}}
}

// runLimits has nodes do with few file descriptors and then with little memory,
// while hundreds of transfers wait for them. No node may end, all transfers
// complete, and a node that has nothing to do does nothing.
func runLimits(ctx context.Context, c *Cluster, p Params) (Report, error) {
	if _, err := exec.LookPath("prlimit"); err != nil {
		return Report{}, fmt.Errorf("%w: there is no prlimit command (util-linux)", ErrNotHere)
	}
	group, err := newMemoryGroup()
	if err != nil {
		c.Logf("memory is limited by GOMEMLIMIT only: %v", err)
	}
	defer func() {
		c.Close()
		group.remove()
	}()
	many := min(p.Queued, mostLimited)
	p.Transfers = 0
	c.explained = append(c.explained, "too many open files")
	return c.run(ctx, "limits", p, func(ctx context.Context, r *Report, i int) error {
		files := i%2 == 0
		c.Logf("limit %d: %d transfers on nodes with few files %v, with little memory %v", i+1, many, files, !files)
		for _, n := range c.Nodes() {
			n.Kill()
			wrap := []string{"prlimit", fmt.Sprintf("--nofile=%d:%d", fewFiles, fewFiles)}
			if !files {
				wrap = group.command()
			}
			n.wrap = wrap
		}
		if err := c.each(ctx, c.Nodes(), (*Node).Start); err != nil {
			return err
		}
		return c.crowded(ctx, many, files, p, r)
	})
}

// crowded submits transfers, keeps connections open meanwhile if files are few, and
// waits for the end of all.
func (c *Cluster) crowded(ctx context.Context, many int, files bool, p Params, r *Report) error {
	var g errgroup.Group
	g.SetLimit(submitters)
	for i := range many {
		if files && i == many/2 {
			c.crowd(ctx)
		}
		j := c.NewJob()
		g.Go(func() error { return c.Submit(ctx, j, p) })
		if files && i == many/2+submitters {
			if err := idle(ctx, 2*time.Second); err != nil {
				return err
			}
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	patient, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	last, err := c.Await(patient)
	if err != nil {
		r.Violate("with a limit: %v", err)
	}
	c.harvest(last, r)
	for _, n := range c.Nodes() {
		if !n.Live() {
			r.Violate("%s ended because of a limit:\n%s", n.Name, n.Tail())
			continue
		}
		now, most, err := n.Memory()
		if err != nil {
			return err
		}
		c.Logf("%s has %d MiB, at most it had %d MiB", n.Name, now/mib, most/mib)
		worked, err := n.cpu()
		if err == nil {
			err = idle(ctx, restFor)
		}
		if err != nil {
			return err
		}
		after, err := n.cpu()
		if err != nil {
			return err
		}
		if after-worked > restCPU {
			r.Violate("%s has nothing to do and worked %v of %v", n.Name, after-worked, restFor)
		}
	}
	return nil
}

// crowd opens connections to all nodes that never say anything, and gives them
// up after a while: a node that could accept no more then serves again.
func (c *Cluster) crowd(ctx context.Context) {
	var held []net.Conn
	for _, n := range c.Nodes() {
		for range crowd {
			conn, err := net.DialTimeout("tcp", n.API, time.Second)
			if err != nil {
				break // the node takes no more
			}
			held = append(held, conn)
		}
	}
	c.Logf("%d connections are held open", len(held))
	go func() {
		_ = idle(ctx, 3*time.Second) // whatever ends it
		for _, conn := range held {
			_ = conn.Close() // nothing was sent
		}
	}()
}

// cpu is how much processor time a node has used.
func (n *Node) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.process().Pid()))
	if err != nil {
		return 0, fmt.Errorf("processor time of %s: %w", n.Name, err)
	}
	// The name, in parentheses, may have spaces.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0, fmt.Errorf("processor time of %s: %w", n.Name, err)
	}
	return time.Duration(user+system) * (time.Second / 100), nil // USER_HZ
}

// memoryGroup is a control group of the kernel for the memory of all nodes together;
// the zero value is none.
type memoryGroup struct{ folder, limit string }

// newMemoryGroup makes a control group, of either version.
func newMemoryGroup() (memoryGroup, error) {
	if os.Geteuid() != 0 {
		return memoryGroup{}, errors.New("only root makes control groups")
	}
	for _, g := range []memoryGroup{
		{folder: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes"},
		{folder: "/sys/fs/cgroup", limit: "memory.max"},
	} {
		folder, err := os.MkdirTemp(g.folder, "godwit-chaos-")
		if err != nil {
			continue
		}
		g.folder = folder
		if os.WriteFile(filepath.Join(folder, g.limit), fmt.Appendln(nil, nodesLimited*littleMemory), 0o600) == nil {
			return g, nil
		}
		g.remove()
	}
	return memoryGroup{}, errors.New("no control group for memory can be made")
}

// nodesLimited is how many nodes share the control group.
const nodesLimited = 3

// command runs a node in the group.
func (g memoryGroup) command() []string {
	limit := fmt.Sprintf("GOMEMLIMIT=%d", littleMemory*8/10)
	if g.folder == "" {
		return []string{"env", limit}
	}
	return []string{"env", limit, "sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, g.folder}
}

// remove takes the group away; its processes must have ended.
func (g memoryGroup) remove() {
	if g.folder != "" {
		_ = os.Remove(g.folder) // the kernel removes it when it can
	}
}
