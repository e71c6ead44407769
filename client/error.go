package client

import (
	"context"
	"errors"
	"net"

	"connectrpc.com/connect"

	pb "godwit/protos/godwit/v1"
)

// Codes that this package itself makes. All others come from the server.
const (
	// CodeInvalid: the client is configured wrongly.
	CodeInvalid = "client.invalid"
	// CodeUnreachable: no server answered.
	CodeUnreachable = "server.unreachable"
	// CodeNotReady: the server starts, drains or stops.
	CodeNotReady = "server.not_ready"
	// CodeIncompatible: what answered does not speak this API.
	CodeIncompatible = "server.incompatible"
	// CodeInterrupted: the caller's context ended first.
	CodeInterrupted = "client.interrupted"
	// CodeAuth: the server wants other credentials and gave no reason of its own.
	CodeAuth = "auth.required"
	// CodeCanceled: the transfer waited for was canceled.
	CodeCanceled = "transfer.canceled"
	// CodeInternal: the server failed and gave no reason of its own.
	CodeInternal = "internal.error"
)

// Codes of servers that this package acts on.
const (
	// The server has done nothing: another one may.
	codeStopping = "server.stopping"
	codeNotOwner = "server.not_owner"
	// The server could not reach the node concerned: another one may.
	codeNodeUnreachable = "node.unreachable"
	// What was read so far is not part of the result any more.
	codeSourceChanged = "source.changed"
	// The result ends before the offset.
	codeOffset = "offset.invalid"
)

// Error is how every call of this package fails.
type Error struct {
	// Op is what was tried, for example "get transfer", and ID the transfer, group,
	// task or node concerned, if any.
	Op, ID string
	// Code is stable; see the table of codes in the documentation.
	Code string
	// Field is the field of the request that was refused, if one was.
	Field string
	// Message is for a person.
	Message string
	// Retryable tells that the same call may work later.
	Retryable bool
	// Err is the cause, if the failure did not come from a server.
	Err error
}

func (e *Error) Error() string {
	s := e.Op
	if e.ID != "" {
		s += " " + e.ID
	}
	s += ": " + e.Code
	if e.Field != "" {
		s += " (" + e.Field + ")"
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// Unwrap returns the cause, so that errors.Is finds context.Canceled.
func (e *Error) Unwrap() error { return e.Err }

// Is matches errors of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// nothingDone tells that a server refused because of itself: another one, or
// the same one a little later, may take the same request.
func (e *Error) nothingDone() bool {
	return e.Code == codeStopping || e.Code == codeNotOwner
}

// CodeOf returns the code of err, or "" when it is no *Error.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// ErrorOf returns why a terminal transfer has no result: nil for a completed
// one, and for one that is not terminal.
func ErrorOf(t *pb.Transfer) error {
	switch t.GetStatus() {
	case pb.Transfer_FAILED:
		return fromMessage("wait for transfer", t.GetId(), t.GetError())
	case pb.Transfer_CANCELED:
		return &Error{Op: "wait for transfer", ID: t.GetId(), Code: CodeCanceled, Message: t.GetCancelReason()}
	default:
		return nil
	}
}

// Terminal tells that a status is never left by itself.
func Terminal(s pb.Transfer_Status) bool {
	return s == pb.Transfer_COMPLETED || s == pb.Transfer_CANCELED || s == pb.Transfer_FAILED
}

func fromMessage(op, id string, m *pb.Error) *Error {
	e := &Error{Op: op, ID: id, Code: m.GetCode(), Field: m.GetField(), Message: m.GetMessage(), Retryable: m.GetRetryable()}
	if e.Code == "" {
		e.Code = CodeInternal
	}
	return e
}

// translate makes an Error of what Connect returned. The context is the
// caller's: when it ended, that is the reason, whatever the wire says.
func translate(ctx context.Context, op, id string, err error) *Error {
	if ctx.Err() != nil {
		return &Error{Op: op, ID: id, Code: CodeInterrupted, Message: ctx.Err().Error(), Err: context.Cause(ctx)}
	}
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return &Error{Op: op, ID: id, Code: CodeUnreachable, Message: err.Error(), Retryable: true, Err: err}
	}
	for _, d := range ce.Details() {
		if v, valueErr := d.Value(); valueErr == nil {
			if m, ok := v.(*pb.Error); ok {
				return fromMessage(op, id, m)
			}
		}
	}
	code := codeOfConnect(ce)
	return &Error{Op: op, ID: id, Code: code, Message: ce.Message(), Retryable: code == CodeUnreachable, Err: err}
}

// codeOfConnect is for answers that carry no detail of ours: a proxy, another
// program, or no answer at all.
func codeOfConnect(ce *connect.Error) string {
	switch ce.Code() {
	case connect.CodeUnauthenticated, connect.CodePermissionDenied:
		return CodeAuth
	case connect.CodeUnimplemented, connect.CodeNotFound:
		return CodeIncompatible
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded:
		return CodeUnreachable
	}
	if !connect.IsWireError(ce) {
		return CodeUnreachable // the connection broke
	}
	return CodeInternal
}

// neverSent tells that the request cannot have reached a server.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
