//go:build !linux

package main

import "syscall"

// dieWithParent does nothing where the system has no such thing: the child is
// killed when the demo ends, but not when the demo itself is.
func dieWithParent() *syscall.SysProcAttr { return nil }
