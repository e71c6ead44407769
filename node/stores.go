package node

import (
	"fmt"
	"os"
	"path/filepath"

	"godwit/storage"
	"godwit/storage/dir"
	"godwit/storage/s3"
)

// openStores opens where results go. Files are left out where none may lie.
func (n *Node) openStores() (err error) {
	if n.state, err = parseStateStore(n.cfg.StateStore); err != nil {
		return err
	}
	pool := storage.NewBufferPool(int64(n.cfg.MemoryBudget))
	objects, err := s3.OpenObjects(n.state.objectConfig(pool))
	if err != nil {
		return fmt.Errorf("open the object store: %w", err)
	}
	n.objects = map[string]storage.ObjectStore{"s3": objects}
	return n.openFiles(pool)
}

// openFiles opens the store of files: for a person anywhere, otherwise below the
// roots and where sources are spooled.
func (n *Node) openFiles(pool *storage.BufferPool) error {
	var roots []string
	if spool := n.state.spoolDir(); spool != "" {
		if err := os.MkdirAll(spool, 0o700); err != nil {
			return &ConfigError{Key: "state-store", Message: "has no room for spooled sources", Err: err}
		}
		roots = append(roots, spool)
	}
	for _, root := range n.cfg.FileRoots {
		roots = append(roots, filepath.Clean(root))
	}
	switch {
	case n.role.foreground:
		roots = nil
	case len(roots) == 0:
		return nil
	}
	files, err := dir.OpenObjects(dir.Config{Roots: roots, Buffers: pool})
	if err != nil {
		return &ConfigError{Key: "file-root", Message: "cannot be opened", Err: err}
	}
	n.objects["file"] = files
	return nil
}
