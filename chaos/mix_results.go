package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
)

// mixResults are objects as their store has them, past every proxy.
type mixResults interface {
	// open reads one; fs.ErrNotExist when there is none.
	open(name string) (r io.ReadCloser, size int64, err error)
	remove(name string) error
}

// fakeResults are those of an s3test.Fake.
type fakeResults struct{ endpoint string }

func (f fakeResults) ask(method, name string) (*http.Response, error) {
	r, err := http.NewRequest(method, f.endpoint+"/results/"+name, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", name, err)
	}
	return resp, nil
}

func (f fakeResults) open(name string) (io.ReadCloser, int64, error) {
	resp, err := f.ask(http.MethodGet, name)
	if err != nil {
		return nil, 0, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close() // it says nothing more
		return nil, 0, fmt.Errorf("%w: %s", fs.ErrNotExist, resp.Status)
	}
	return resp.Body, resp.ContentLength, nil
}

func (f fakeResults) remove(name string) error {
	resp, err := f.ask(http.MethodDelete, name)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// folderResults are files: those of a versitygw, whose buckets are folders, and
// those that are the results themselves.
type folderResults struct{ folder string }

func (f folderResults) open(name string) (io.ReadCloser, int64, error) {
	file, err := os.Open(filepath.Join(f.folder, name))
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func (f folderResults) remove(name string) error { return os.Remove(filepath.Join(f.folder, name)) }

func newBytes(b []byte) io.Reader { return bytes.NewReader(bytes.Clone(b)) }
