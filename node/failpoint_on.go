//go:build history

package node

import (
	"os"
	"strings"
	"sync"
	"syscall"
)

// failpoint ends the process as kill -9 does when it reaches the point that the
// file named by GODWIT_FAILPOINT_FILE names. Whoever gets there takes the file
// away first, so that only one node of a test dies.
func failpoint() func(string) {
	path := os.Getenv("GODWIT_FAILPOINT_FILE")
	if path == "" {
		return nil
	}
	var mu sync.Mutex
	return func(point string) {
		mu.Lock()
		defer mu.Unlock()
		wanted, err := os.ReadFile(path)
		if err != nil || strings.TrimSpace(string(wanted)) != point || os.Remove(path) != nil {
			return
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}
