package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

const (
	// allShards is how many there are in a cluster, all nodes together.
	allShards = 1024
	// lookPause is how long the demo waits before it asks the nodes again how
	// they share the work.
	lookPause = 50 * time.Millisecond
)

// demoCluster are the nodes of a demo: processes on one state store and one
// folder for files.
type demoCluster struct {
	program string
	folders demoFolders
	// nodes are the processes that were started, the latest one of each name.
	nodes []*demoNode
}

// start runs n nodes, n1 to n9 at most, and returns when they share all work.
func (c *demoCluster) start(ctx context.Context, n int) error {
	if err := c.launch(ctx, 1, ""); err != nil {
		return err
	}
	if err := c.nodes[0].await(ctx); err != nil || n == 1 {
		return err
	}
	seed, err := c.gossipAddr(ctx)
	if err != nil {
		return err
	}
	for i := 2; i <= n; i++ {
		if err := c.launch(ctx, i, seed); err != nil {
			return err
		}
	}
	for _, node := range c.nodes[1:] {
		if err := node.await(ctx); err != nil {
			return err
		}
	}
	return c.settle(ctx)
}

func (c *demoCluster) launch(ctx context.Context, n int, join string) error {
	node, err := launchDemoNode(ctx, c.program, fmt.Sprintf("n%d", n), c.folders, join)
	if err == nil {
		c.nodes = append(c.nodes, node)
	}
	return err
}

// restart runs a node that is alone again.
func (c *demoCluster) restart(ctx context.Context) error {
	c.close()
	c.nodes = nil
	return c.start(ctx, 1)
}

// gossipAddr is the address that others join the first node at: it chose the
// port itself.
func (c *demoCluster) gossipAddr(ctx context.Context) (string, error) {
	api, err := clientOf(c.nodes[0].url)
	if err != nil {
		return "", err
	}
	found, err := api.Nodes(ctx)
	if err != nil {
		return "", err
	}
	for _, n := range found {
		if n.GetName() == c.nodes[0].name && n.GetGossipAddr() != "" {
			return n.GetGossipAddr(), nil
		}
	}
	return "", &failure{code: codeDemo, message: "node " + c.nodes[0].name + " does not say where others can join it"}
}

// settle waits until all nodes say twice in a row that they share all work in
// the same way: from then on nothing changes hands for its own sake.
func (c *demoCluster) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, errNotTogether)
	defer cancel()
	return c.attend(ctx, func(ctx context.Context) error {
		apis, err := c.clients()
		if err != nil {
			return err
		}
		var before, now string
		for before == "" || now != before {
			before = now
			if now, err = look(ctx, apis); err != nil {
				return err
			}
			if err := rest(ctx, lookPause); err != nil {
				return err
			}
		}
		return nil
	})
}

var errNotTogether = &failure{code: codeDemo, message: fmt.Sprintf("the nodes were not one cluster after %s", startPatience)}

// look asks each node how the work is shared, and returns what all of them say,
// or "" while they do not agree or some of it is nobody's.
func look(ctx context.Context, apis []*client.Client) (string, error) {
	common := ""
	for i, api := range apis {
		found, err := api.Nodes(ctx)
		if err != nil {
			return "", err
		}
		share := shareOfWork(found, len(apis))
		if share == "" || i > 0 && share != common {
			return "", nil
		}
		common = share
	}
	return common, nil
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shareOfWork says who has how much, or "" unless n nodes are alive that each
// have something and together have all.
func shareOfWork(nodes []*pb.Node, n int) string {
	var all int32
	var parts []string
	for _, node := range nodes {
		if node.GetState() != pb.Node_ALIVE || node.GetShards() == 0 {
			return ""
		}
		all += node.GetShards()
		parts = append(parts, fmt.Sprintf("%s %d", node.GetName(), node.GetShards()))
	}
	if len(nodes) != n || all != allShards {
		return ""
	}
	return strings.Join(parts, ", ")
}

// clients are one for each node, which speaks to that one only.
func (c *demoCluster) clients() ([]*client.Client, error) {
	var apis []*client.Client
	for _, n := range c.nodes {
		api, err := clientOf(n.url)
		if err != nil {
			return nil, err
		}
		apis = append(apis, api)
	}
	return apis, nil
}

func clientOf(servers ...string) (*client.Client, error) {
	return client.New(client.Config{Servers: servers})
}

// servers are the addresses of all nodes, that of the named one first.
func (c *demoCluster) servers(first string) []string {
	var urls []string
	for _, n := range c.nodes {
		if n.name == first {
			urls = append([]string{n.url}, urls...)
		} else {
			urls = append(urls, n.url)
		}
	}
	return urls
}

// node returns the one of that name, nil if there is none.
func (c *demoCluster) node(name string) *demoNode {
	for _, n := range c.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// title is what to call all nodes: "n1 (pid 17) and n2 (pid 18)".
func (c *demoCluster) title() string {
	var names []string
	for _, n := range c.nodes {
		names = append(names, fmt.Sprintf("%s (pid %d)", n.name, n.pid()))
	}
	return enumerate(names)
}

// attend does something with the nodes. When one of them ends by itself, that is
// the error, with what the node said last.
func (c *demoCluster) attend(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, n := range c.nodes {
		go func() {
			select {
			case <-n.gone:
				if !n.killed.Load() {
					cancel(n.explain("ended by itself"))
				}
			case <-ctx.Done():
			}
		}()
	}
	err := do(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// close ends all processes.
func (c *demoCluster) close() {
	for _, n := range c.nodes {
		n.kill()
	}
}
