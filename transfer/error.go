package transfer

import (
	"fmt"
	"time"
)

// Error is a failure that users see. It names a stable code; what the code
// means for retrying is decided in one place, [Code.Class].
type Error struct {
	Code Code
	// Op is the operation, Subject what it was done to (a host, a path, a
	// field's value); neither ever holds a secret.
	Op, Subject string
	// Field is the request field concerned, for validation errors.
	Field string
	// Message tells a person what happened and what to do.
	Message string
	// Status is the HTTP status behind it, or 0.
	Status int
	// RetryAfter is how long the far side asked to wait, or 0.
	RetryAfter time.Duration
	// Err is the cause; its text is not shown to users.
	Err error
}

func (e *Error) Error() string {
	s := string(e.Code)
	if e.Op != "" {
		s += ": " + e.Op
	}
	if e.Subject != "" {
		s += " " + e.Subject
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is matches errors of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Errorf makes an Error with a formatted message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
