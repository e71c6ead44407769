package node

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// errLocked tells that another process holds a lock.
var errLocked = errors.New("another process holds the lock")

// serveLock is held by the one `serve` that may run on a data dir. It is not the
// lock of embedded nodes: they may share the state store with a server.
const serveLock = "serve.lock"

// lockDataDir makes the data dir and takes it for this process. Where there are
// no locks the lease of the node's name has to do.
func lockDataDir(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &ConfigError{Key: "data-dir", Message: "cannot be made", Err: err}
	}
	lock, err := tryLock(filepath.Join(dir, serveLock))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return io.NopCloser(nil), nil
	case errors.Is(err, errLocked):
		return nil, &ConfigError{Key: "data-dir", Message: "another process serves from it", Err: err}
	case err != nil:
		return nil, &ConfigError{Key: "data-dir", Message: "cannot be locked", Err: err}
	}
	return lock, nil
}
