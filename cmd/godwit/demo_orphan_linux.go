package main

import "syscall"

// dieWithParent makes a child end with the process that started it, even if
// that one is killed. The signal comes when the thread that started it ends
// (prctl(2), PR_SET_PDEATHSIG), which threads of this program do only with it.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
