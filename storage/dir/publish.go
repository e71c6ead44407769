package dir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"godwit/storage"
)

// Complete implements [storage.ObjectStore].
//
// The order of its steps makes it safe to die between any two, and to be
// repeated by anybody: the partial file is checked, labelled with the token
// and synced; it is renamed to the object's name, or linked and unlinked where
// the system knows no rename that replaces nothing; the folder is synced; last
// the journal goes. Should both names exist they are the same file, and
// afterwards the token on the file tells whose it is.
//
// Where the file system keeps no extended attributes there is no token. There
// an object counts as ours when its size and CRC-64 are those of opts: then
// the result is exactly what completing would have made.
func (o *Objects) Complete(ctx context.Context, up storage.Upload, parts []storage.Part, opts storage.CompleteOptions) (storage.ObjectInfo, error) {
	const op = "complete"
	p, err := o.openUpload(ctx, op, up)
	if err != nil {
		return storage.ObjectInfo{}, err
	}
	defer p.Close()
	if err := checkToken(op, up.Name, opts.Token); err != nil {
		return storage.ObjectInfo{}, err
	}
	c := &completion{o: o, place: p, op: op, up: up, opts: opts}
	defer c.close()
	c.file, err = p.openFile(up.ID, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = c.recognise(ctx)
	case err != nil:
		err = noUpload(op, up, err)
	default:
		if err = c.prepare(ctx, parts); err == nil {
			err = c.publish()
		}
	}
	if err != nil {
		return storage.ObjectInfo{}, err
	}
	return c.finish()
}

// completion is one run of Complete.
type completion struct {
	o *Objects
	*place
	op   string
	up   storage.Upload
	opts storage.CompleteOptions
	// file is the partial file, or the object once that is recognised.
	file *os.File
	// bare tells that there is no journal to give up.
	bare bool
}

func (c *completion) close() {
	if c.file != nil {
		_ = c.file.Close()
	}
}

// recognise finds out whether the object is there because this upload was
// completed before; ErrNoUpload when not.
func (c *completion) recognise(ctx context.Context) error {
	info, err := c.lstat(c.base)
	if err != nil {
		return c.o.fail(c.op, c.up.Name, err)
	}
	if info != nil && info.Mode().IsRegular() && info.Size() == c.opts.Size {
		ours, err := c.isOurs(ctx)
		if err != nil {
			return c.o.fail(c.op, c.up.Name, err)
		}
		if ours {
			return nil
		}
	}
	return &storage.Error{Op: c.op, Name: c.up.Name, Kind: storage.ErrNoUpload}
}

// isOurs compares the token of the published file, or its content where there
// can be no token.
func (c *completion) isOurs(ctx context.Context) (bool, error) {
	var err error
	if c.file, err = c.openFile(c.base, os.O_RDONLY|nonBlock, 0); err != nil {
		return false, err
	}
	token, err := c.o.label(c.file, tokenAttr)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err == nil && token == c.opts.Token, err
	}
	buf, err := c.o.buffers.Get(ctx, storage.StreamBuffer)
	if err != nil {
		return false, err
	}
	defer c.o.buffers.Put(buf)
	sum, err := checksum(ctx, c.file, buf)
	return sum == (summed{c.opts.Size, c.opts.CRC64}), err
}

// prepare makes the partial file what the object shall be, and durable.
func (c *completion) prepare(ctx context.Context, parts []storage.Part) error {
	partial, err := c.file.Stat()
	if err != nil {
		return c.o.fail(c.op, c.up.Name, err)
	}
	published, err := c.lstat(c.base)
	switch {
	case err != nil:
		return c.o.fail(c.op, c.up.Name, err)
	case published != nil && os.SameFile(partial, published):
		return nil // all this happened before somebody died
	case published != nil && !c.opts.Replace:
		return &storage.Error{Op: c.op, Name: c.up.Name, Kind: storage.ErrExists}
	}
	journal, bare, err := c.o.recorded(c.place, c.file, c.up.ID)
	if err != nil {
		return noUpload(c.op, c.up, err)
	}
	c.bare = bare
	if err := checkParts(c.op, c.up.Name, parts, journal, c.opts); err != nil {
		return err
	}
	if err := c.check(ctx, parts); err != nil {
		return err
	}
	if err := c.trim(partial.Size()); err != nil {
		return err
	}
	if err := c.dress(c.mode(published)); err != nil {
		return c.o.fail(c.op, c.up.Name, err)
	}
	if err := c.file.Sync(); err != nil {
		return c.o.distrust(c.place, c.file, c.op, c.up, err)
	}
	return nil
}

// check reads the parts again if that is asked for.
func (c *completion) check(ctx context.Context, parts []storage.Part) error {
	if !c.opts.Check {
		return nil
	}
	intact, err := c.o.intact(ctx, c.file, parts)
	if err != nil {
		return fail(c.op, c.up.Name, storage.ErrUnavailable, err)
	}
	if len(intact) < len(parts) {
		return &storage.Error{
			Op: c.op, Name: c.up.Name, Kind: storage.ErrPartLost,
			Err: errors.New("bytes of the partial file have changed since they were written"),
		}
	}
	return nil
}

// trim cuts what lies beyond the object's end: parts of an older plan, or
// space reserved for more.
func (c *completion) trim(size int64) error {
	if size < c.opts.Size {
		return &storage.Error{
			Op: c.op, Name: c.up.Name, Kind: storage.ErrPartLost,
			Err: errors.New("the partial file is too short"),
		}
	}
	if size > c.opts.Size {
		if err := c.file.Truncate(c.opts.Size); err != nil {
			return c.o.fail(c.op, c.up.Name, err)
		}
	}
	return nil
}

// mode is that of a new file; one that takes another's place is not open to
// anybody to whom that was not.
func (c *completion) mode(replaced fs.FileInfo) fs.FileMode {
	const owner = 0o700
	if replaced == nil {
		return c.o.mode
	}
	return c.o.mode & (replaced.Mode().Perm() | owner)
}

// dress gives the file the token, times and mode of the finished object. The
// label of its part stays until it is published: until then it is needed.
func (c *completion) dress(mode fs.FileMode) error {
	err := c.o.setLabel(c.file, tokenAttr, c.opts.Token)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := c.file.Chmod(mode); err != nil {
		return err
	}
	if c.opts.ModTime.IsZero() {
		return nil
	}
	return c.Chtimes(c.up.ID, c.opts.ModTime, c.opts.ModTime)
}

// publish gives the file the object's name.
func (c *completion) publish() error {
	if c.opts.Replace {
		return c.replace()
	}
	err := renameNew(c.folder, c.up.ID, c.base)
	if err == nil {
		return nil
	}
	if isUnsupported(err) {
		err = c.Link(c.up.ID, c.base)
	}
	if errors.Is(err, fs.ErrExist) && c.isLinked() {
		err = nil
	}
	if err == nil {
		err = c.remove(c.up.ID)
	}
	if err != nil {
		return c.o.fail(c.op, c.up.Name, err)
	}
	return nil
}

// isLinked tells that object and partial file are the same file.
func (c *completion) isLinked() bool {
	partial, err1 := c.Lstat(c.up.ID)
	published, err2 := c.Lstat(c.base)
	return err1 == nil && err2 == nil && os.SameFile(partial, published)
}

// replace gives the file the object's name, from a regular file or nobody.
// Renaming a file to itself does nothing, so the same file under both names
// only loses one.
func (c *completion) replace() error {
	info, err := c.lstat(c.base)
	switch {
	case err != nil:
	case info != nil && !info.Mode().IsRegular():
		return refuse(c.op, c.up.Name, "what is there is not a regular file")
	case c.isLinked():
		err = c.remove(c.up.ID)
	default:
		err = c.Rename(c.up.ID, c.base)
	}
	if err != nil {
		return c.o.fail(c.op, c.up.Name, err)
	}
	return nil
}

// finish makes the name durable and only then gives up the journal, without
// which a power loss would turn the object back into a heap of unknown bytes.
func (c *completion) finish() (storage.ObjectInfo, error) {
	if err := c.o.syncs.Sync(filepath.Dir(c.up.Name)); err != nil {
		return storage.ObjectInfo{}, &storage.Error{Op: c.op, Name: c.up.Name, Kind: storage.ErrUnknown, Err: err}
	}
	if !c.bare {
		if err := c.remove(journalName(c.up.ID)); err != nil {
			return storage.ObjectInfo{}, fail(c.op, c.up.Name, storage.ErrUnknown, err)
		}
	}
	if err := c.o.removeLabel(c.file, partAttr); err != nil {
		return storage.ObjectInfo{}, fail(c.op, c.up.Name, storage.ErrUnknown, err)
	}
	stat, err := c.file.Stat()
	if err != nil {
		return storage.ObjectInfo{}, fail(c.op, c.up.Name, storage.ErrUnknown, err)
	}
	info := c.o.describe(c.file, stat)
	info.CRC64, info.HasCRC64 = c.opts.CRC64, true
	return info, nil
}
