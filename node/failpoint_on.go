//go:build history

package node

import (
	"os"
	"strings"
	"sync"
	"syscall"
)

// failpoint ends the process as kill -9 does when it reaches the point that the
// file named by GODWIT_FAILPOINT_FILE names; with "stop " before the point it only
// stands still there until it is sent SIGCONT. Whoever gets there takes the file
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
		text, err := os.ReadFile(path)
		wanted, stop := strings.CutPrefix(strings.TrimSpace(string(text)), "stop ")
		if err != nil || wanted != point || os.Remove(path) != nil {
			return
		}
		sig := syscall.SIGKILL
		if stop {
			sig = syscall.SIGSTOP
		}
		_ = syscall.Kill(os.Getpid(), sig)
	}
}
