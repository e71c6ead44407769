package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

// poisons are what is wrong with records, in turn: node/poison_on.go does it.
var poisons = []string{"garbage", "format", "absurd", "flipped", "torn"}

// explainedByPoison is what nodes say of a record that they cannot use.
var explainedByPoison = []string{`"record set aside"`, `"actor panicked"`, `"transfer actor restarts"`, `"quarantine not recorded"`}

// runPoison spoils the record of one transfer and kills all nodes, so that each
// record is read again. That transfer must be shown as failed for a reason of the
// inside; all others complete, and no node may end.
func runPoison(ctx context.Context, c *Cluster, p Params) (Report, error) {
	c.explained = append(c.explained, explainedByPoison...)
	return c.run(ctx, "poison", p, func(ctx context.Context, r *Report, i int) error {
		kind := poisons[i%len(poisons)]
		id := fmt.Sprintf("poison-%d-%s", i+1, kind)
		origin, err := c.spoil(ctx, id, kind)
		if err != nil {
			return err
		}
		all, err := c.Victims(ctx)
		if err != nil {
			return err
		}
		c.Logf("record %d: that of %s is spoiled, all nodes are killed", i+1, id)
		for _, v := range all {
			if _, err := c.Strike(v, func() error { v.Kill(); return nil }); err != nil {
				return err
			}
		}
		if err := os.Remove(c.poisonFile()); err != nil {
			return fmt.Errorf("spoil no more: %w", err)
		}
		if err := c.each(ctx, c.Nodes(), (*Node).Start); err != nil {
			return err
		}
		if err := c.judgePoison(ctx, id, origin, r); err != nil {
			return err
		}
		if live := len(c.Live()); live < len(c.Nodes()) {
			r.Violate("%d nodes ended because of the record of %s", len(c.Nodes())-live, id)
		}
		return nil
	})
}

// spoil creates a transfer that runs for long, and returns when its record has
// been spoiled.
func (c *Cluster) spoil(ctx context.Context, id, kind string) (Origin, error) {
	if err := os.WriteFile(c.poisonFile(), []byte(id+" "+kind+"\n"), 0o600); err != nil {
		return Origin{}, fmt.Errorf("spoil a record: %w", err)
	}
	j := c.NewJob()
	j.ID = id
	if _, err := insist(ctx, c, "submit "+id, func(ctx context.Context, n *Node) (*pb.Transfer, error) {
		return n.Create(ctx, &pb.Transfer{
			Id: id, Source: &pb.Endpoint{Url: j.Origin.URL(j.Path())}, Destination: &pb.Endpoint{Url: c.opts.Store.Destination(id)},
		}, true)
	}); err != nil {
		return Origin{}, err
	}
	_, err := c.until(ctx, id, func(*pb.Transfer) bool {
		done, err := os.ReadFile(c.poisonFile() + ".done")
		return err == nil && string(done) == id
	})
	return j.Origin, err
}

// judgePoison holds what is shown of a transfer with a spoiled record against what
// is promised. A node that finds out first may need some crashes for it.
func (c *Cluster) judgePoison(ctx context.Context, id string, origin Origin, r *Report) error {
	var last error
	t, err := c.until(ctx, id, func(t *pb.Transfer) bool { return client.Terminal(t.GetStatus()) })
	if err != nil {
		last = err
	}
	var told *client.Error
	switch {
	case errors.As(last, &told) && strings.HasPrefix(told.Code, "internal"):
		r.Note("%s is answered with %v", id, told)
	case last != nil:
		r.Violate("%s has a spoiled record and is not set aside: %v", id, last)
	case t.GetStatus() == pb.Transfer_FAILED && strings.HasPrefix(t.GetError().GetCode(), "internal"):
		r.Note("%s is %v: %s: %s", id, t.GetStatus(), t.GetError().GetCode(), t.GetError().GetMessage())
	case t.GetStatus() == pb.Transfer_COMPLETED:
		if sum, size, err := c.digest(id); err != nil || sum != origin.SHA256() {
			r.Violate("%s had a spoiled record, is %v, and its result is not right: %d bytes, sha256 %s (%v)", id, t.GetStatus(), size, sum, err)
		}
		r.Note("%s has come out of it and is %v", id, t.GetStatus())
	default:
		r.Violate("%s has a spoiled record and is %v: %v", id, t.GetStatus(), t.GetError())
	}
	all, err := c.Transfers(ctx)
	if err == nil && all[id] == nil {
		r.Violate("%s has a spoiled record and is not listed", id)
	}
	return err
}

// runBitrot kills all nodes while results are written to files, changes bytes of
// what lies there, and restarts the nodes. No such byte may be in a result.
func runBitrot(ctx context.Context, c *Cluster, p Params) (Report, error) {
	changed := 0
	r, err := c.run(ctx, "bitrot", p, func(ctx context.Context, r *Report, i int) error {
		if _, err := c.Victim(ctx); err != nil { // only to wait until something runs
			return err
		}
		all, err := c.Victims(ctx)
		if err != nil {
			return err
		}
		for _, v := range all {
			if _, err := c.Strike(v, func() error { v.Kill(); return nil }); err != nil {
				return err
			}
		}
		n, err := c.rot()
		if err != nil {
			return err
		}
		changed += n
		c.Logf("rot %d: %d bytes of unfinished files were changed", i+1, n)
		return c.each(ctx, c.Nodes(), (*Node).Start)
	})
	if changed == 0 && err == nil {
		err = fmt.Errorf("%w: results are in no folder, or nothing of them was written when nodes died", ErrNotHere)
	}
	r.Note("%d bytes of unfinished files were changed", changed)
	return r, err
}

// rot changes one byte of each file below the file root that has any, of those
// that no completed transfer has.
func (c *Cluster) rot() (changed int, err error) {
	names, err := filepath.Glob(filepath.Join(filesBelow(c.opts.Folder), "*"))
	if err != nil {
		return 0, fmt.Errorf("change files: %w", err)
	}
	hidden, err := filepath.Glob(filepath.Join(filesBelow(c.opts.Folder), ".*"))
	if err != nil {
		return 0, fmt.Errorf("change files: %w", err)
	}
	for _, path := range slices.Concat(names, hidden) {
		if c.Jobs()[filepath.Base(path)] != nil {
			continue // a result that is finished
		}
		did, err := c.rotFile(path)
		if err != nil {
			return changed, err
		}
		if did {
			changed++
		}
	}
	return changed, nil
}

// rotFile changes the first byte, from a random place on, that is no zero: zeros
// may be holes.
func (c *Cluster) rotFile(path string) (bool, error) {
	data, err := os.ReadFile(path)
	if err != nil || len(data) < mib {
		return false, err // journals are small
	}
	at := c.dice.IntN(len(data) / 4)
	for at < len(data) && data[at] == 0 {
		at++
	}
	if at == len(data) {
		return false, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return false, fmt.Errorf("change a byte: %w", err)
	}
	_, err = f.WriteAt([]byte{data[at] ^ 0x04}, int64(at))
	return true, errors.Join(err, f.Close())
}
