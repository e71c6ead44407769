package dir

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// nonBlock is the flag of open that does not wait for the other end of a pipe.
const nonBlock = unix.O_NONBLOCK

// openFile opens a file of the folder, never through a symbolic link. A name
// without a slash cannot lead elsewhere, so it need not be walked as os.Root
// walks a path, which takes three times as many system calls.
func (f *folder) openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	for {
		fd, err := unix.Openat(int(f.handle.Fd()), name, flag|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()))
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if !errors.Is(err, unix.EINTR) {
			return nil, &fs.PathError{Op: "openat", Path: name, Err: err}
		}
	}
}

// reserve takes the space for size bytes without changing the file's size.
// File systems that cannot do that are no error.
func reserve(f *os.File, size int64) error {
	if size <= 0 {
		return nil
	}
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return os.NewSyscallError("fallocate", err)
}

// startWriteback asks the system to begin writing a range, so that less is
// left to write when the object is synced. It promises nothing, so its
// failure means nothing.
func startWriteback(f *os.File, offset, size int64) {
	if size > 0 {
		_ = unix.SyncFileRange(int(f.Fd()), offset, size, unix.SYNC_FILE_RANGE_WRITE)
	}
}

// renameNew renames within a folder to a name that nobody has; fs.ErrExist
// when somebody does.
func renameNew(f *folder, from, to string) error {
	fd := int(f.handle.Fd())
	return os.NewSyscallError("renameat2", unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE))
}

// isUnsupported tells that the file system knows no such rename (some network
// and user-space ones).
func isUnsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, unix.EINVAL)
}

func setAttr(f *os.File, name, value string) error {
	return os.NewSyscallError("fsetxattr", unix.Fsetxattr(int(f.Fd()), name, []byte(value), 0))
}

// getAttr returns an extended attribute, "" when the file has none of that
// name.
func getAttr(f *os.File, name string) (string, error) {
	value := make([]byte, maxName)
	n, err := unix.Fgetxattr(int(f.Fd()), name, value)
	switch {
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.ERANGE):
		return "", nil
	case err != nil:
		return "", os.NewSyscallError("fgetxattr", err)
	}
	return string(value[:n]), nil
}

// removeAttr removes an extended attribute that may not be there.
func removeAttr(f *os.File, name string) error {
	err := unix.Fremovexattr(int(f.Fd()), name)
	if errors.Is(err, unix.ENODATA) {
		return nil
	}
	return os.NewSyscallError("fremovexattr", err)
}

// isUnlinked tells that a file has lost its last name.
func isUnlinked(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == 0
}

// identity returns what names a file for as long as it exists, and the time
// of its last change of any kind, in nanoseconds.
func identity(info fs.FileInfo) (inode uint64, changed int64) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino, stat.Ctim.Nano()
	}
	return 0, 0
}

// umask reads the mask of this process without changing it; 022 when the
// system does not say.
func umask() fs.FileMode {
	const usual = 0o022
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return usual
	}
	for line := range bytes.Lines(status) {
		if text, ok := bytes.CutPrefix(line, []byte("Umask:")); ok {
			mask, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 8, 16)
			if err == nil {
				return fs.FileMode(mask) & fs.ModePerm
			}
		}
	}
	return usual
}
