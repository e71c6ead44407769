package chaos

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"godwit/chaos/history"
)

// runUpgrade replaces the program of one node after the other by a later version,
// which writes fields that the other does not know, and then back again. Transfers
// go on all the while, and what the later version wrote must stay in each record
// that the earlier one writes after it.
func runUpgrade(ctx context.Context, c *Cluster, p Params) (Report, error) {
	later, err := Build(ctx, c.opts.Folder, append(HistoryTags(), "future")...)
	if err != nil {
		return Report{}, err
	}
	ways := []struct{ name, binary, version string }{{"upgrade", later, "-future"}, {"rollback", c.opts.Binary, ""}}
	r, err := c.run(ctx, "upgrade", p, func(ctx context.Context, r *Report, i int) error {
		way := ways[i%len(ways)]
		for _, n := range c.Nodes() {
			if err := c.TopUp(ctx, p, r); err != nil {
				return err
			}
			c.Logf("%s %d: %s", way.name, i/len(ways)+1, n.Name)
			if err := c.drainByTerm(ctx, n, r); err != nil {
				return err
			}
			if err := n.Replace(ctx, way.binary); err != nil {
				return err
			}
			healed, cancel := context.WithTimeout(ctx, endPatience)
			err := c.AwaitMembers(healed)
			cancel()
			if err != nil {
				r.Violate("after the %s of %s: %v", way.name, n.Name, err)
			}
			members, err := c.Members(ctx)
			if err != nil {
				return err
			}
			if is := members[n.Name].Version; strings.HasSuffix(is, "-future") != (way.version != "") {
				r.Violate("after its %s %s is shown with version %q", way.name, n.Name, is)
			}
		}
		return nil
	})
	if err == nil {
		err = c.judgeFuture(&r)
	}
	return r, err
}

// Replace starts a node whose process has ended with another program.
func (n *Node) Replace(ctx context.Context, binary string) error {
	n.mu.Lock()
	n.binary = binary
	n.mu.Unlock()
	return n.Start(ctx)
}

// judgeFuture looks for records that have lost what a later version wrote.
func (c *Cluster) judgeFuture(r *Report) error {
	events, err := c.writes(history.Run{})
	if err != nil {
		return err
	}
	version := func(w *history.Write, of string) string { return w.Key + "\x00" + of }
	has := map[string]bool{}
	for _, e := range events {
		if w := e.Write; w != nil && w.Outcome == history.OK && w.Future {
			has[version(w, w.New)] = true
		}
	}
	kept := 0
	for _, e := range events {
		w := e.Write
		switch {
		case w == nil || w.Op != "cas" || w.Outcome != history.OK || !has[version(w, w.Old)]:
		case w.Future:
			kept++
		default:
			r.Violate("what a later version wrote is lost: %s: %+v", w.Key, *w)
		}
	}
	if kept == 0 {
		r.Violate("no record that a later version has written was written again")
	}
	r.Note("%d records were written after a later version had, and kept what it wrote", kept)
	return nil
}

// histories are the files in which nodes write down what they write.
func (c *Cluster) histories() []string {
	var paths []string
	for _, n := range c.Nodes() {
		paths = append(paths, n.History)
	}
	return paths
}

// aside renames the histories, so that what follows is judged for itself.
func aside(path string, number int) string {
	return fmt.Sprintf("%s.%d%s", strings.TrimSuffix(path, filepath.Ext(path)), number, filepath.Ext(path))
}
