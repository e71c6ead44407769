//go:build !unix || solaris || illumos || aix

package dir

import (
	"errors"
	"os"
)

// lockFile, tryLockFile and unlockFile refuse: without file locks several
// processes cannot share a store.
func lockFile(*os.File) error { return errors.ErrUnsupported }

func tryLockFile(*os.File) (bool, error) { return false, errors.ErrUnsupported }

func unlockFile(*os.File) error { return errors.ErrUnsupported }
