package transfer

import "slices"

// CodeInfo is what is known of a code.
type CodeInfo struct {
	Code  Code
	Class Class
	// WebStatus is the WebErrorStatus name, when no HTTP status gives a better
	// one.
	WebStatus string
	// Exit is the exit code of a command that ends with this error.
	Exit int
	// HTTP is the status with which the API answers.
	HTTP int
	// Advice says to a person what may be done, in one sentence.
	Advice string
}

// Codes returns all codes, in the order of their groups.
func Codes() []CodeInfo { return slices.Clone(codeTable[:]) }

// Info returns what is known of a code; for an unknown one (of a newer
// version) what is known of internal.error, under its own name.
func (c Code) Info() CodeInfo {
	if i := slices.IndexFunc(codeTable[:], func(r CodeInfo) bool { return r.Code == c }); i >= 0 {
		return codeTable[i]
	}
	info := CodeInternal.Info()
	info.Code = c
	return info
}

// Class says what a failure means for the transfer.
func (c Code) Class() Class { return c.Info().Class }

// Retryable tells whether the same request may work later.
func (c Code) Retryable() bool {
	class := c.Class()
	return class == Transient || class == Restart
}

// String names the class as documents do.
func (c Class) String() string {
	switch c {
	case Permanent:
		return "permanent"
	case Transient:
		return "transient"
	case Restart:
		return "restart"
	case Refused:
		return "refused"
	}
	return "unknown"
}

// invalid makes the error of a field that is not acceptable.
func invalid(code Code, field, format string, args ...any) *Error {
	e := Errorf(code, format, args...)
	e.Op, e.Field = "validate", field
	return e
}
