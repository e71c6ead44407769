package actors

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"godwit/storage"
	"godwit/transfer"
)

func randomFloat() float64 { return rand.Float64() }

func notFound(id string) *transfer.Error {
	return &transfer.Error{Code: transfer.CodeNotFound, Op: "find transfer", Subject: id, Message: "there is no transfer with this id"}
}

func notOwner(id string) *transfer.Error {
	return &transfer.Error{Code: transfer.CodeNotOwner, Op: "run transfer", Subject: id, Message: "another node owns this transfer now"}
}

// errElsewhere tells the router that nothing was carried out: the transfer is
// another node's, or on its way.
var errElsewhere = errors.New("not here at the moment")

// errUnsettled tells it that nobody knows whether something was.
var errUnsettled = errors.New("outcome not known")

// errAway is why a node that was away does not write.
var errAway = errors.New("the node was away and must learn first whether others have taken over")

// elsewhere answers a request for what this node does not have at the moment.
func elsewhere(id string) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeShuttingDown, Op: "reach transfer", Subject: id, Err: errElsewhere,
		Message: "it is being handed to another node, or its node is starting or stopping; try again in a moment",
	}
}

// theirs answers a request for what another owner has. In a cluster the router
// will find it; a node alone knows no way to it.
func (d *deps) theirs(id string) *transfer.Error {
	if d.cfg.Peers == nil {
		return notOwner(id)
	}
	return elsewhere(id)
}

// unsettled answers a request whose actor ended before it was carried out.
func unsettled(id string) *transfer.Error {
	return &transfer.Error{Code: transfer.CodeShuttingDown, Op: "reach transfer", Subject: id, Err: errUnsettled, Message: "the transfer was interrupted; whether the request was carried out is not known, read it again"}
}

func staleETag(id string) *transfer.Error {
	return &transfer.Error{Code: transfer.CodeStale, Op: "change transfer", Subject: id, Field: "etag", Message: "the transfer has changed since this etag was read; read it again"}
}

func idConflict(id string) *transfer.Error {
	return &transfer.Error{Code: transfer.CodeIDConflict, Op: "create transfer", Subject: id, Field: "id", Message: "there is another transfer with this id that asks for something else"}
}

func destBusy(op, id, writer string) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeDestBusy, Op: op, Subject: id, Field: "destination.url",
		Message: "transfer " + writer + " is writing to this destination",
	}
}

func quarantined(id string, cause error) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeQuarantined, Op: "run transfer", Subject: id, Err: cause,
		Message: "this transfer was set aside because of an internal fault: " + cause.Error(),
	}
}

// StoreError says of a store's failure what it means for a user.
func StoreError(err error) *transfer.Error { return storeError(err) }

// storeError says of a store's failure what it means for a transfer.
func storeError(err error) *transfer.Error {
	e := &transfer.Error{Code: transfer.CodeStoreUnavailable, Err: err, Message: "the store does not answer"}
	var se *storage.Error
	if !errors.As(err, &se) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return e
		}
		return &transfer.Error{Code: transfer.CodeInternal, Err: err, Message: "an unexpected failure: " + err.Error()}
	}
	e.Op, e.Subject = se.Op, se.Name
	e.Message = se.Error()
	switch se.Kind {
	case storage.ErrDenied:
		e.Code = transfer.CodeStoreDenied
	case storage.ErrFull:
		e.Code = transfer.CodeStoreFull
	case storage.ErrNotFolder:
		e.Code, e.Message = transfer.CodePathInvalid, "a part of this path is no folder"
	case storage.ErrInvalid, storage.ErrUnsupported, storage.ErrNotFound:
		e.Code = transfer.CodeStoreInvalid
	case storage.ErrExists:
		e.Code = transfer.CodeDestExists
	case storage.ErrCorrupt:
		e.Code = transfer.CodeStoreCorrupt
	case storage.ErrNoUpload, storage.ErrPartLost:
		e.Code = transfer.CodeUploadLost
	}
	return e
}

// storeFailed is the event for a store's failure.
func storeFailed(err error) transfer.StoreFailed {
	kind := storage.KindOf(err)
	return transfer.StoreFailed{
		UploadLost: kind == storage.ErrNoUpload,
		PartLost:   kind == storage.ErrPartLost,
		Exists:     kind == storage.ErrExists,
		Err:        storeError(err),
	}
}

// asTransferError makes sure that what leaves the package has a code.
func asTransferError(err error) *transfer.Error {
	var te *transfer.Error
	if errors.As(err, &te) {
		return te
	}
	return storeError(err)
}

type nopMeter struct{}

func (nopMeter) Received(int64)                 {}
func (nopMeter) Sent(int64)                     {}
func (nopMeter) GroupTrigger(string)            {}
func (nopMeter) TaskDelivery(string)            {}
func (nopMeter) Refetched(string, int64)        {}
func (nopMeter) Takeover(string, time.Duration) {}
func (nopMeter) Fenced()                        {}
func (nopMeter) StateWrite(string, string)      {}
func (nopMeter) Transfers(string, string, int)  {}
