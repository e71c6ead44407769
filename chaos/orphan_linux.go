package chaos

import "syscall"

// attributes put a process into a group of its own, and have it killed when the
// harness ends, even if that one is killed or panics. The signal comes when the
// thread that started it ends (prctl(2), PR_SET_PDEATHSIG), which threads of this
// program do only with it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
