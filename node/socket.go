package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// maxSocketPath is the longest path that every system takes for a socket:
// sockaddr_un has room for 104 bytes on BSD and 108 on Linux, one of them NUL.
const maxSocketPath = 103

// socketPath is where the node of a data dir listens: in the data dir or, when
// that path is too long for a socket, in a private folder of its own.
func socketPath(dataDir string) (string, error) {
	path := filepath.Join(dataDir, socketFile)
	if len(path) <= maxSocketPath {
		return path, nil
	}
	sum := sha256.Sum256([]byte(dataDir))
	folder := filepath.Join(os.TempDir(), fmt.Sprintf("godwit-%d-%x", os.Getuid(), sum[:8]))
	path = filepath.Join(folder, socketFile)
	if len(path) > maxSocketPath {
		return "", wrong("data-dir", "the paths of data dir and temporary folder are both too long for a socket")
	}
	return path, privateFolder(folder)
}

// privateFolder makes a folder that only we can use; one that is there must be
// ours alone, because anybody can make names in a temporary folder.
func privateFolder(path string) error {
	err := os.Mkdir(path, 0o700)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm() != 0o700 || !ownedByUs(info) {
		return fmt.Errorf("%s belongs to somebody else or is open to others", path)
	}
	return nil
}

// privately makes a socket ours alone from its first moment, where the system
// can do that; elsewhere the folder has to.
var privately = net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
	return c.Control(closeToOthers)
}}

// listenPrivate listens on a socket that only we can connect to. Who calls it
// holds the lock, so that a socket that is there is a dead one.
func listenPrivate(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := privately.Listen(context.Background(), "unix", path) // nothing waits
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
