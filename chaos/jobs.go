package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

// submitters is how many transfers are submitted at the same time.
const submitters = 8

// pageSize is how many transfers are asked for at once, the most that the API
// allows.
const pageSize = 1000

// Job is a transfer that a cluster has accepted.
type Job struct {
	ID     string
	Origin Origin
	// Group is the transfer group that it queues in, Completion the completion group
	// that waits for it; "" is none.
	Group, Completion string
	// Idle tells that it waits to be started.
	Idle bool
	// Hits counts the faults that struck a node which was running it.
	Hits int
	// verified tells that its result was right and was removed, condemned that
	// it was wrong.
	verified, condemned bool
}

// Path is where its origin serves it.
func (j *Job) Path() string { return "/" + j.ID }

// served is how many bytes its origin has sent.
func (j *Job) served() int64 { return j.Origin.PathBytes(j.Path()) }

// Submit creates a transfer at a random live node, and again at another one
// until it is accepted.
func (c *Cluster) Submit(ctx context.Context, j *Job, p Params) error {
	_, err := insist(ctx, c, "submit "+j.ID, func(ctx context.Context, n *Node) (*pb.Transfer, error) {
		return n.Create(ctx, c.request(j, p), !j.Idle)
	})
	if err == nil {
		c.accept(j)
	}
	return err
}

func (c *Cluster) request(j *Job, p Params) *pb.Transfer {
	return &pb.Transfer{
		Id: j.ID, Source: &pb.Endpoint{Url: j.Origin.URL(j.Path())},
		Destination: &pb.Endpoint{Url: c.opts.Store.Destination(j.ID)},
		PartSize:    p.PartSize, Connections: int32(p.Connections),
		Group: j.Group, CompletionGroup: j.Completion,
	}
}

// accept remembers an accepted transfer.
func (c *Cluster) accept(j *Job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs[j.ID] = j
}

// NewJob makes the next transfer, from a random origin.
func (c *Cluster) NewJob() *Job {
	origin := c.opts.Origins[c.dice.IntN(len(c.opts.Origins))]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	return &Job{ID: fmt.Sprintf("t%05d", c.last), Origin: origin}
}

// Jobs are the accepted transfers, by id.
func (c *Cluster) Jobs() map[string]*Job {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.jobs)
}

// TopUp submits transfers until so many are not terminal. What is completed is
// judged and removed, so that a long run does not fill the disk.
func (c *Cluster) TopUp(ctx context.Context, p Params, r *Report) error {
	now, err := c.Transfers(ctx)
	if err != nil {
		return err
	}
	c.harvest(now, r)
	unfinished := 0
	for id := range c.Jobs() {
		if t := now[id]; t == nil || !client.Terminal(t.GetStatus()) {
			unfinished++
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(submitters)
	for ; unfinished < p.Transfers; unfinished++ {
		j := c.NewJob()
		g.Go(func() error { return c.Submit(ctx, j, p) })
	}
	return g.Wait()
}

// Transfers asks live nodes for all transfers until one answers.
func (c *Cluster) Transfers(ctx context.Context) (map[string]*pb.Transfer, error) {
	for {
		found, err := anywhere(ctx, c, func(ctx context.Context, n *Node) (map[string]*pb.Transfer, error) {
			found := map[string]*pb.Transfer{}
			for t, err := range n.List(ctx, &pb.ListTransfersRequest{PageSize: pageSize}) {
				if err != nil {
					return nil, err
				}
				found[t.GetId()] = t
			}
			return found, nil
		})
		if err == nil {
			return found, nil
		}
		if idle(ctx, 5*glance) != nil {
			return nil, fmt.Errorf("list transfers: %w", err)
		}
	}
}

// Get asks live nodes for one transfer, each once at most.
func (c *Cluster) Get(ctx context.Context, id string) (*pb.Transfer, error) {
	return anywhere(ctx, c, func(ctx context.Context, n *Node) (*pb.Transfer, error) { return n.Get(ctx, id) })
}

// Owner is the node that owns a transfer, as any live node says, or nil.
func (c *Cluster) Owner(ctx context.Context, id string) (*Node, error) {
	t, err := c.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.Node(t.GetOwner().GetNode()), nil
}

// Await returns all accepted transfers when they are terminal. Its error tells
// which are not.
func (c *Cluster) Await(ctx context.Context) (map[string]*pb.Transfer, error) {
	var now map[string]*pb.Transfer
	for {
		found, err := c.Transfers(ctx)
		if err == nil {
			now = found
		}
		open := c.unfinished(now)
		if len(open) == 0 {
			return now, nil
		}
		if waited := idle(ctx, 5*glance); waited != nil {
			return now, fmt.Errorf("%d transfers do not end (%w): %s", len(open), waited, strings.Join(open[:min(len(open), 10)], "; "))
		}
	}
}

// unfinished describes the accepted transfers that are not terminal.
func (c *Cluster) unfinished(now map[string]*pb.Transfer) []string {
	var open []string
	for _, id := range slices.Sorted(maps.Keys(c.Jobs())) {
		t := now[id]
		switch {
		case t == nil:
			open = append(open, id+" is not listed")
		case !client.Terminal(t.GetStatus()):
			open = append(open, fmt.Sprintf("%s is %v at %s since %v, %d of %d bytes, %s", id, t.GetStatus(), t.GetOwner().GetNode(),
				t.GetUpdateTime().AsTime().Format(time.TimeOnly), t.GetProgress().GetBytesDone(), t.GetProgress().GetBytesTotal(),
				t.GetError().GetMessage()))
		}
	}
	return open
}

// digest reads a result.
func (c *Cluster) digest(name string) (sum string, size int64, err error) {
	f, err := c.opts.Store.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	return digestReader(f)
}

// digestFile is digest for a file.
func digestFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	return digestReader(f)
}

func digestReader(f io.Reader) (sum string, size int64, err error) {
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}
