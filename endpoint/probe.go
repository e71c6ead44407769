package endpoint

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"godwit/transfer"
)

// Probe finds out which protocol the far side of an upload speaks, by one request
// without content: what OPTIONS says of tus
// (https://tus.io/protocols/resumable-upload) and of resumable uploads
// (draft-ietf-httpbis-resumable-upload, section 4.1.4). A far side that says
// nothing of either, or answers with a refusal, gets everything in one request;
// one that does not answer, or only cannot do so now, is a Failure.
func (c *Client) Probe(ctx context.Context, d *Upload) (Choice, *Failure) {
	switch d.Method {
	case http.MethodPost:
		return Choice{Protocol: transfer.ProtocolPost, Reason: "the method is POST"}, nil
	case http.MethodPut, "":
	default:
		return Choice{Protocol: transfer.ProtocolPut, Reason: "the method is " + d.Method}, nil
	}
	r, f := c.deliver(ctx, d, message{method: http.MethodOptions, url: d.URL, header: ietfHeader()})
	switch {
	case f != nil && answeredOtherwise(f.Err.Code):
		return oneRequest("OPTIONS was answered with something else than what it asks for"), nil
	case f != nil:
		return Choice{}, f
	}
	if r.ok() {
		return offered(r.header), nil
	}
	switch r.status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		// It may speak a protocol that resumes once it is there again.
		return Choice{}, r.refused()
	}
	return oneRequest(fmt.Sprintf("OPTIONS answered %d", r.status)), nil
}

// answeredOtherwise tells that there was an answer, which is no use: to a request
// that few servers are made for that says nothing of others.
func answeredOtherwise(code transfer.Code) bool {
	switch code {
	case transfer.CodeRedirectMany, transfer.CodeRedirectBad, transfer.CodeRedirectScheme, transfer.CodeRedirectBody,
		transfer.CodeDowngrade, transfer.CodeProtocol:
		return true
	}
	return false
}

func oneRequest(seen string) Choice {
	return Choice{Protocol: transfer.ProtocolPut, Reason: seen + ": the content is sent in one PUT request"}
}

// offered is what the headers of an answer to OPTIONS offer.
func offered(h http.Header) Choice {
	server := tusServerOf(h)
	if slices.Contains(server.versions, tusVersion) && server.has("creation") {
		return Choice{Protocol: transfer.ProtocolTus, Reason: "the server offers tus " + tusVersion + " with creation"}
	}
	if _, ok := limitOf(h); ok {
		return Choice{Protocol: transfer.ProtocolIETF, Reason: "the server offers resumable uploads with an Upload-Limit"}
	}
	return oneRequest("OPTIONS offers no protocol that resumes")
}
