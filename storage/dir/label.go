package dir

import (
	"errors"
	"os"
)

// The extended attributes that label files: the token of a published object,
// and the journal entry of a partial file that has no journal.
const (
	tokenAttr = "user.godwit.token"
	partAttr  = "user.godwit.part"
)

// setLabel labels f. errors.ErrUnsupported when the file system keeps no
// extended attributes.
func (o *Objects) setLabel(f *os.File, attr, value string) error {
	if o.noXattr {
		return errors.ErrUnsupported
	}
	return setAttr(f, attr, value)
}

// label reads a label of f, "" when it has none. errors.ErrUnsupported when
// the file system keeps no extended attributes.
func (o *Objects) label(f *os.File, attr string) (string, error) {
	if o.noXattr {
		return "", errors.ErrUnsupported
	}
	return getAttr(f, attr)
}

// removeLabel removes a label of f, if it has it.
func (o *Objects) removeLabel(f *os.File, attr string) error {
	if o.noXattr {
		return nil
	}
	if err := removeAttr(f, attr); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
