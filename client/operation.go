package client

import (
	"context"

	pb "godwit/protos/godwit/v1"
)

// Operation is a handle on a transfer that goes on whether anybody holds the
// handle or not. It is not safe for concurrent use.
type Operation struct {
	c    *Client
	last *pb.Transfer
}

// Attach returns a handle on an existing transfer: one that this program, an
// earlier run of it, or somebody else created.
func (c *Client) Attach(ctx context.Context, id string) (*Operation, error) {
	t, err := c.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return &Operation{c: c, last: t}, nil
}

// Download creates a transfer, starts it, and returns a handle on it.
func (c *Client) Download(ctx context.Context, t *pb.Transfer) (*Operation, error) {
	created, err := c.Create(ctx, t, true)
	if err != nil {
		return nil, err
	}
	return &Operation{c: c, last: created}, nil
}

// Current returns a handle on each transfer that is not terminal. A program
// calls it when it starts, to find what it left under way.
func (c *Client) Current(ctx context.Context) ([]*Operation, error) {
	live := &pb.ListTransfersRequest{Statuses: []pb.Transfer_Status{
		pb.Transfer_IDLE, pb.Transfer_QUEUED, pb.Transfer_RUNNING, pb.Transfer_PAUSED,
	}}
	var ops []*Operation
	for t, err := range c.List(ctx, live) {
		if err != nil {
			return nil, err
		}
		ops = append(ops, &Operation{c: c, last: t})
	}
	return ops, nil
}

// ID is the transfer's id.
func (o *Operation) ID() string { return o.last.GetId() }

// Transfer is what this handle last saw. It must not be changed.
func (o *Operation) Transfer() *pb.Transfer { return o.last }

// Wait calls progress with each state of the transfer, beginning with the
// present one, until it is terminal; progress may be nil. It returns the last
// state seen. The error is nil when the transfer completed; it is the
// transfer's own when that failed (see [ErrorOf]); otherwise the watch ended
// before the transfer did. When ctx ends the transfer goes on.
func (o *Operation) Wait(ctx context.Context, progress func(*pb.Transfer)) (*pb.Transfer, error) {
	for t, err := range o.c.Watch(ctx, o.ID()) {
		if err != nil {
			return o.last, err
		}
		o.last = t
		if progress != nil {
			progress(t)
		}
	}
	return o.last, ErrorOf(o.last)
}

// Pause stops it until Resume; its bytes are kept.
func (o *Operation) Pause(ctx context.Context) error { return o.keep(o.c.Pause(ctx, o.ID())) }

// Resume takes back Pause.
func (o *Operation) Resume(ctx context.Context) error { return o.keep(o.c.Resume(ctx, o.ID())) }

// Cancel ends it for good and removes its bytes.
func (o *Operation) Cancel(ctx context.Context, reason string) error {
	return o.keep(o.c.Cancel(ctx, o.ID(), reason))
}

// Acknowledge says that its end was noticed.
func (o *Operation) Acknowledge(ctx context.Context) error {
	return o.keep(o.c.Acknowledge(ctx, o.ID()))
}

func (o *Operation) keep(t *pb.Transfer, err error) error {
	if err == nil {
		o.last = t
	}
	return err
}
