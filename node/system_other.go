//go:build !unix

package node

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// tryLock is not available here: sharing a data dir needs locks that end with
// their process.
func tryLock(string) (io.Closer, error) {
	return nil, fmt.Errorf("embedded nodes need a system with flock: %w", errors.ErrUnsupported)
}

func ownedByUs(os.FileInfo) bool { return false }

func ownedByRoot(os.FileInfo) bool { return false }

func fileSystem(os.FileInfo) string { return "" }

func closeToOthers(uintptr) {}
