package api

import (
	"context"
	"net/http"
)

// Connect derives the HTTP status of a unary failure from its own sixteen codes,
// which do not tell 409 from 412 or 413 from 429. Clients of Connect read only
// the body; scripts read the status, so it is set from the table of codes.

// statusWriter replaces the status of an answer that reports a failure.
type statusWriter struct {
	http.ResponseWriter
	// status to send instead, or 0; written before the handler answers.
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest && w.status != 0 {
		status = w.status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController flush streams.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for those that still ask by type assertion, as Connect does.
func (w *statusWriter) Flush() {
	// A client that is gone shows at the next write.
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

type statusKey struct{}

// withStatus serves r so that its handler can say the status of a failure.
func withStatus(next http.Handler, w http.ResponseWriter, r *http.Request) {
	sw := &statusWriter{ResponseWriter: w}
	next.ServeHTTP(sw, r.WithContext(context.WithValue(r.Context(), statusKey{}, sw)))
}

// wantStatus sets the status of the failure that is about to be answered.
func wantStatus(ctx context.Context, status int) {
	if sw, ok := ctx.Value(statusKey{}).(*statusWriter); ok {
		sw.status = status
	}
}
