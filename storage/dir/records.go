package dir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"godwit/storage"
)

// The files in Config.Root. The lock is permanent: unlinking it would let two
// processes lock different files of one name.
const (
	logName  = "records.log"
	lockName = "lock"
	// nextSuffix is what the log is called that a compaction writes.
	nextSuffix = ".new"
	// damagedSuffix and a generation are added to the name of a log with
	// damage in it that a compaction has replaced.
	damagedSuffix = ".damaged-"
)

// minGarbage is how many bytes nobody needs are tolerated in any log.
const minGarbage = 16 << 20

// Records is a [storage.RecordStore] in one folder, which several processes of
// one machine may share. Create one with [OpenRecords]; [Records.Close] frees
// its descriptors. It has no goroutine while nothing is written.
type Records struct {
	// root is the folder and path the log in it.
	root, path string
	lock       *os.File
	notes      notes
	disk       disk
	// minGarbage is the constant, less in tests.
	minGarbage int64

	// mu guards view and what is in it.
	mu   sync.RWMutex
	view *view
	// durable is the newest sequence known to be synced.
	durable atomic.Uint64

	queue queue
	// background is the compaction under way, if any.
	background sync.WaitGroup
	// compacting is set while it is.
	compacting atomic.Bool
	// patience is how many bytes of garbage must have gathered before a
	// compaction is tried again after one that failed.
	patience atomic.Int64
}

var _ storage.RecordStore = (*Records)(nil)

// disk holds the calls that make writes durable, replaced in tests.
type disk struct {
	sync    func(*os.File) error
	syncDir func(string) error
	writeAt func(*os.File, []byte, int64) (int, error)
	// step is called after each step of a compaction.
	step func(string)
}

func realDisk() disk {
	return disk{
		sync:    syncData,
		syncDir: syncDir,
		writeAt: (*os.File).WriteAt,
		step:    func(string) {},
	}
}

// OpenRecords opens the store in cfg.Root and creates it where it is missing.
// It reads the whole log, about a second for a million records. All errors are
// *[storage.Error]: ErrInvalid when Root is not absolute, ErrUnsupported when
// its file system is known not to keep the promises of locks and renames,
// ErrCorrupt when the log has no readable header.
func OpenRecords(cfg Config) (*Records, error) {
	root := cfg.Root
	if !filepath.IsAbs(root) {
		return nil, refuse("open records", root, "the root must be an absolute path")
	}
	r := &Records{root: root, path: filepath.Join(root, logName), disk: realDisk(), minGarbage: minGarbage}
	if err := r.open(); err != nil {
		if r.lock != nil {
			_ = r.lock.Close()
		}
		return nil, fail("open records", root, storage.ErrUnavailable, err)
	}
	return r, nil
}

func (r *Records) open() error {
	if err := os.MkdirAll(r.root, 0o700); err != nil {
		return err
	}
	if name := networkFileSystem(r.root); name != "" {
		return &storage.Error{
			Op: "lock", Name: r.root, Kind: storage.ErrUnsupported,
			Err: errors.New("records cannot be kept on " + name + ", whose locks and renames cannot be relied upon"),
		}
	}
	var err error
	if r.lock, err = os.OpenFile(filepath.Join(r.root, lockName), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if r.notes, err = openNotes(r.lock); err != nil {
		return err
	}
	if _, err := os.Lstat(r.path); errors.Is(err, fs.ErrNotExist) {
		if err := r.create(); err != nil {
			return err
		}
	}
	removeAbandoned(r.path + nextSuffix)
	// The folder itself may be as new as the log.
	if err := r.disk.syncDir(filepath.Dir(r.root)); err != nil {
		return err
	}
	return r.reload()
}

// create writes a log without entries, if still nobody has.
func (r *Records) create() error {
	if err := lockFile(r.lock); errors.Is(err, errors.ErrUnsupported) {
		return &storage.Error{Op: "lock", Name: r.root, Kind: storage.ErrUnsupported, Err: err}
	} else if err != nil {
		return err
	}
	defer func() { _ = unlockFile(r.lock) }()
	if _, err := os.Lstat(r.path); err == nil {
		return nil
	}
	if durable, _ := r.notes.read(); durable > 0 {
		return &storage.Error{
			Op: "open log", Name: r.root, Kind: storage.ErrCorrupt,
			Err: errors.New("the log of records is gone, although records have been written here"),
		}
	}
	next := r.path + nextSuffix
	if err := os.WriteFile(next, logHeader{generation: 1, length: logStart, marks: newMarks()}.encode(), 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(next, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := r.disk.sync(f); err != nil {
		return err
	}
	return os.Rename(next, r.path)
}

// Create implements [storage.RecordStore]. ErrCorrupt when the key has, or may
// have, a record that is damaged.
func (r *Records) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	return r.write(ctx, &op{name: "create", kind: opCreate, key: key, body: body})
}

// CompareAndSwap implements [storage.RecordStore]. A record that is damaged
// cannot be replaced (ErrCorrupt).
func (r *Records) CompareAndSwap(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
	return r.write(ctx, &op{name: "swap", kind: opSwap, key: key, body: body, old: old})
}

// Delete implements [storage.RecordStore]. It honours the condition.
func (r *Records) Delete(ctx context.Context, key string, old storage.Version) error {
	_, err := r.write(ctx, &op{name: "delete", kind: opDelete, key: key, old: old})
	return err
}

func (r *Records) write(ctx context.Context, o *op) (storage.Version, error) {
	if err := check(ctx, o.name, o.key); err != nil {
		return "", err
	}
	if len(o.body) > storage.MaxRecordSize {
		return "", refuse(o.name, o.key, "the body is too large")
	}
	if err := r.submit(ctx, o); err != nil {
		return "", err
	}
	return o.version, nil
}

// Get implements [storage.RecordStore]. ErrCorrupt when the record is damaged
// or may be hidden by damage.
func (r *Records) Get(ctx context.Context, key string) (storage.Record, error) {
	if err := check(ctx, "get", key); err != nil {
		return storage.Record{}, err
	}
	st, body, err := r.find(key)
	if err != nil {
		return storage.Record{}, fail("get", key, storage.ErrUnavailable, err)
	}
	if st.seq > r.durable.Load() {
		// Whoever is told of a write may rely on it, so it has to be there
		// for good first.
		if err := r.submit(ctx, &op{name: "get", kind: opBarrier, key: key, seq: st.seq}); err != nil {
			return storage.Record{}, err
		}
	}
	switch {
	case st.kind != "":
		return storage.Record{}, &storage.Error{Op: "get", Name: key, Kind: st.kind, Err: st.why}
	case !st.present:
		return storage.Record{}, &storage.Error{Op: "get", Name: key, Kind: storage.ErrNotFound}
	}
	return storage.Record{Key: key, Body: body, Version: version(st.slot.seq, st.random)}, nil
}

// find returns what is known of key, after what other processes have written,
// and its body.
func (r *Records) find(key string) (state, []byte, error) {
	if err := r.refresh(); err != nil {
		return state{}, nil, err
	}
	r.mu.RLock()
	v := r.view.use()
	st := v.lookup(key)
	r.mu.RUnlock()
	defer v.release()
	if !st.present || st.kind != "" {
		return st, nil, nil
	}
	body, err := v.read(st.slot)
	if errors.Is(err, errBadEntry) {
		st.kind, st.why, err = storage.ErrCorrupt, err, nil
	}
	return st, body, err
}

// List implements [storage.RecordStore]. ErrInvalid when limit is not
// positive.
func (r *Records) List(ctx context.Context, prefix, startAfter string, limit int) ([]string, error) {
	if !storage.ValidPrefix(prefix) || limit < 1 {
		return nil, refuse("list", prefix, "not a valid prefix or limit")
	}
	err := ctx.Err()
	if err == nil {
		err = r.refresh()
	}
	if err != nil {
		return nil, fail("list", prefix, storage.ErrUnavailable, err)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.view.keys.list(prefix, startAfter, limit), nil
}

// Close waits for writes and a compaction under way and frees the descriptors.
// Writes that come later, and those that still wait for their turn, fail with
// ErrUnavailable. A goroutine that waits for another process to let go of the
// lock is not waited for.
func (r *Records) Close() error {
	if !r.queue.close() {
		return nil
	}
	r.background.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view.release()
	return r.lock.Close()
}

// check refuses what needs no look at the disk.
func check(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return &storage.Error{Op: op, Name: key, Kind: storage.ErrUnavailable, Err: err}
	}
	if !storage.ValidKey(key) {
		return refuse(op, key, "not a valid key")
	}
	return nil
}
