package dir

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData flushes content and size of f, not its times.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
