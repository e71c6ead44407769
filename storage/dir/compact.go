package dir

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

var (
	errCompacting = errors.New("a compaction is under way")
	errOvertaken  = errors.New("the log of records was replaced meanwhile")
	errUnreadable = errors.New("the log of records holds damage that a compaction would hide")
)

// compaction writes what is still needed of a log to a new file, which then
// takes the log's name. Most of it is copied while writers go on; only what
// they have appended meanwhile is copied under the lock.
//
// A crash leaves the old log, or the new one, which was synced before it got
// the name. A process that appended to the old file and has not synced it yet
// may do so at leisure: the entry is in the new one too.
type compaction struct {
	r *Records
	// old is in use, up to at it has been copied.
	old *view
	at  int64
	// next is the view of the new file. Its end is ahead of what has been
	// written by what buf holds.
	next *view
	buf  []byte
}

// compactIfDue starts a compaction when the log holds more garbage than
// records.
func (r *Records) compactIfDue() {
	r.mu.RLock()
	garbage, live, gap := r.view.garbage(), r.view.live, r.view.damage.gap
	r.mu.RUnlock()
	if gap || garbage <= max(r.minGarbage, live, r.patience.Load()) || !r.compacting.CompareAndSwap(false, true) {
		return
	}
	r.background.Go(func() {
		defer r.compacting.Store(false)
		if err := r.compact(); err != nil {
			r.patience.Store(garbage + r.minGarbage)
			return
		}
		r.patience.Store(0)
	})
}

// compact replaces the log while others write.
func (r *Records) compact() error {
	r.mu.RLock()
	old, end := r.view.use(), r.view.end
	r.mu.RUnlock()
	defer old.release()
	c, err := r.newCompaction(old)
	if err != nil {
		return err
	}
	if err = c.copyLive(end); err == nil {
		// What is left to sync under the lock is little then.
		err = r.disk.sync(c.next.f)
	}
	if err == nil {
		r.disk.step("copied")
		err = r.submit(context.Background(), &op{name: "compact", kind: opRun, key: logName, run: c.finish})
	}
	if err != nil {
		c.abandon()
	}
	if errors.Is(err, errBadEntry) {
		// What was good when it was read is not any more.
		r.mu.Lock()
		defer r.mu.Unlock()
		return errors.Join(err, r.reload())
	}
	return err
}

// recover replaces a log of which a sync has failed. What can be read of it is
// written again; whoever was told that an outcome is unknown finds it there,
// or not. The lock and mu are held.
func (r *Records) recover() error {
	if err := r.reload(); err != nil {
		return err
	}
	c, err := r.newCompaction(r.view)
	if err != nil {
		return err
	}
	if err = c.copyLost(); err == nil {
		err = c.copy(r.view.end, c.live)
	}
	if err == nil {
		err = c.publish()
	}
	if err != nil {
		c.abandon()
		return err
	}
	r.adopt(c.next)
	return nil
}

// newCompaction opens the new file and makes sure that nobody else writes it.
func (r *Records) newCompaction(old *view) (*compaction, error) {
	if old.damage.gap {
		return nil, errUnreadable
	}
	f, err := os.OpenFile(r.path+nextSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := claim(f, r.path+nextSuffix)
	if err == nil {
		err = f.Truncate(0)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	header := logHeader{generation: old.header.generation + 1, marks: old.header.marks}
	return &compaction{r: r, old: old, at: logStart, next: newView(f, info, header)}, nil
}

// claim locks a file that nobody else must write, and makes sure that it has
// not been renamed or removed since it was opened.
func claim(f *os.File, path string) (os.FileInfo, error) {
	if free, err := tryLockFile(f); err != nil {
		return nil, err
	} else if !free {
		return nil, errCompacting
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if now, err := os.Lstat(path); err != nil || !os.SameFile(info, now) {
		return nil, errCompacting
	}
	return info, nil
}

// removeAbandoned removes what a compaction left that crashed.
func removeAbandoned(path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if _, err := claim(f, path); err == nil {
		_ = os.Remove(path)
	}
}

// copyLive copies the entries up to end that keys point to.
func (c *compaction) copyLive(end int64) error {
	c.r.mu.RLock()
	err := c.copyLost()
	c.r.mu.RUnlock()
	if err != nil {
		return err
	}
	return c.copy(end, func(e found) (bool, error) {
		c.r.mu.RLock()
		defer c.r.mu.RUnlock()
		if c.r.view != c.old {
			return false, errOvertaken
		}
		return c.live(e)
	})
}

// copyLost writes down what is known to be damaged. The old view is guarded.
func (c *compaction) copyLost() error {
	hashes := make(map[uint64]uint64, len(c.old.damage.hashes))
	for hash, seq := range c.old.damage.hashes {
		hashes[hash] = seq
	}
	c.old.keys.ascend("", func(s slot) bool {
		hash := hashKey(s.key)
		if seq := hashes[hash]; s.lost || seq > s.seq {
			c.lost(s.key, hash, max(s.seq, seq))
			delete(hashes, hash)
		}
		return true
	})
	for hash, seq := range hashes {
		c.lost("", hash, seq)
	}
	return c.flush(0)
}

func (c *compaction) lost(key string, hash, seq uint64) {
	h := entryHeader{kind: entryLost, seq: seq}
	start := len(c.buf)
	c.buf = appendEntry(c.buf, c.next.header.marks, h, key, binary.LittleEndian.AppendUint64(nil, hash))
	h.keyLen, h.bodyLen = len(key), 8
	c.next.take(found{kind: foundEntry, off: c.next.end, size: int64(len(c.buf) - start), seq: seq, head: h, key: key, hash: hash})
}

// live tells whether e is what its key points to. Damage is an error unless it
// is known: what has been found to be damaged since must not vanish. The old
// view is guarded.
func (c *compaction) live(e found) (bool, error) {
	s, ok := c.old.keys.get(e.key)
	pointed := ok && s.off == e.off
	switch e.kind {
	case foundEntry:
		return pointed && e.head.kind == entryPut && !c.old.damage.hides(e.key, s.seq), nil
	case foundBadBody:
		if pointed && !s.lost {
			return false, errBadEntry
		}
		return false, nil
	case foundBadHead:
		if _, known := c.old.damage.hashes[e.hash]; known {
			return false, nil
		}
	}
	return false, errBadEntry
}

// all copies every entry, and no damage.
func all(e found) (bool, error) {
	if e.kind != foundEntry {
		return false, errBadEntry
	}
	return true, nil
}

// copy copies what keep wants of the old log up to end.
func (c *compaction) copy(end int64, keep func(found) (bool, error)) error {
	s := &scanner{f: c.old.f, marks: c.old.header.marks, size: end}
	for c.at < end && !c.r.queue.isClosed() {
		e, err := s.at(c.at)
		if err != nil {
			return err
		}
		if e.kind == foundNothing {
			return errBadEntry
		}
		wanted, err := keep(e)
		if err != nil {
			return err
		}
		c.at += e.size
		if !wanted {
			continue
		}
		c.buf = append(c.buf, e.raw...)
		e.off = c.next.end
		c.next.take(e)
		if err := c.flush(scanChunk); err != nil {
			return err
		}
	}
	if c.at < end {
		return errClosed
	}
	return c.flush(0)
}

// flush writes what has gathered when it is more than limit bytes.
func (c *compaction) flush(limit int) error {
	if len(c.buf) <= limit {
		return nil
	}
	_, err := c.r.disk.writeAt(c.next.f, c.buf, c.next.end-int64(len(c.buf)))
	c.buf = c.buf[:0]
	return err
}

// finish copies what has been appended since and puts the new log in place. It
// is run under the lock.
func (c *compaction) finish() error {
	r := c.r
	noted, poisoned := r.notes.read()
	r.mu.Lock()
	err := r.catchUp(noted)
	if err == nil && (r.view != c.old || r.view.poisoned || r.view.damage.gap ||
		poisoned == c.old.header.generation) {
		err = errOvertaken
	}
	end := c.old.end
	r.mu.Unlock()
	if err == nil {
		err = c.copy(end, all)
	}
	if err == nil {
		err = c.publish()
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.adopt(c.next)
	return nil
}

// publish syncs the new log and gives it the name of the old one, which is
// kept under another when there is damage in it: there may be something left
// to save. The lock is held.
func (c *compaction) publish() error {
	r, v := c.r, c.next
	// The new log is one file with all that was in the old one.
	v.seq = max(v.seq, c.old.seq)
	v.durable, v.deleted = v.seq, c.old.deleted
	v.header.base, v.header.length = v.seq, v.end
	if _, err := r.disk.writeAt(v.f, v.header.encode(), 0); err != nil {
		return err
	}
	if err := r.disk.sync(v.f); err != nil {
		return err
	}
	r.disk.step("synced")
	if c.old.damage.here {
		kept := fmt.Sprint(r.path, damagedSuffix, c.old.header.generation)
		if err := os.Link(r.path, kept); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := os.Rename(r.path+nextSuffix, r.path); err != nil {
		return err
	}
	r.disk.step("renamed")
	return nil
}

// adopt makes the view of a log that was put in place the current one, and the
// name durable. Where that fails the new log is as little to be relied upon as
// one whose sync failed. The lock and mu are held.
func (r *Records) adopt(v *view) {
	_ = unlockFile(v.f)
	r.replace(v)
	if err := r.disk.syncDir(r.root); err != nil {
		v.poisoned = true
		_ = r.notes.poison(v.header.generation)
		return
	}
	r.synced(v.seq)
	noted, _ := r.notes.read()
	_ = r.notes.setDurable(v.seq, noted)
}

// abandon gives up the new file, if it has not become the log.
func (c *compaction) abandon() {
	c.next.release()
	removeAbandoned(c.r.path + nextSuffix)
}
