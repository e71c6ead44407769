package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

// Far is a far side that takes uploads; those of endpoint/endpointtest are some.
type Far interface {
	// Prepare makes the part of an upload that says where to and how: nothing was
	// sent to that name before.
	Prepare(name string) *pb.Transfer
	// Received is how many bytes of content arrived for a name, repeated ones
	// included, and Requests how many requests brought some.
	Received(name string) int64
	Requests(name string) int
	// Result is what is complete under a name, as SHA-256 in lower-case hex.
	Result(name string) (sum string, size int64, found bool)
}

// Kind is one way to upload.
type Kind struct {
	Name string
	Far
	// Resumes: what has arrived is not sent again. Once: a request whose outcome
	// is not known is not repeated.
	Resumes, Once bool
}

const (
	// uploadTime is how long an upload takes that nothing interrupts, by its rate
	// limit.
	uploadTime = 5 * time.Second
	// sendingPatience bounds how long an upload may take to send so much, and to
	// end.
	sendingPatience = 2 * time.Minute
)

// percents are how much of the content has arrived when a node is killed.
var percents = []int64{5, 50, 95}

// uploads is what a run of upload remembers.
type uploads struct {
	c    *Cluster
	p    Params
	path string
	sum  string
	// twice is how many MiB were sent twice after a kill, by kind.
	twice map[string][]float64
	// took is the time from a kill to the next byte that arrived, in seconds.
	took []float64
	ends map[string]int
}

// noContents is for a scenario without downloads.
func noContents(Params) []Content { return nil }

// runUpload kills the node that sends an upload, once for each: in turn of every
// kind, and after 5, 50 and 95 percent. What arrives in the end must be the
// content; what resumes must not be sent again; and what must not be repeated
// must not be.
func runUpload(ctx context.Context, c *Cluster, p Params) (Report, error) {
	p.Transfers = 0 // only uploads
	u := &uploads{c: c, p: p, twice: map[string][]float64{}, ends: map[string]int{}}
	if err := u.write(); err != nil {
		return Report{}, err
	}
	r, err := c.run(ctx, "upload", p, u.round)
	r.Transfers = r.Faults
	for _, k := range c.opts.Fars {
		r.Measure(k.Name+", sent twice after a kill", "MiB", u.twice[k.Name])
	}
	r.Measure("from kill to the next byte at the far side", "s", u.took)
	r.Note("ends: %v", u.ends)
	return r, err
}

// write makes the content, below the file root of all nodes.
func (u *uploads) write() error {
	u.path = filepath.Join(filesBelow(u.c.opts.Folder), "content")
	f, err := os.OpenFile(u.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the content: %w", err)
	}
	defer f.Close() //nolint:errcheck // the error of the copy counts
	var seed [32]byte
	seed[0] = byte(u.c.opts.Seed)
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), rand.NewChaCha8(seed), u.p.Size); err != nil {
		return fmt.Errorf("write the content: %w", err)
	}
	u.sum = hex.EncodeToString(h.Sum(nil))
	return nil
}

func (u *uploads) round(ctx context.Context, r *Report, i int) error {
	kinds := u.c.opts.Fars
	kind, percent := kinds[i%len(kinds)], percents[i/len(kinds)%len(percents)]
	id := fmt.Sprintf("u%04d", i+1)
	t := kind.Prepare(id)
	t.Id, t.Direction = id, pb.Transfer_UPLOAD
	t.Source = &pb.Endpoint{Url: "file://" + u.path}
	t.LimitRate = int64(float64(u.p.Size) / uploadTime.Seconds())
	_, err := insist(ctx, u.c, "submit "+id, func(ctx context.Context, n *Node) (*pb.Transfer, error) {
		return n.Create(ctx, t, true)
	})
	if err != nil {
		return err
	}
	if err := u.arrived(ctx, kind, id, u.p.Size*percent/100); err != nil {
		r.Violate("%v", err)
		return ctx.Err()
	}
	owner, err := u.c.Owner(ctx, id)
	if err != nil || owner == nil || !owner.Live() {
		return fmt.Errorf("%s has no live owner: %w", id, err)
	}
	began := time.Now()
	owner.Kill()
	before := kind.Received(id)
	atOnce := u.c.dice.IntN(2) == 0
	u.c.Logf("kill %d: %s, which sends %s by %s and has %d %%; restart at once %v", i+1, owner.Name, id, kind.Name, percent, atOnce)
	if atOnce {
		if err := owner.Start(ctx); err != nil {
			return err
		}
	}
	if !kind.Once && u.arrived(ctx, kind, id, before+1) == nil {
		u.took = append(u.took, time.Since(began).Seconds())
	}
	u.judge(ctx, r, kind, id)
	if !atOnce {
		return owner.Start(ctx)
	}
	return ctx.Err()
}

// arrived waits until so many bytes have arrived, or the upload has ended.
func (u *uploads) arrived(ctx context.Context, kind Kind, id string, bytes int64) error {
	ctx, cancel := context.WithTimeout(ctx, sendingPatience)
	defer cancel()
	for kind.Received(id) < bytes {
		if t, err := u.c.look(ctx, id); err == nil && client.Terminal(t.GetStatus()) {
			return nil
		}
		if err := idle(ctx, glance); err != nil {
			return fmt.Errorf("%s by %s: %d of %d bytes arrived: %w", id, kind.Name, kind.Received(id), bytes, err)
		}
	}
	return nil
}

// judge waits for the end of an upload and holds it against what is promised.
func (u *uploads) judge(ctx context.Context, r *Report, kind Kind, id string) {
	t, err := u.end(ctx, id)
	if err != nil {
		r.Violate("%s by %s does not end: %v; last seen %v", id, kind.Name, err, t)
		return
	}
	u.ends[fmt.Sprintf("%s %v %s", kind.Name, t.GetStatus(), t.GetError().GetCode())]++
	twice := float64(kind.Received(id)-u.p.Size) / mib
	sum, size, found := kind.Result(id)
	right := found && sum == u.sum && size == u.p.Size
	switch {
	case kind.Once && kind.Requests(id) > 1:
		r.Violate("%s by %s was sent in %d requests, one is allowed", id, kind.Name, kind.Requests(id))
	case kind.Once && t.GetStatus() == pb.Transfer_FAILED && t.GetError().GetCode() == "upload.maybe_duplicate":
	case t.GetStatus() != pb.Transfer_COMPLETED:
		r.Violate("%s by %s is %v: %v", id, kind.Name, t.GetStatus(), t.GetError())
	case !right:
		r.Violate("%s by %s: the far side has %d bytes with sha256 %s (complete: %v), want %d with %s", id, kind.Name, size, sum, found, u.p.Size, u.sum)
	case kind.Resumes:
		u.twice[kind.Name] = append(u.twice[kind.Name], max(twice, 0))
		if twice*mib > float64(u.p.Waste) {
			r.Violate("%s by %s: %.1f MiB were sent twice", id, kind.Name, twice)
		}
	}
}

// end waits until an upload is terminal.
func (u *uploads) end(ctx context.Context, id string) (last *pb.Transfer, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendingPatience)
	defer cancel()
	for {
		if t, err := u.c.look(ctx, id); err == nil {
			if last = t; client.Terminal(t.GetStatus()) {
				return t, nil
			}
		}
		if err := idle(ctx, glance); err != nil {
			return last, err
		}
	}
}
