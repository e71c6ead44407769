package node

import (
	"sync/atomic"

	"godwit/transfer"
)

var (
	errStarting = transfer.Errorf(transfer.CodeShuttingDown, "the node is starting")
	errDraining = transfer.Errorf(transfer.CodeShuttingDown, "the node is draining")
	errStopping = transfer.Errorf(transfer.CodeShuttingDown, "the node is stopping")
)

// readiness is why a node does not serve, or nil when it does. It goes from
// starting to ready to stopping, and never back; meanwhile it may drain.
type readiness struct {
	reason   atomic.Pointer[transfer.Error]
	draining atomic.Bool
	// became is closed when the node becomes ready.
	became chan struct{}
}

func newReadiness() *readiness {
	r := &readiness{became: make(chan struct{})}
	r.reason.Store(errStarting)
	return r
}

func (r *readiness) ready() {
	if r.reason.CompareAndSwap(errStarting, nil) {
		close(r.became)
	}
}

func (r *readiness) drain(on bool) { r.draining.Store(on) }

func (r *readiness) stopping() { r.reason.Store(errStopping) }

// check returns the reason, as an error for the API.
func (r *readiness) check() error {
	if reason := r.reason.Load(); reason != nil {
		return reason
	}
	if r.draining.Load() {
		return errDraining
	}
	return nil
}
