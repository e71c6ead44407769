package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

// stateLog is the file of a state folder that holds all records: a copy of it
// is a backup. stateLock has notes of how much of it is durable, by which a log that
// is shorter looks damaged: whoever puts a backup in place removes it.
const (
	stateLog  = "records.log"
	stateLock = "lock"
)

// runRestore copies the state while nodes run, lets some transfers end, and puts
// the copy back in place of what was written since, after all nodes have ended.
// Records go back in time: what they ask for may be done once more. Results that
// were complete must stay so, byte by byte.
func runRestore(ctx context.Context, c *Cluster, p Params) (Report, error) {
	folder, ok := strings.CutPrefix(c.opts.Store.State, "dir://")
	if !ok {
		return Report{}, fmt.Errorf("%w: only a state folder is copied", ErrNotHere)
	}
	log, backup := filepath.Join(folder, stateLog), filepath.Join(c.opts.Folder, "backup.log")
	again := 0
	r, err := c.run(ctx, "restore", p, func(ctx context.Context, r *Report, i int) error {
		if _, err := c.Victim(ctx); err != nil { // only to wait until something runs
			return err
		}
		if err := copyFile(backup, log, 0o600); err != nil {
			return err
		}
		ended, err := c.someEnd(ctx)
		if err != nil {
			return err
		}
		all, err := c.Victims(ctx)
		if err != nil {
			return err
		}
		c.Logf("restore %d: all %d nodes are killed, and a backup from before %d transfers ended is put in place", i+1, len(all), len(ended))
		var g errgroup.Group
		for _, v := range all {
			g.Go(func() error {
				_, err := c.Strike(v, func() error { v.Kill(); return nil })
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		before := c.results()
		c.JudgeHistory(r)
		if err := c.setAside(i + 1); err != nil {
			return err
		}
		if err := errors.Join(copyFile(log, backup, 0o600), os.Remove(filepath.Join(folder, stateLock))); err != nil {
			return err
		}
		// What was fetched since the backup is fetched once more.
		for id, j := range c.Jobs() {
			if j.served() > 0 {
				c.pardon(id, j.Origin.Size/max(p.Waste, 1)+1)
			}
		}
		if err := c.each(ctx, c.Nodes(), (*Node).Start); err != nil {
			return err
		}
		again += len(ended)
		return c.watchResults(ctx, before, r)
	})
	r.Note("%d transfers had ended between a backup and its return", again)
	return r, err
}

// pardon has a transfer explain so many times more what was fetched again.
func (c *Cluster) pardon(id string, times int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs[id].Hits += int(times)
}

// someEnd waits until a transfer ends that has not yet, and returns those that
// have by then.
func (c *Cluster) someEnd(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, takeoverPatience)
	defer cancel()
	for {
		now, err := c.Transfers(ctx)
		if err != nil {
			return nil, err
		}
		var ended []string
		for id, j := range c.Jobs() {
			if !j.verified && client.Terminal(now[id].GetStatus()) {
				ended = append(ended, id)
			}
		}
		if len(ended) > 0 {
			return ended, nil
		}
		if err := idle(ctx, 5*glance); err != nil {
			return nil, fmt.Errorf("no transfer ends: %w", err)
		}
	}
}

// results are the digests of the results that are there.
func (c *Cluster) results() map[string]string {
	found := map[string]string{}
	for id := range c.Jobs() {
		if sum, _, err := c.digest(id); err == nil {
			found[id] = sum
		}
	}
	return found
}

// watchResults looks at results for as long as transfers run again whose results
// were complete: each is the same, or for a moment not there, but never another.
func (c *Cluster) watchResults(ctx context.Context, before map[string]string, r *Report) error {
	ctx, cancel := context.WithTimeout(ctx, takeoverPatience)
	defer cancel()
	for {
		now, err := c.Transfers(ctx)
		if err != nil {
			return err
		}
		open := 0
		for id, sum := range before {
			if !client.Terminal(now[id].GetStatus()) {
				open++
			}
			is, size, err := c.digest(id)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				r.Violate("the result of %s was complete before the restore and is gone", id)
				return nil
			case err == nil && is != sum:
				r.Violate("the result of %s was complete before the restore and has become another, of %d bytes", id, size)
				return nil
			}
		}
		if open == 0 {
			return c.foundAgain(now, before, r)
		}
		if err := idle(ctx, 10*glance); err != nil {
			return fmt.Errorf("transfers that were set back do not end: %w", err)
		}
	}
}

// foundAgain forgets transfers that found their own result, of which their record knows
// nothing any more: nothing is overwritten unless a transfer asks for that.
func (c *Cluster) foundAgain(now map[string]*pb.Transfer, before map[string]string, r *Report) error {
	found := 0
	for id := range before {
		if now[id].GetError().GetCode() != "dest.exists" {
			continue
		}
		if err := c.opts.Store.Remove(id); err != nil {
			return fmt.Errorf("remove the result of %s: %w", id, err)
		}
		c.mu.Lock()
		delete(c.jobs, id)
		c.mu.Unlock()
		found++
	}
	r.Note("%d transfers ran again, found their results and left them as they were (dest.exists)", found)
	return nil
}

// setAside begins new histories: the store forgets what is in the old ones.
func (c *Cluster) setAside(number int) error {
	for _, path := range c.histories() {
		if err := os.Rename(path, aside(path, number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set a history aside: %w", err)
		}
	}
	c.restored = true
	return nil
}

// copyFile puts a copy of a file in the place of another, as cp does: a program
// that has the other one open sees it change.
func copyFile(to, from string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return nil
}

// runRestoreLive puts an older copy of the state in place while nodes run on, as
// nobody should. No node may end for good, no result may be damaged, and when all
// nodes were restarted everything completes.
func runRestoreLive(ctx context.Context, c *Cluster, p Params) (Report, error) {
	folder, ok := strings.CutPrefix(c.opts.Store.State, "dir://")
	if !ok {
		return Report{}, fmt.Errorf("%w: only a state folder is copied", ErrNotHere)
	}
	log, backup := filepath.Join(folder, stateLog), filepath.Join(c.opts.Folder, "backup.log")
	c.explained = append(c.explained, `"level":"ERROR"`) // what nodes say of such a store is theirs to choose
	return c.run(ctx, "restore-live", p, func(ctx context.Context, r *Report, i int) error {
		v, err := c.Victim(ctx)
		if err != nil {
			return err
		}
		if err := copyFile(backup, log, 0o600); err != nil {
			return err
		}
		if err := idle(ctx, time.Second+p.Pauses[i%len(p.Pauses)]); err != nil {
			return err
		}
		rename := i%2 == 1
		c.Logf("restore %d: an older copy is put in place while %s runs %d transfers; under a new inode %v", i+1, v.Name, len(v.Ran), rename)
		if rename {
			if err := copyFile(log+".old", backup, 0o600); err != nil {
				return err
			}
			err = os.Rename(log+".old", log)
		} else {
			err = copyFile(log, backup, 0o600)
		}
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		if err := idle(ctx, 2*time.Second+p.Pauses[i%len(p.Pauses)]); err != nil {
			return err
		}
		return c.afterRestore(ctx, i, p, r)
	})
}

// afterRestore does what an operator must: restart all nodes.
func (c *Cluster) afterRestore(ctx context.Context, i int, p Params, r *Report) error {
	ended := 0
	for _, n := range c.Nodes() {
		if !n.Live() {
			ended++
		}
		n.Kill()
	}
	c.Logf("%d nodes had ended by themselves; all are restarted", ended)
	folder, _ := strings.CutPrefix(c.opts.Store.State, "dir://")
	if err := errors.Join(c.setAside(i+1), os.Remove(filepath.Join(folder, stateLock))); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	for id, j := range c.Jobs() {
		c.pardon(id, j.Origin.Size/max(p.Waste, 1)+1)
	}
	before := c.results()
	if err := c.each(ctx, c.Nodes(), (*Node).Start); err != nil {
		return err
	}
	return c.watchResults(ctx, before, r)
}
