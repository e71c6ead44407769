package dir

import (
	"errors"
	"io"
	"os"
	"sync/atomic"

	"godwit/storage"
)

// view is one log file and what this process has read of it. Its owner guards
// all but f, info, header and users.
type view struct {
	f      *os.File
	info   os.FileInfo
	header logHeader
	// users counts who needs f open, the owner included.
	users atomic.Int32

	keys keyspace
	// end is where what has been read ends, in bytes.
	end int64
	// seq is the newest sequence up to end, and at least the header's base.
	seq uint64
	// durable is the newest sequence that the log itself says was synced.
	durable uint64
	// deleted is the sequence of the newest entry that took a key away.
	deleted uint64
	// live is the length of all entries that keys point to, in bytes.
	live int64
	// damage is what cannot be read any more.
	damage damage
	// poisoned tells that a sync of the file has failed.
	poisoned bool
}

// damage is what is known about entries that were acknowledged and cannot be
// read any more. What might be hidden by it is reported as damaged: an older
// entry is never taken for the newest one.
type damage struct {
	// hashes are those of the keys whose newest entry has no readable head,
	// with its sequence.
	hashes map[uint64]uint64
	// gap tells that entries are missing and nobody knows of which keys: all
	// keys whose entry is not newer than gapSeq may have been among them.
	gap    bool
	gapSeq uint64
	// tail tells that the log ends before what was acknowledged.
	tail bool
	// here tells that the damage is in this file, not only remembered by it.
	here bool
}

// hides tells whether the newest entry of a key may be lost, where the newest
// one that is known has sequence seq, 0 for none.
func (d *damage) hides(key string, seq uint64) bool {
	if d.gap && seq <= d.gapSeq {
		return true
	}
	if len(d.hashes) == 0 {
		return false
	}
	lost, ok := d.hashes[hashKey(key)]
	return ok && lost > seq
}

func (d *damage) lose(hash, seq uint64) {
	if d.hashes == nil {
		d.hashes = make(map[uint64]uint64)
	}
	d.hashes[hash] = max(seq, d.hashes[hash])
}

// openView opens the log at path and reads its header.
func openView(path string) (*view, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	b := make([]byte, logStart)
	if _, err = f.ReadAt(b, 0); errors.Is(err, io.EOF) {
		err = errBadHeader
	}
	var header logHeader
	if err == nil {
		header, err = decodeLogHeader(b)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return newView(f, info, header), nil
}

// newView is the view of a log of which nothing has been read. It owns f.
func newView(f *os.File, info os.FileInfo, header logHeader) *view {
	v := &view{f: f, info: info, header: header, end: logStart, seq: header.base, durable: header.base}
	v.users.Store(1)
	return v
}

// use keeps f open until release.
func (v *view) use() *view {
	v.users.Add(1)
	return v
}

func (v *view) release() {
	if v.users.Add(-1) == 0 {
		_ = v.f.Close()
	}
}

// fresh tells whether info is about the view's file and it holds nothing that
// has not been read.
func (v *view) fresh(info os.FileInfo) bool {
	return os.SameFile(v.info, info) && info.Size() <= v.end
}

// advance reads what lies between end and size. noted is the sequence that was
// noted as synced before size was looked up. It stops at what is not whole and
// was never acknowledged: a write under way, or one that a crash cut short.
func (v *view) advance(size int64, noted uint64) error {
	v.durable = max(v.durable, noted)
	s := &scanner{f: v.f, marks: v.header.marks, size: size}
	for v.end < size {
		e, err := s.at(v.end)
		if err != nil {
			return err
		}
		acknowledged, err := v.acknowledged(s, e)
		if err != nil {
			return err
		}
		if e.kind == foundNothing || !acknowledged {
			break
		}
		v.take(e)
	}
	if v.durable > v.seq || v.end < v.header.length {
		v.damage.gap, v.damage.gapSeq, v.damage.tail, v.damage.here = true, v.seq, true, true
	}
	return nil
}

// acknowledged tells whether e may be believed: it is whole, or it is damaged
// but was synced once.
func (v *view) acknowledged(s *scanner, e found) (bool, error) {
	seq := e.seq
	switch e.kind {
	case foundNothing:
		return false, nil
	case foundEntry:
		return true, nil
	case foundGap:
		seq = v.seq + 1
	}
	if seq <= v.durable || e.off < v.header.length {
		return true, nil
	}
	return s.vouched(e.off+e.size, seq)
}

// take makes the view know what was found at its end.
func (v *view) take(e found) {
	switch e.kind {
	case foundEntry:
		v.durable = max(v.durable, e.head.durable)
		v.apply(e)
	case foundBadBody:
		v.damage.here = true
		v.put(slot{key: e.key, off: e.off, size: uint32(e.size), lost: true, seq: e.seq, random: e.head.random})
	case foundBadHead:
		v.damage.here = true
		v.damage.lose(e.hash, e.seq)
	case foundGap:
		v.damage.gap, v.damage.gapSeq, v.damage.here = true, v.seq, true
	}
	if e.kind != foundGap {
		v.seq = max(v.seq, e.seq)
	}
	v.end = e.off + e.size
}

// apply changes the keys as a whole entry says.
func (v *view) apply(e found) {
	switch e.head.kind {
	case entryPut:
		v.put(slot{key: e.key, off: e.off, size: uint32(e.size), seq: e.seq, random: e.head.random})
	case entryDelete:
		v.remove(e.key, e.seq)
	case entryLost:
		if e.key == "" {
			v.damage.lose(e.hash, e.seq)
			return
		}
		v.put(slot{key: e.key, off: e.off, size: uint32(e.size), lost: true, seq: e.seq, random: e.head.random})
	}
}

// put makes s the newest entry of its key. It returns what undoes that.
func (v *view) put(s slot) (old slot, replaced bool) {
	old, replaced = v.keys.set(s)
	v.live += int64(s.size) - int64(old.size)
	return old, replaced
}

// remove takes a key away that an entry of sequence seq deletes.
func (v *view) remove(key string, seq uint64) (old slot, removed bool) {
	old, removed = v.keys.remove(key)
	v.live -= int64(old.size)
	v.deleted = max(v.deleted, seq)
	return old, removed
}

// state is what the view knows of one key.
type state struct {
	slot
	present bool
	// kind is storage.ErrCorrupt when the key's newest entry is damaged.
	kind storage.Kind
	// why explains kind.
	why error
	// seq is the sequence that must be durable before anybody is told.
	seq uint64
}

func (v *view) lookup(key string) state {
	s, ok := v.keys.get(key)
	st := state{slot: s, present: ok, seq: s.seq}
	if !ok {
		st.seq = v.deleted
	}
	if s.lost || v.damage.hides(key, s.seq) {
		st.kind, st.why = storage.ErrCorrupt, errBadEntry
		if v.damage.tail {
			st.why = errShortLog
		}
	}
	return st
}

// read returns the body of a slot's entry and checks all of it.
func (v *view) read(s slot) ([]byte, error) {
	sc := &scanner{f: v.f, marks: v.header.marks, size: s.off + int64(s.size)}
	sc.buf = make([]byte, 0, s.size)
	e, whole, err := sc.entry(s.off)
	if err != nil {
		return nil, err
	}
	if !whole || e.kind != foundEntry || e.key != s.key || e.seq != s.seq || e.head.random != s.random {
		return nil, errBadEntry
	}
	body := e.raw[entryHead+e.head.keyLen:]
	return body[:e.head.bodyLen:e.head.bodyLen], nil
}

// garbage is how many bytes of the log nobody needs.
func (v *view) garbage() int64 { return v.end - logStart - v.live }
