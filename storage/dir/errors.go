package dir

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"godwit/storage"
)

// fail reports err of an operation as a *storage.Error, whose kind follows
// from the cause; what no rule knows gets the kind otherwise. The kind of a
// *storage.Error stays, and one of this very operation says all already.
func fail(op, name string, otherwise storage.Kind, err error) error {
	var e *storage.Error
	if errors.As(err, &e) && e.Op == op && e.Name == name {
		return e
	}
	return &storage.Error{Op: op, Name: name, Kind: classify(err, otherwise), Err: err}
}

// refuse reports what is wrong with a request.
func refuse(op, name, reason string) error {
	return &storage.Error{Op: op, Name: name, Kind: storage.ErrInvalid, Err: errors.New(reason)}
}

// classify gives the kind of a system error.
func classify(err error, otherwise storage.Kind) storage.Kind {
	if kind := storage.KindOf(err); kind != "" {
		return kind
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return otherwise
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return storage.ErrFull
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return storage.ErrDenied
	case errors.Is(err, fs.ErrNotExist):
		return storage.ErrNotFound
	case errors.Is(err, syscall.ENOTDIR):
		return storage.ErrNotFolder
	case errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.EFBIG):
		return storage.ErrInvalid
	}
	return otherwise
}
