package dir

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"godwit/storage"
)

// What this store accepts.
const (
	preferredPart = 4 << 20
	maxParts      = 10_000
	maxPart       = 1 << 40
)

// What results and the folders above them may be at most.
const (
	newFileMode   fs.FileMode = 0o664
	newFolderMode fs.FileMode = 0o775
)

// Objects is a [storage.ObjectStore] of files. Create one with [OpenObjects].
//
// An instance keeps nothing between calls but configuration: every upload is
// wholly described by its partial file and its journal, so that another
// process can go on with it at any moment.
type Objects struct {
	roots   []string
	buffers *storage.BufferPool
	syncs   *dirSync
	folders *folders
	// mode is what a new file gets from the process's umask; nobody but the
	// owner's group is ever let in to write.
	mode fs.FileMode
	// noXattr makes the store behave as on a file system without extended
	// attributes; for tests.
	noXattr bool
}

var _ storage.ObjectStore = (*Objects)(nil)

// OpenObjects returns a store of files under cfg.Roots, or anywhere when there
// are none. ErrInvalid when a root is not an absolute path in its shortest
// form, other kinds when it cannot be opened.
func OpenObjects(cfg Config) (*Objects, error) {
	cfg = cfg.withDefaults()
	for _, root := range cfg.Roots {
		if !filepath.IsAbs(root) || filepath.Clean(root) != root {
			return nil, refuse("open objects", root, "a root must be an absolute path in its shortest form")
		}
		r, err := os.OpenRoot(root)
		if err != nil {
			return nil, fail("open objects", root, storage.ErrUnavailable, err)
		}
		_ = r.Close()
	}
	return &Objects{roots: cfg.Roots, buffers: cfg.Buffers, syncs: newDirSync(), folders: newFolders(), mode: newFileMode &^ umask()}, nil
}

// Limits implements [storage.ObjectStore].
func (o *Objects) Limits() storage.Limits {
	return storage.Limits{
		MinPart: 1, MaxPart: maxPart, Preferred: preferredPart, MaxParts: maxParts,
		Checkpoint: time.Second,
	}
}

// Begin implements [storage.ObjectStore]: it creates the partial file and its
// journal, and the folders above them where they are missing. Where the size
// is known the space is reserved, ErrFull tells that there is none. ErrExists
// when the Token was used for this name before and Retry is not set;
// ErrInvalid when the name belongs to something that is no file, ErrNotFolder
// when it lies below such a thing.
func (o *Objects) Begin(ctx context.Context, name string, opts storage.BeginOptions) (storage.Upload, error) {
	const op = "begin"
	p, err := o.openNamed(ctx, op, name, true)
	if err != nil {
		return storage.Upload{}, err
	}
	defer p.Close()
	if err := checkToken(op, name, opts.Token); err != nil {
		return storage.Upload{}, err
	}
	if info, err := p.lstat(p.base); err != nil {
		return storage.Upload{}, o.fail(op, name, err)
	} else if info != nil && !info.Mode().IsRegular() {
		return storage.Upload{}, refuse(op, name, "what is there is not a regular file")
	}
	up := storage.Upload{Name: name, ID: partialName(p.base, opts.Token)}
	if opts.Retry {
		if err := p.removeUpload(up.ID); err != nil {
			return storage.Upload{}, o.fail(op, name, err)
		}
	}
	if err := p.createUpload(up.ID, opts.Size); err != nil {
		return storage.Upload{}, o.fail(op, name, err)
	}
	return up, nil
}

// createUpload creates the files of an upload, both or none. What is small
// needs neither a journal nor its space reserved.
func (p *place) createUpload(id string, size int64) error {
	partial, err := p.createFile(id)
	if err != nil {
		return err
	}
	defer partial.Close()
	if 0 <= size && size <= preferredPart {
		return nil
	}
	var journal *os.File
	if err = reserve(partial, size); err == nil {
		journal, err = p.createFile(journalName(id))
	}
	if err != nil {
		return errors.Join(err, p.remove(id))
	}
	return journal.Close()
}

func (p *place) createFile(name string) (*os.File, error) {
	return p.openFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// removeUpload removes the files of an upload as far as they are there. It
// removes names and truncates nothing: the partial file may be published
// already under its final name.
func (p *place) removeUpload(id string) error {
	return errors.Join(p.remove(id), p.remove(journalName(id)))
}

// Sync implements [storage.ObjectStore]: the bytes first, then the journal
// that vouches for them, then the names of both. When the system could not
// write them, none of the parts can be trusted: they are forgotten and Sync
// returns ErrPartLost, or ErrFull when the disk is full.
func (o *Objects) Sync(ctx context.Context, up storage.Upload) error {
	const op = "sync"
	p, err := o.openUpload(ctx, op, up)
	if err != nil {
		return err
	}
	defer p.Close()
	partial, err := p.openFile(up.ID, os.O_RDWR, 0)
	if err != nil {
		return noUpload(op, up, err)
	}
	defer partial.Close()
	if err := o.syncParts(p, partial, up.ID); err != nil {
		return o.distrust(p, partial, op, up, err)
	}
	if err := o.syncs.Sync(filepath.Dir(up.Name)); err != nil {
		return o.fail(op, up.Name, err)
	}
	return nil
}

// syncParts syncs the partial file and its journal. Where there is none the
// label on the partial file takes its place, which a sync of data alone might
// leave out.
func (o *Objects) syncParts(p *place, partial *os.File, id string) error {
	journal, err := p.openFile(journalName(id), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return partial.Sync()
	}
	if err != nil {
		return err
	}
	defer journal.Close()
	if err := syncData(partial); err != nil {
		return err
	}
	return syncData(journal)
}

// distrust forgets all parts after a sync that failed. The system marks pages
// it could not write as clean, so a second sync would succeed and prove
// nothing.
func (o *Objects) distrust(p *place, partial *os.File, op string, up storage.Upload, err error) error {
	err = errors.Join(err, o.forgetParts(p, partial, up.ID))
	return fail(op, up.Name, storage.ErrPartLost, err)
}

// Abort implements [storage.ObjectStore].
func (o *Objects) Abort(ctx context.Context, up storage.Upload) error {
	const op = "abort"
	p, err := o.openUpload(ctx, op, up)
	if errors.Is(err, storage.ErrNoUpload) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.removeUpload(up.ID); err != nil {
		return o.fail(op, up.Name, err)
	}
	if err := o.syncs.Sync(filepath.Dir(up.Name)); err != nil {
		return o.fail(op, up.Name, err)
	}
	return nil
}

// Delete implements [storage.ObjectStore]. ErrInvalid when what has the name is
// no regular file.
func (o *Objects) Delete(ctx context.Context, name string) error {
	const op = "delete"
	p, err := o.openNamed(ctx, op, name, false)
	switch storage.KindOf(err) {
	case storage.ErrNotFound, storage.ErrNotFolder:
		return nil
	}
	if err != nil {
		return err
	}
	defer p.Close()
	info, err := p.lstat(p.base)
	switch {
	case err != nil:
		return o.fail(op, name, err)
	case info == nil:
		return nil
	case !info.Mode().IsRegular():
		return refuse(op, name, "what is there is not a regular file")
	}
	if err := p.remove(p.base); err != nil {
		return o.fail(op, name, err)
	}
	if err := o.syncs.Sync(filepath.Dir(name)); err != nil {
		return o.fail(op, name, err)
	}
	return nil
}

// openNamed checks a name and opens its place.
func (o *Objects) openNamed(ctx context.Context, op, name string, create bool) (*place, error) {
	if err := ctx.Err(); err != nil {
		return nil, fail(op, name, storage.ErrUnavailable, err)
	}
	if err := checkName(op, name); err != nil {
		return nil, err
	}
	p, err := o.open(name, create)
	if err != nil {
		return nil, o.fail(op, name, err)
	}
	return p, nil
}

// openUpload checks a handle and opens its place. A folder that is gone has
// taken the upload with it.
func (o *Objects) openUpload(ctx context.Context, op string, up storage.Upload) (*place, error) {
	if err := checkUpload(op, up); err != nil {
		return nil, err
	}
	p, err := o.openNamed(ctx, op, up.Name, false)
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrNotFolder) {
		return nil, noUpload(op, up, err)
	}
	return p, err
}

// noUpload reports a failure to reach a file of an upload.
func noUpload(op string, up storage.Upload, err error) error {
	switch classify(err, "") {
	case storage.ErrNotFound, storage.ErrNotFolder:
		return &storage.Error{Op: op, Name: up.Name, Kind: storage.ErrNoUpload}
	}
	return fail(op, up.Name, storage.ErrUnavailable, err)
}

// fail reports an error of the file system. What escapes from a root is the
// name's fault.
func (o *Objects) fail(op, name string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return &storage.Error{Op: op, Name: name, Kind: storage.ErrExists, Err: err}
	}
	if errors.Is(err, errOutside) || isEscape(err) {
		return &storage.Error{Op: op, Name: name, Kind: storage.ErrInvalid, Err: err}
	}
	return fail(op, name, storage.ErrUnavailable, err)
}

// isEscape recognises the refusal of os.Root to leave its folder, which has no
// exported error.
func isEscape(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Err != nil && path.Err.Error() == "path escapes from parent"
}

// checkPart says what is wrong with the bounds of a part, or "".
func checkPart(number int, offset, size int64) string {
	switch {
	case number < 1 || number > maxParts:
		return "the part number is out of range"
	case size < 0 || size > maxPart:
		return "the part size is out of range"
	case offset < 0 || offset > math.MaxInt64-size:
		return "the part offset is out of range"
	}
	return ""
}
