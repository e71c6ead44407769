package api

import (
	"errors"
	"io"
	"net/http"

	"godwit/transfer"
)

// AttachPath answers with headers and then stays silent until the node stops:
// a process that shares the node holds it open to learn of that moment.
const AttachPath = "/attached"

func serveLive(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "ok\n")
}

// readiness answers 200, or 503 with the reason.
func readiness(ready func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if ready == nil {
			serveLive(w, nil)
			return
		}
		err := ready()
		if err == nil {
			serveLive(w, nil)
			return
		}
		var known *transfer.Error
		reason := "not ready"
		if errors.As(err, &known) {
			reason = known.Error()
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, reason+"\n")
	})
}

// attachment holds the answer open until closing is closed or the client goes.
func attachment(closing <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-closing:
		case <-r.Context().Done():
		}
	})
}
