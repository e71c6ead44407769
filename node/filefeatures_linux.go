package node

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// fileFeatures tries what results in a folder could make use of.
func fileFeatures(folder string) []feature {
	nameless := feature{name: "nameless files", detail: "files without a name (O_TMPFILE) work"}
	fd, err := unix.Open(folder, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		nameless.detail = "the file system has no nameless files (O_TMPFILE); named ones are used"
	} else {
		nameless.there = true
		// Nothing was written.
		_ = unix.Close(fd)
	}
	return []feature{nameless, attributes(folder)}
}

func attributes(folder string) feature {
	out := feature{name: "attributes", detail: "the file system has no extended attributes; a journal file is used"}
	f, err := os.CreateTemp(folder, ".godwit-probe-*")
	if err != nil {
		out.detail = "no file can be made there"
		return out
	}
	defer func() { _ = errors.Join(f.Close(), os.Remove(f.Name())) }()
	if unix.Fsetxattr(int(f.Fd()), "user.godwit.probe", []byte("1"), 0) == nil {
		out.there, out.detail = true, "extended attributes work"
	}
	return out
}
