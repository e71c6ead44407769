//go:build !linux

package chaos

import "syscall"

// attributes put a process into a group of its own. It is killed when a scenario
// ends, but not when the harness itself is killed.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
