package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"connectrpc.com/connect"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// failure turns any error of the engine into what the client sees, and returns
// the HTTP status that goes with it for unary calls (0: Connect's own choice).
// The text of causes stays inside: only code, field and message travel.
func failure(err error) (*connect.Error, int) {
	var known *transfer.Error
	switch {
	case errors.As(err, &known):
	case errors.Is(err, context.DeadlineExceeded):
		return connect.NewError(connect.CodeDeadlineExceeded, errors.New("the deadline of the call has passed")), 0
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, errors.New("the call was canceled")), 0
	default:
		known = transfer.Errorf(transfer.CodeInternal, "see the log of the node")
	}
	out := connect.NewError(connectCode(known.Code), errors.New(known.Error()))
	if detail, detailErr := connect.NewErrorDetail(errorMessage(known)); detailErr == nil {
		out.AddDetail(detail)
	}
	return out, known.Code.Info().HTTP
}

// connectCode is the Connect code for a stable code, by its HTTP status.
func connectCode(code transfer.Code) connect.Code {
	switch code {
	case transfer.CodeIDConflict, transfer.CodeDestExists, transfer.CodeDestBusy:
		return connect.CodeAlreadyExists
	case transfer.CodeStale:
		return connect.CodeAborted
	}
	switch code.Info().HTTP {
	case http.StatusRequestedRangeNotSatisfiable:
		return connect.CodeOutOfRange
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return connect.CodeInvalidArgument
	case http.StatusUnauthorized:
		return connect.CodeUnauthenticated
	case http.StatusForbidden:
		return connect.CodePermissionDenied
	case http.StatusNotFound:
		return connect.CodeNotFound
	case http.StatusConflict:
		return connect.CodeFailedPrecondition
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusInsufficientStorage:
		return connect.CodeResourceExhausted
	case http.StatusInternalServerError:
		return connect.CodeInternal
	default:
		return connect.CodeUnavailable
	}
}

// errorMessage is a failure as API message.
func errorMessage(e *transfer.Error) *pb.Error {
	message := e.Message
	if message == "" {
		message = e.Error()
	}
	return &pb.Error{
		Code: string(e.Code), Field: e.Field, Message: message,
		Retryable: e.Code.Retryable(), WebErrorStatus: e.WebErrorStatus(),
	}
}

// fail is failure for a handler: it leaves the HTTP status for the answer and
// logs what only the operator may see.
func (s *service) fail(ctx context.Context, procedure string, err error) error {
	var known *transfer.Error
	if !errors.As(err, &known) && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "API call failed", slog.String("procedure", procedure), slog.Any("error", err))
	}
	out, status := failure(err)
	wantStatus(ctx, status)
	return out
}

// recovered answers for a handler that panicked.
func (s *service) recovered(ctx context.Context, spec connect.Spec, _ http.Header, reason any) error {
	s.log.ErrorContext(ctx, "API call panicked", slog.String("procedure", spec.Procedure), slog.Any("reason", reason))
	out, _ := failure(transfer.Errorf(transfer.CodeInternal, "see the log of the node"))
	return out
}

// refuse answers a request that does not get as far as a handler.
func refuse(w http.ResponseWriter, r *http.Request, status int, e *transfer.Error) {
	out, _ := failure(e)
	// The body of a refused request may still be on its way.
	w.Header().Set("Connection", "close")
	// A client that is gone cannot be told.
	_ = connect.NewErrorWriter().Write(&statusWriter{ResponseWriter: w, status: status}, r, out)
}
