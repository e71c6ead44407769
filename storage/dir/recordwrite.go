package dir

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"

	"godwit/storage"
)

var errPoisoned = errors.New("a sync of the log of records has failed")

// drain carries out what is queued until nothing waits.
func (r *Records) drain() {
	for !r.queue.rest() {
		locked := lockFile(r.lock)
		r.turn(locked)
	}
}

// turn takes what waits, appends what it writes under the lock, lets go of the
// lock, makes it durable and tells the outcomes. Other processes append while
// this one syncs.
func (r *Records) turn(locked error) {
	r.queue.busy.Lock()
	defer r.queue.busy.Unlock()
	batch := r.queue.take()
	if locked == nil {
		r.runAll(batch)
		locked = r.append(batch)
		_ = unlockFile(r.lock)
	}
	for _, o := range batch {
		if locked != nil && !o.ran {
			o.err = fail(o.name, o.key, storage.ErrUnavailable, locked)
		}
	}
	r.settle(batch)
	for _, o := range batch {
		close(o.done)
	}
	r.compactIfDue()
}

// runAll carries out what is no write.
func (r *Records) runAll(batch []*op) {
	for _, o := range batch {
		if o.kind != opRun {
			continue
		}
		o.ran = true
		if err := o.run(); err != nil {
			o.err = fail(o.name, o.key, storage.ErrUnavailable, err)
		}
	}
}

// append decides every operation and appends what they write; the lock is
// held. After an error nothing was decided.
func (r *Records) append(batch []*op) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.prepare(); err != nil {
		return err
	}
	a := appending{view: r.view, durable: r.durable.Load(), deleted: r.view.deleted}
	size := 0
	for _, o := range batch {
		size += entryFixed + len(o.key) + len(o.body)
	}
	a.buf = make([]byte, 0, size)
	for _, o := range batch {
		a.add(o)
	}
	a.write(r.disk)
	return nil
}

// prepare makes the log ready for an entry at its end: it reads what others
// have appended, leaves a file in which nothing can be relied upon, and cuts
// off what a crash has left half written. The lock and mu are held.
func (r *Records) prepare() error {
	durable, poisoned := r.notes.read()
	if err := r.catchUp(durable); err != nil {
		return err
	}
	if poisoned == r.view.header.generation || r.view.poisoned {
		if err := r.recover(); err != nil {
			return err
		}
	}
	info, err := r.view.f.Stat()
	if err != nil || info.Size() <= r.view.end || r.view.damage.tail {
		return err
	}
	return r.view.f.Truncate(r.view.end)
}

// refresh reads what other processes have written.
func (r *Records) refresh() error {
	info, err := os.Stat(r.path)
	if err != nil {
		return err
	}
	r.mu.RLock()
	fresh := r.view.fresh(info)
	r.mu.RUnlock()
	if fresh {
		return nil
	}
	durable, _ := r.notes.read()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.catchUp(durable)
}

// catchUp reads what the view does not know: the end of its file, or another
// file that took its place. noted is the sequence noted as synced before the
// call. mu is held.
func (r *Records) catchUp(noted uint64) error {
	info, err := os.Stat(r.path)
	if err != nil {
		return err
	}
	if !os.SameFile(r.view.info, info) || info.Size() < r.view.end {
		return r.reload()
	}
	if info.Size() > r.view.end {
		if err := r.view.advance(info.Size(), noted); err != nil {
			return err
		}
	}
	r.synced(r.view.durable)
	return nil
}

// reload reads the log from its beginning. Who gave the file its name may have
// died before the folder was synced, so that is done before anything in the
// file is believed. mu is held.
func (r *Records) reload() error {
	v, err := openView(r.path)
	if err != nil {
		return err
	}
	noted, _ := r.notes.read()
	info, err := v.f.Stat()
	if err == nil {
		err = r.disk.syncDir(r.root)
	}
	if err == nil {
		err = v.advance(info.Size(), noted)
	}
	if err != nil {
		v.release()
		return err
	}
	r.replace(v)
	r.synced(v.durable)
	return nil
}

// replace makes v the view. mu is held.
func (r *Records) replace(v *view) {
	if r.view != nil {
		r.view.release()
	}
	r.view = v
}

// synced remembers that everything up to seq is durable.
func (r *Records) synced(seq uint64) {
	for {
		known := r.durable.Load()
		if seq <= known || r.durable.CompareAndSwap(known, seq) {
			return
		}
	}
}

// appending is what one turn appends.
type appending struct {
	view *view
	// durable is written into each entry.
	durable uint64
	// deleted is what the view held before.
	deleted uint64
	buf     []byte
	undo    []undo
	batch   []*op
}

// undo is one change of the keys and how to take it back.
type undo struct {
	key      string
	old      slot
	replaced bool
	// seq is that of the entry and end where it ends in the buffer.
	seq uint64
	end int
}

// add decides o and, when it writes, adds an entry and makes the view know it.
func (a *appending) add(o *op) {
	if o.kind == opRun {
		return
	}
	a.batch = append(a.batch, o)
	if o.kind == opBarrier {
		return
	}
	st := a.view.lookup(o.key)
	o.seq = st.seq
	kind, write := decide(o.kind, st, o.old)
	switch {
	case kind != "":
		e := &storage.Error{Op: o.name, Name: o.key, Kind: kind}
		if kind == storage.ErrCorrupt {
			e.Err = st.why
		}
		o.err = e
	case write:
		a.entry(o)
	}
}

// decide tells whether an operation writes, or the kind of its refusal. An
// operation that neither writes nor is refused has nothing to do.
func decide(kind opKind, st state, old storage.Version) (refusal storage.Kind, write bool) {
	switch {
	case kind == opCreate && st.present:
		return storage.ErrExists, false
	case st.kind != "":
		return st.kind, false
	case kind == opCreate:
		return "", true
	case !st.present && kind == opDelete:
		return "", false
	case !st.present:
		return storage.ErrNotFound, false
	case version(st.slot.seq, st.random) != old:
		return storage.ErrMismatch, false
	}
	return "", true
}

func (a *appending) entry(o *op) {
	var random [8]byte
	rand.Read(random[:])
	v := a.view
	v.seq++
	h := entryHeader{kind: entryPut, seq: v.seq, random: binary.LittleEndian.Uint64(random[:]), durable: a.durable}
	if o.kind == opDelete {
		h.kind = entryDelete
	}
	off := v.end + int64(len(a.buf))
	a.buf = appendEntry(a.buf, v.header.marks, h, o.key, o.body)
	u := undo{key: o.key, seq: v.seq, end: len(a.buf)}
	if o.kind == opDelete {
		u.old, u.replaced = v.remove(o.key, v.seq)
	} else {
		s := slot{key: o.key, off: off, size: uint32(v.end + int64(len(a.buf)) - off), seq: v.seq, random: h.random}
		u.old, u.replaced = v.put(s)
		o.version = version(s.seq, s.random)
	}
	a.undo = append(a.undo, u)
	o.seq, o.wrote = v.seq, true
}

// write appends the entries with one call. Where that ends early, entries that
// are whole stay, for readers may have seen them; the others, and whatever was
// decided upon them, fail.
func (a *appending) write(d disk) {
	if len(a.buf) == 0 {
		return
	}
	v := a.view
	n, err := d.writeAt(v.f, a.buf, v.end)
	if err == nil {
		v.end += int64(len(a.buf))
		return
	}
	written := 0
	for i := len(a.undo) - 1; i >= 0; i-- {
		if a.undo[i].end <= n {
			written = a.undo[i].end
			break
		}
		a.revert(a.undo[i])
	}
	for _, o := range a.batch {
		if o.seq > v.seq {
			o.version, o.wrote, o.seq = "", false, 0
			o.err = fail(o.name, o.key, storage.ErrUnavailable, err)
		}
	}
	v.deleted = max(a.deleted, min(v.deleted, v.seq))
	v.end += int64(written)
	// What cannot be cut off now is cut off by the next writer.
	_ = v.f.Truncate(v.end)
}

func (a *appending) revert(u undo) {
	v := a.view
	v.seq = u.seq - 1
	if u.replaced {
		v.put(u.old)
		return
	}
	if s, ok := v.keys.remove(u.key); ok {
		v.live -= int64(s.size)
	}
}

// settle makes durable what the outcomes of the batch depend on: what was
// written, and what was read of writes that nobody may have synced yet. One
// sync is enough for all, also for what other processes have appended.
func (r *Records) settle(batch []*op) {
	var need uint64
	for _, o := range batch {
		need = max(need, o.seq)
	}
	if need <= r.durable.Load() {
		return
	}
	r.mu.RLock()
	v, upto := r.view.use(), r.view.seq
	r.mu.RUnlock()
	defer v.release()
	err := r.sync(v, upto)
	if err == nil {
		return
	}
	for _, o := range batch {
		switch {
		case o.seq <= r.durable.Load():
		case o.wrote:
			o.version, o.err = "", &storage.Error{Op: o.name, Name: o.key, Kind: storage.ErrUnknown, Err: err}
		default:
			o.err = &storage.Error{Op: o.name, Name: o.key, Kind: storage.ErrUnavailable, Err: err}
		}
	}
}

// sync makes everything up to the sequence upto durable. A sync that fails is
// never tried again on this file: the system may have dropped what it could
// not write and report success next time.
func (r *Records) sync(v *view, upto uint64) error {
	err := r.disk.sync(v.f)
	durable, poisoned := r.notes.read()
	if err == nil && poisoned == v.header.generation {
		err = errPoisoned
	}
	if err != nil {
		r.poison(v)
		return err
	}
	r.synced(upto)
	// A note that is missing makes others sync once more, nothing else.
	_ = r.notes.setDurable(upto, durable)
	return nil
}

// poison keeps everybody from acknowledging anything in the file of v.
func (r *Records) poison(v *view) {
	r.mu.Lock()
	v.poisoned = true
	r.mu.Unlock()
	// Where even this fails, at least this process knows.
	_ = r.notes.poison(v.header.generation)
}
