package send

import (
	"errors"

	"godwit/transfer"
)

// asError makes sure that a failure to read has a code.
func asError(err error) *transfer.Error {
	var e *transfer.Error
	if errors.As(err, &e) {
		return e
	}
	return &transfer.Error{Code: transfer.CodeStoreUnavailable, Op: "read source", Message: "the source cannot be read", Err: err}
}
