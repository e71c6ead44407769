package command

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

const supported = true

// attributes make a process the leader of a group of its own that dies with the
// thread that starts it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit returns when a child has ended, and leaves it a zombie.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return // any other error says that there is no such child any more
		}
	}
}

// signalGroup sends a signal to all processes of a group. That there are none
// left is fine.
func signalGroup(leader int, signal syscall.Signal) { _ = syscall.Kill(-leader, signal) }
