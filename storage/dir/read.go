package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"godwit/storage"
)

// Stat implements [storage.ObjectStore]. ErrInvalid when what has the name is
// not a regular file, ErrNotFolder when the name lies below one.
func (o *Objects) Stat(ctx context.Context, name string) (storage.ObjectInfo, error) {
	f, info, err := o.openObject(ctx, "stat", name)
	if err != nil {
		return storage.ObjectInfo{}, err
	}
	_ = f.Close()
	return info, nil
}

// Open implements [storage.ObjectStore]. ErrInvalid when offset is negative or
// beyond the end.
func (o *Objects) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, storage.ObjectInfo, error) {
	const op = "open"
	f, info, err := o.openObject(ctx, op, name)
	if err != nil {
		return nil, storage.ObjectInfo{}, err
	}
	if offset < 0 || offset > info.Size {
		_ = f.Close()
		return nil, storage.ObjectInfo{}, refuse(op, name, "the offset is out of range")
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		_ = f.Close()
		return nil, storage.ObjectInfo{}, fail(op, name, storage.ErrUnavailable, err)
	}
	return f, info, nil
}

// openObject opens a published file for reading. It follows a symbolic link,
// which for a source is what people mean, but not out of a root. It does not
// wait for the other end of a pipe.
func (o *Objects) openObject(ctx context.Context, op, name string) (*os.File, storage.ObjectInfo, error) {
	p, err := o.openNamed(ctx, op, name, false)
	if err != nil {
		return nil, storage.ObjectInfo{}, err
	}
	defer p.Close()
	f, err := p.OpenFile(p.base, os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return nil, storage.ObjectInfo{}, o.fail(op, name, err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, storage.ObjectInfo{}, fail(op, name, storage.ErrUnavailable, err)
	}
	if !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, storage.ObjectInfo{}, refuse(op, name, "not a regular file")
	}
	return f, o.describe(f, info), nil
}

// describe makes the description of a published file. Its ETag names the file
// and its last change, so that content put there by other programs is noticed
// even when they set the modification time back.
func (o *Objects) describe(f *os.File, info fs.FileInfo) storage.ObjectInfo {
	token, err := o.label(f, tokenAttr)
	if err != nil {
		token = ""
	}
	inode, changed := identity(info)
	return storage.ObjectInfo{
		Size:    info.Size(),
		ModTime: info.ModTime(),
		ETag:    fmt.Sprintf("%x-%x-%x-%x", inode, info.Size(), info.ModTime().UnixNano(), changed),
		Token:   token,
	}
}

// ReadBack implements [storage.ObjectStore]. ErrPartLost when fewer than size
// bytes have been written.
func (o *Objects) ReadBack(ctx context.Context, up storage.Upload, size int64) (io.ReadCloser, error) {
	const op = "read back"
	p, err := o.openUpload(ctx, op, up)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	f, err := p.openFile(up.ID, os.O_RDONLY, 0)
	if err != nil {
		return nil, noUpload(op, up, err)
	}
	info, err := f.Stat()
	if err == nil && (size < 0 || size > info.Size()) {
		err = &storage.Error{Op: op, Name: up.Name, Kind: storage.ErrPartLost, Err: errors.New("the partial file is too short")}
	}
	if err != nil {
		_ = f.Close()
		return nil, fail(op, up.Name, storage.ErrUnavailable, err)
	}
	return readBack{Reader: io.LimitReader(f, size), Closer: f}, nil
}

// readBack is the beginning of a partial file.
type readBack struct {
	io.Reader
	io.Closer
}
