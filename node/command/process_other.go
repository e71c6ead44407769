//go:build !linux

package command

import "syscall"

// supported: without a way to wait for a child and leave it a zombie, a group
// cannot be killed for certain.
const supported = false

func attributes() *syscall.SysProcAttr { return nil }

func awaitExit(int) {}

func signalGroup(int, syscall.Signal) {}
