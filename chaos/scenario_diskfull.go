package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

const (
	// codeFull is what a transfer says whose store has no room.
	codeFull = "store.full"
	// smallDisk is the size of a file system that is to be full, in bytes.
	smallDisk = 64 << 20
)

// scarceDisk is a small file system of its own.
type scarceDisk struct{ folder string }

// mountScarceDisk makes a file system of the given size over a folder, which must be
// empty. The caller unmounts it.
func mountScarceDisk(ctx context.Context, folder string, size int64) (scarceDisk, error) {
	if os.Geteuid() != 0 {
		return scarceDisk{}, fmt.Errorf("%w: only root mounts a small file system", ErrNotHere)
	}
	if _, err := exec.LookPath("mount"); err != nil {
		return scarceDisk{}, fmt.Errorf("%w: there is no mount command", ErrNotHere)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return scarceDisk{}, fmt.Errorf("mount a small file system: %w", err)
	}
	// What forbids it in a container is not known before.
	if err := command(ctx, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0700", size), "tmpfs", folder); err != nil {
		return scarceDisk{}, fmt.Errorf("%w: %w", ErrNotHere, err)
	}
	return scarceDisk{folder}, nil
}

// unmount takes it away, also while files are open in it.
func (d scarceDisk) unmount() {
	_ = command(context.Background(), "umount", "-l", d.folder) // also after an interrupt
}

func (d scarceDisk) ballast() string { return filepath.Join(d.folder, "ballast") }

// fill takes all room but so many bytes.
func (d scarceDisk) fill(leave int64) error {
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("fill a file system: %w", err)
	}
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	info, statErr := f.Stat()
	if statErr == nil && leave > 0 {
		statErr = f.Truncate(max(info.Size()-leave, 0))
	}
	if err = errors.Join(statErr, f.Close()); err != nil {
		return fmt.Errorf("fill a file system: %w", err)
	}
	return nil
}

// empty makes room again.
func (d scarceDisk) empty() error { return os.Remove(d.ballast()) }

// runDiskFull has transfers meet a full disk: in turn where their results go, and
// where the cluster's state is. They say why they do not go on, leave nothing under
// their names, and complete when there is room again. Others never notice.
func runDiskFull(ctx context.Context, c *Cluster, p Params) (Report, error) {
	results, err := mountScarceDisk(ctx, filepath.Join(filesBelow(c.opts.Folder), "small"), smallDisk)
	if err != nil {
		return Report{}, err
	}
	defer results.unmount()
	state, err := c.moveState(ctx)
	if err != nil {
		return Report{}, err
	}
	defer func() {
		c.Close()
		state.unmount()
	}()
	full := 0
	r, err := c.run(ctx, "diskfull", p, func(ctx context.Context, r *Report, i int) error {
		if i%2 == 0 || state == (scarceDisk{}) {
			n, err := c.fillResults(ctx, results, r)
			full += n
			return err
		}
		return c.fillState(ctx, state, p, r)
	})
	r.Note("%d transfers said %s and completed when there was room", full, codeFull)
	return r, err
}

// moveState puts the state of a stopped cluster onto a small disk of its own. It
// is the zero disk where the state is in no folder.
func (c *Cluster) moveState(ctx context.Context) (scarceDisk, error) {
	folder, ok := strings.CutPrefix(c.opts.Store.State, "dir://")
	if !ok {
		return scarceDisk{}, nil
	}
	c.Close()
	moved := folder + ".moved"
	if err := os.Rename(folder, moved); err != nil {
		return scarceDisk{}, fmt.Errorf("move the state: %w", err)
	}
	d, err := mountScarceDisk(ctx, folder, smallDisk)
	if err != nil {
		return scarceDisk{}, err
	}
	if err := os.CopyFS(folder, os.DirFS(moved)); err != nil {
		d.unmount()
		return scarceDisk{}, fmt.Errorf("move the state: %w", err)
	}
	if err := c.each(ctx, c.Nodes(), (*Node).Start); err != nil {
		d.unmount()
		return scarceDisk{}, err
	}
	return d, nil
}

// fillResults has two transfers find no room for their results, and returns how
// many said so.
func (c *Cluster) fillResults(ctx context.Context, d scarceDisk, r *Report) (said int, err error) {
	var jobs []*Job
	for range 2 {
		jobs = append(jobs, c.NewJob())
	}
	if err := d.fill(jobs[0].Origin.Size / 2); err != nil {
		return 0, err
	}
	c.Logf("the disk of %d results is full", len(jobs))
	for _, j := range jobs {
		if err := c.createFile(ctx, j, filepath.Join(d.folder, j.ID)); err != nil {
			return said, err
		}
	}
	for _, j := range jobs {
		t, err := c.until(ctx, j.ID, func(t *pb.Transfer) bool { return t.GetError() != nil || client.Terminal(t.GetStatus()) })
		switch {
		case err != nil:
			return said, err
		case t.GetError().GetCode() == codeFull:
			said++
		default:
			r.Violate("%s finds a full disk and is %v: %v", j.ID, t.GetStatus(), t.GetError())
		}
		if _, err := os.Lstat(filepath.Join(d.folder, j.ID)); !errors.Is(err, fs.ErrNotExist) {
			r.Violate("%s found a full disk, and something has its name: %v", j.ID, err)
		}
	}
	if err := d.empty(); err != nil {
		return said, err
	}
	for _, j := range jobs {
		if err := c.completesAt(ctx, j, filepath.Join(d.folder, j.ID), r); err != nil {
			return said, err
		}
	}
	return said, nil
}

// fillState has nodes find no room for their records. None may end, and what they
// accepted goes on when there is room.
func (c *Cluster) fillState(ctx context.Context, d scarceDisk, p Params, r *Report) error {
	before := len(c.Live())
	if err := d.fill(0); err != nil {
		return err
	}
	c.Logf("the disk of the state is full")
	refused := c.createOnFull(ctx, p, r)
	if err := idle(ctx, p.Pauses[0]+time.Second); err != nil {
		return err
	}
	if live := len(c.Live()); live < before {
		r.Violate("%d of %d nodes ended when there was no room for their records", before-live, before)
	}
	if err := d.empty(); err != nil {
		return err
	}
	c.Logf("there is room again; %s", refused)
	for _, n := range c.Nodes() {
		if !n.Live() {
			if err := n.Start(ctx); err != nil {
				return err
			}
		}
	}
	healed, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	for _, n := range c.Nodes() {
		if err := n.AwaitReady(healed); err != nil {
			return err
		}
	}
	return nil
}

// createOnFull tries to create a transfer that cannot be recorded, once at each
// node. What is accepted all the same is held against the promise, like all others.
func (c *Cluster) createOnFull(ctx context.Context, p Params, r *Report) (told string) {
	for _, n := range c.Live() {
		j := c.NewJob()
		asked, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := n.Create(asked, c.request(j, p), true)
		cancel()
		var refused *client.Error
		switch {
		case err == nil:
			c.accept(j)
			told = "a transfer was accepted"
		case errors.As(err, &refused) && refused.Code != "" && !refused.Retryable:
			r.Violate("%s refuses a transfer for good because there is no room: %v", n.Name, err)
		default:
			told = fmt.Sprintf("a new transfer was refused: %v", err)
			// It may have been written after all.
			if t, err := c.Get(ctx, j.ID); err == nil && t != nil {
				c.accept(j)
			}
		}
	}
	return told
}

// createFile creates a transfer to a file of its own.
func (c *Cluster) createFile(ctx context.Context, j *Job, path string) error {
	_, err := insist(ctx, c, "submit "+j.ID, func(ctx context.Context, n *Node) (*pb.Transfer, error) {
		return n.Create(ctx, &pb.Transfer{
			Id: j.ID, Source: &pb.Endpoint{Url: j.Origin.URL(j.Path())}, Destination: &pb.Endpoint{Url: "file://" + path},
		}, true)
	})
	return err
}

// until returns a transfer as soon as it is as wanted.
func (c *Cluster) until(ctx context.Context, id string, enough func(*pb.Transfer) bool) (*pb.Transfer, error) {
	ctx, cancel := context.WithTimeout(ctx, takeoverPatience)
	defer cancel()
	for {
		t, err := c.look(ctx, id)
		if err == nil && enough(t) {
			return t, nil
		}
		if waited := idle(ctx, 5*glance); waited != nil {
			return t, fmt.Errorf("%s does not come so far: %w: %v (%w)", id, waited, t, err)
		}
	}
}

// completesAt waits for a result at a path, holds it against the origin, and
// removes it. One that has failed is retried, as a user would.
func (c *Cluster) completesAt(ctx context.Context, j *Job, path string, r *Report) error {
	t, err := c.until(ctx, j.ID, func(t *pb.Transfer) bool { return client.Terminal(t.GetStatus()) })
	if err == nil && t.GetStatus() == pb.Transfer_FAILED {
		if _, err = insist(ctx, c, "retry "+j.ID, func(ctx context.Context, n *Node) (*pb.Transfer, error) { return n.Retry(ctx, j.ID) }); err == nil {
			t, err = c.until(ctx, j.ID, func(t *pb.Transfer) bool { return t.GetStatus() == pb.Transfer_COMPLETED })
		}
	}
	if err != nil {
		return err
	}
	sum, size, err := digestFile(path)
	if err != nil || sum != j.Origin.SHA256() || size != j.Origin.Size {
		r.Violate("%s is %v, and %s has %d bytes, sha256 %s (%v); the origin has %d, %s", j.ID, t.GetStatus(), path, size, sum, err, j.Origin.Size, j.Origin.SHA256())
	}
	return os.Remove(path)
}
