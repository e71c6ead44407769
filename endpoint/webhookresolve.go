package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"godwit/transfer"
)

// Resolution is what a resolver gives a transfer that cannot go on.
type Resolution struct {
	// URL and Headers replace those of the transfer; nil keeps them.
	URL     *string
	Headers *[]transfer.Header
	// Found is false when the resolver has nothing.
	Found bool
}

// Resolve asks a resolver for another URL or other headers, with a request that
// is signed as deliveries are. It has found something if it answers
//
//	{"url": "https://…", "headers": [{"name": "…", "value": "…"}]}
//
// with either or both, and nothing if it answers 204 or 404. All else is an
// error, as those of Deliver. No error holds anything of the answer's body.
func (w *Webhooks) Resolve(ctx context.Context, hook transfer.Webhook, id string, body []byte) (Resolution, error) {
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	a, err := w.post(ctx, Delivery{
		URL: hook.URL, Secret: hook.Secret, ID: id, ContentType: "application/json", Body: body,
	})
	switch {
	case a.Status == http.StatusNoContent || a.Status == http.StatusNotFound:
		return Resolution{}, nil
	case err != nil:
		return Resolution{}, err
	}
	u, e := parse(hook.URL)
	if e != nil {
		return Resolution{}, e
	}
	var lost *transfer.Error
	switch {
	case errors.As(a.cut, &lost):
		return Resolution{}, undelivered(lost, u)
	case a.cut != nil:
		return Resolution{}, badResolution(u, a.Status, "it is too long")
	}
	found, e := parseResolution(a.Body)
	if e != nil {
		return Resolution{}, badResolution(u, a.Status, e.Message)
	}
	return found, nil
}

func badResolution(u *url.URL, status int, why string) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeWebhookStatus, Op: "resolve", Subject: u.Host, Status: status,
		Message: "the resolver's answer is not acceptable: " + why,
	}
}

// parseResolution reads a resolver's answer. Unknown fields are refused: a
// resolver that says more than is understood would not be obeyed.
func parseResolution(body []byte) (Resolution, *transfer.Error) {
	var in struct {
		URL     *string `json:"url"`
		Headers *[]struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"headers"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if dec.Decode(&in) != nil {
		return Resolution{}, transfer.Errorf(transfer.CodeJSON, "it is no JSON object of url and headers")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Resolution{}, transfer.Errorf(transfer.CodeJSON, "something follows its JSON object")
	}
	var r Resolution
	if in.URL != nil {
		canonical, err := transfer.NormalizeURL(*in.URL, "url")
		if err != nil {
			return Resolution{}, err
		}
		r.URL, r.Found = &canonical, true
	}
	if in.Headers != nil {
		headers := make([]transfer.Header, len(*in.Headers))
		for i, h := range *in.Headers {
			headers[i] = transfer.Header{Name: h.Name, Value: h.Value}
		}
		normal, err := transfer.NormalizeHeaders(headers)
		if err != nil {
			return Resolution{}, err
		}
		r.Headers, r.Found = &normal, true
	}
	return r, nil
}
