package actorstest

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/minio/crc64nvme"

	"godwit/storage"
)

// Objects is an object store in memory. It is safe for use by several
// goroutines.
type Objects struct {
	limits storage.Limits

	mu        sync.Mutex
	serial    int
	uploads   map[string]*upload // by id
	published map[string]object  // by name
	commits   int
}

type upload struct {
	name, token string
	parts       map[int]part
}

type part struct {
	storage.Part
	data []byte
}

type object struct {
	info storage.ObjectInfo
	data []byte
}

var _ storage.ObjectStore = (*Objects)(nil)

// NewObjects returns an empty store that accepts plans of parts as limits say.
func NewObjects(limits storage.Limits) *Objects {
	return &Objects{limits: limits, uploads: map[string]*upload{}, published: map[string]object{}}
}

// Result is the published content of a name, nil if there is none.
func (o *Objects) Result(name string) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.published[name].data
}

// Publish puts an object there that no transfer has made.
func (o *Objects) Publish(name string, data []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.published[name] = object{info: storage.ObjectInfo{Size: int64(len(data)), ETag: fmt.Sprintf("%08x", crc32.ChecksumIEEE(data))}, data: data}
}

// Published are the names of objects that begin with prefix.
func (o *Objects) Published(prefix string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	names := slices.Sorted(maps.Keys(o.published))
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

// Unpublish takes away what is published.
func (o *Objects) Unpublish(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.published, name)
}

// Uploads are the ids of unfinished objects.
func (o *Objects) Uploads() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.uploads))
}

// Commits counts the parts stored so far, those stored again included.
func (o *Objects) Commits() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.commits
}

// Limits implements [storage.ObjectStore].
func (o *Objects) Limits() storage.Limits { return o.limits }

// Stat implements [storage.ObjectStore].
func (o *Objects) Stat(_ context.Context, name string) (storage.ObjectInfo, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj, ok := o.published[name]
	if !ok {
		return storage.ObjectInfo{}, fail("stat", name, storage.ErrNotFound)
	}
	return obj.info, nil
}

// Begin implements [storage.ObjectStore]. A fenced store gives each upload an
// id of its own, others derive it from the token.
func (o *Objects) Begin(_ context.Context, name string, opts storage.BeginOptions) (storage.Upload, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if opts.Retry {
		maps.DeleteFunc(o.uploads, func(_ string, u *upload) bool { return u.token == opts.Token })
	}
	id := opts.Token
	if o.limits.Fenced {
		o.serial++
		id = fmt.Sprintf("%s#%d", opts.Token, o.serial)
	}
	if _, ok := o.uploads[id]; ok {
		return storage.Upload{}, fail("begin", name, storage.ErrInvalid)
	}
	o.uploads[id] = &upload{name: name, token: opts.Token, parts: map[int]part{}}
	return storage.Upload{Name: name, ID: id}, nil
}

// ListParts implements [storage.ObjectStore].
func (o *Objects) ListParts(_ context.Context, up storage.Upload) ([]storage.Part, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	u, ok := o.uploads[up.ID]
	if !ok {
		return nil, fail("list parts", up.Name, storage.ErrNoUpload)
	}
	var out []storage.Part
	for _, n := range slices.Sorted(maps.Keys(u.parts)) {
		out = append(out, u.parts[n].Part)
	}
	return out, nil
}

// Sync implements [storage.ObjectStore].
func (o *Objects) Sync(context.Context, storage.Upload) error { return nil }

// ReadBack implements [storage.ObjectStore].
func (o *Objects) ReadBack(_ context.Context, up storage.Upload, size int64) (io.ReadCloser, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	u, ok := o.uploads[up.ID]
	switch {
	case o.limits.Buffered:
		return nil, fail("read back", up.Name, storage.ErrUnsupported)
	case !ok:
		return nil, fail("read back", up.Name, storage.ErrNoUpload)
	}
	data := u.join()
	return io.NopCloser(bytes.NewReader(data[:min(size, int64(len(data)))])), nil
}

// join is the content up to the first gap.
func (u *upload) join() []byte {
	var out []byte
	for n := 1; ; n++ {
		p, ok := u.parts[n]
		if !ok {
			return out
		}
		out = append(out, p.data...)
	}
}

// Complete implements [storage.ObjectStore].
func (o *Objects) Complete(_ context.Context, up storage.Upload, parts []storage.Part, opts storage.CompleteOptions) (storage.ObjectInfo, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	there, exists := o.published[up.Name]
	if exists && there.info.Token == opts.Token {
		return there.info, nil
	}
	u, ok := o.uploads[up.ID]
	switch {
	case !ok:
		return storage.ObjectInfo{}, fail("complete", up.Name, storage.ErrNoUpload)
	case exists && !opts.Replace:
		return storage.ObjectInfo{}, fail("complete", up.Name, storage.ErrExists)
	}
	for _, p := range parts {
		if u.parts[p.Number].Part != p {
			return storage.ObjectInfo{}, fail("complete", up.Name, storage.ErrPartLost)
		}
	}
	data := u.join()
	if int64(len(data)) != opts.Size || crc64nvme.Checksum(data) != opts.CRC64 {
		return storage.ObjectInfo{}, fail("complete", up.Name, storage.ErrCorrupt)
	}
	info := storage.ObjectInfo{Size: opts.Size, Token: opts.Token, CRC64: opts.CRC64, HasCRC64: true}
	o.published[up.Name] = object{info: info, data: data}
	delete(o.uploads, up.ID)
	return info, nil
}

// Abort implements [storage.ObjectStore].
func (o *Objects) Abort(_ context.Context, up storage.Upload) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.uploads, up.ID)
	return nil
}

// Delete implements [storage.ObjectStore].
func (o *Objects) Delete(_ context.Context, name string) error {
	o.Unpublish(name)
	return nil
}

// Open implements [storage.ObjectStore].
func (o *Objects) Open(_ context.Context, name string, offset int64) (io.ReadCloser, storage.ObjectInfo, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj, ok := o.published[name]
	if !ok {
		return nil, storage.ObjectInfo{}, fail("open", name, storage.ErrNotFound)
	}
	if offset > obj.info.Size {
		return nil, storage.ObjectInfo{}, fail("open", name, storage.ErrInvalid)
	}
	return io.NopCloser(strings.NewReader(string(obj.data[offset:]))), obj.info, nil
}

func fail(op, name string, kind storage.Kind) error {
	return &storage.Error{Op: op, Name: name, Kind: kind}
}
