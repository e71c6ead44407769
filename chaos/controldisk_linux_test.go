package chaos

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// Of ext4: stop at once, and write nothing of what memory holds.
const (
	goingDown        = 0x8004587d
	goingDownNoFlush = 2
)

// cut takes the power away: what was not synced is lost.
func (d *disk) cut() error {
	f, err := os.Open(d.path)
	if err != nil {
		return fmt.Errorf("cut the power: %w", err)
	}
	how := uint32(goingDownNoFlush)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), goingDown, uintptr(unsafe.Pointer(&how)))
	_ = f.Close() // it was only read
	if errno != 0 {
		return fmt.Errorf("cut the power: %w", errno)
	}
	return command(d.p.ctx, "umount", d.path)
}
