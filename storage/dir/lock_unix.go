//go:build unix && !solaris && !illumos && !aix

package dir

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile waits for the exclusive lock of f. unlockFile gives it back, and so
// does the death of the process.
func lockFile(f *os.File) error { return flock(f, unix.LOCK_EX) }

// tryLockFile takes the exclusive lock of f if it is free.
func tryLockFile(f *os.File) (bool, error) {
	err := flock(f, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, os.NewSyscallError("flock", err)
}

func unlockFile(f *os.File) error { return flock(f, unix.LOCK_UN) }

// flock keeps f open while it waits, whoever closes it meanwhile.
func flock(f *os.File, how int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var locked error
	err = conn.Control(func(fd uintptr) {
		for {
			if locked = unix.Flock(int(fd), how); locked != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return locked
}
