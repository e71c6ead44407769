//go:build unix

package node

import (
	"errors"
	"io"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// tryLock takes the lock that a file stands for, or fails with errLocked. The
// lock ends with Close or with the process, however that ends.
func tryLock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		err = errLocked
	}
	return nil, errors.Join(err, f.Close())
}

func ownedByUs(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}

func ownedByRoot(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid == 0
}

// fileSystem identifies the file system that a file lies on.
func fileSystem(info os.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return strconv.FormatUint(uint64(st.Dev), 16)
}

// closeToOthers takes a socket's mode away from others before it has a name.
// Linux makes the name with it; what other systems say does not matter.
func closeToOthers(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) }
