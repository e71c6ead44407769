//go:build !linux

package dir

import (
	"errors"
	"io/fs"
	"os"
)

// nonBlock is no flag of open here.
const nonBlock = 0

// openFile opens a file of the folder; os.Root keeps links in check.
func (f *folder) openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return f.OpenFile(name, flag, perm)
}

// reserve and startWriteback are improvements that only Linux gets.
func reserve(*os.File, int64) error { return nil }

func startWriteback(*os.File, int64, int64) {}

// renameNew refuses: without a system call for it a rename may replace.
func renameNew(*folder, string, string) error { return errors.ErrUnsupported }

func isUnsupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }

func setAttr(*os.File, string, string) error { return errors.ErrUnsupported }

func getAttr(*os.File, string) (string, error) { return "", errors.ErrUnsupported }

func removeAttr(*os.File, string) error { return errors.ErrUnsupported }

// isUnlinked cannot know.
func isUnlinked(fs.FileInfo) bool { return false }

// identity knows nothing beyond size and modification time.
func identity(fs.FileInfo) (inode uint64, changed int64) { return 0, 0 }

// umask is the usual one.
func umask() fs.FileMode { return 0o022 }
