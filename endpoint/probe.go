package endpoint

import (
	"context"

	"godwit/transfer"
)

// Probe finds out which protocol the far side of an upload speaks.
func (c *Client) Probe(_ context.Context, d *Upload) (Choice, *Failure) {
	if d.Method == "POST" {
		return Choice{Protocol: transfer.ProtocolPost, Reason: "the method is POST"}, nil
	}
	return Choice{Protocol: transfer.ProtocolPut, Reason: "nothing else is spoken"}, nil
}
