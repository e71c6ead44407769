//go:build !linux

package dir

import "os"

// syncData flushes content and size of f.
func syncData(f *os.File) error { return f.Sync() }
