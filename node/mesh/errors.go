package mesh

import (
	"errors"

	clusterpb "godwit/protos/godwit/cluster/v1"
)

// Errors of Call, to be compared with errors.Is. Beside these it returns the
// error of its context, after which the request may have been carried out, may
// still be, or may yet be until its deadline; and a *RemoteError.
var (
	// ErrUnreachable says that no answer can come: no connection came about, or
	// the one that was used has ended. The request may have been carried out.
	ErrUnreachable = errors.New("the node is not reachable")
	// ErrStale says that the request came after its deadline. It was not carried
	// out. Seen only where clocks disagree: otherwise the context ends first.
	ErrStale = errors.New("the request came after its deadline")
	// ErrWrongIncarnation says that at this address is another node, or another
	// life of the node, than was meant. The request was not carried out.
	ErrWrongIncarnation = errors.New("the node is in another life than was meant")
	// ErrBusy says that the node has as many requests as it carries out at a
	// time, or that as much waits for the connection to it as may. The request was
	// not carried out.
	ErrBusy = errors.New("the node has too many requests")
	// ErrTooLarge says that the body is larger than the limit. The request was
	// not sent.
	ErrTooLarge = errors.New("the request is too large")
	// ErrInvalid says that the request cannot be sent to anybody: a malformed
	// address, a name or kind that is too long or not UTF-8. It was not sent.
	ErrInvalid = errors.New("the request is invalid")
	// ErrClosed says that this mesh is closed. A request that was waiting for its
	// answer may have been carried out; a later one was not sent.
	ErrClosed = errors.New("the mesh is closed")
)

// RemoteError is an error of the node that was asked. The request may have been
// carried out: what its handler did before it failed is the handler's business.
type RemoteError struct {
	// Message is what the handler's error said, or "internal error" after a panic.
	Message string
}

func (e *RemoteError) Error() string { return e.Message }

// outcome takes an answer apart.
func outcome(res *clusterpb.Response) ([]byte, error) {
	switch res.GetOutcome() {
	case clusterpb.Outcome_OUTCOME_DONE:
		return res.GetBody(), nil
	case clusterpb.Outcome_OUTCOME_STALE:
		return nil, ErrStale
	case clusterpb.Outcome_OUTCOME_WRONG_INCARNATION:
		return nil, ErrWrongIncarnation
	case clusterpb.Outcome_OUTCOME_BUSY:
		return nil, ErrBusy
	case clusterpb.Outcome_OUTCOME_FAILED:
		return nil, &RemoteError{Message: res.GetError()}
	default:
		return nil, &RemoteError{Message: "an outcome of a newer version: " + res.GetOutcome().String()}
	}
}
