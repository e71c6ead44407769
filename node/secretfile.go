package node

import (
	"fmt"
	"io"
	"os"
)

// Permission bits that a secret file must not have. The key of all secrets is its
// owner's only, unless the owner is root and the node is not: Kubernetes and
// systemd let a service read what they mount for it by its group.
const (
	othersRead os.FileMode = 0o007
	notOwner   os.FileMode = 0o077
	groupReads os.FileMode = 0o040
)

// maxSecret bounds a secret file in bytes.
const maxSecret = 64 << 10

// checkPrivate fails unless path is a regular file without the forbidden
// permission bits.
func checkPrivate(path string, forbidden os.FileMode) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return privateInfo(path, info, forbidden)
}

func privateInfo(path string, info os.FileInfo, forbidden os.FileMode) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", path)
	}
	if mode := info.Mode().Perm(); mode&lent(forbidden, ownedByRoot(info), os.Getuid()) != 0 {
		return fmt.Errorf("%w: %s has mode %04o, use chmod 600", errPermissions, path, mode)
	}
	return nil
}

// lent is what is forbidden where root may have lent a file to this process.
func lent(forbidden os.FileMode, ownedByRoot bool, self int) os.FileMode {
	if ownedByRoot && self != 0 {
		return forbidden &^ groupReads
	}
	return forbidden
}

// readPrivate reads a secret file. It looks at the permissions of the file it
// opened, so that it cannot be swapped in between.
func readPrivate(path string, forbidden os.FileMode) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := privateInfo(path, info, forbidden); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxSecret {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxSecret)
	}
	return content, nil
}
