package endpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"godwit/transfer"
)

// Webhooks sends signed requests to receivers that others name, as Standard
// Webhooks describes. It is safe for concurrent use and keeps no connections.
//
// It goes by the same policy, roots and proxy as a Client. Receivers are reached
// over https; plain http only at addresses that the policy's allow contains,
// which is checked where it is connected: a delivery says who transfers what.
// Nothing is redirected: whoever answers with a redirect could have our data
// sent anywhere, with a signature that says it is for them.
type Webhooks struct {
	secure, plain *Client
}

// Delivery is one request.
type Delivery struct {
	// URL is canonical. Secret has the form whsec_…; without one nothing is
	// signed.
	URL, Secret string
	// ID is the same for all deliveries of one message.
	ID          string
	ContentType string
	Body        []byte
}

// Answer is what a receiver said.
type Answer struct {
	// Status is 0 when there was no answer.
	Status int
	// Body is its beginning, at most 64 KiB.
	Body []byte
	// RetryAfter is how long it asks to wait, at most 24 hours.
	RetryAfter time.Duration
}

// NewWebhooks makes a Webhooks. It fails as New does.
func NewWebhooks(config Config) (*Webhooks, error) {
	secure, err := New(config)
	if err != nil {
		return nil, err
	}
	config.Policy = config.Policy.onlyNamed()
	plain, err := New(config)
	if err != nil {
		return nil, err
	}
	// One request in minutes is not worth a connection that may have died.
	secure.transport.DisableKeepAlives = true
	plain.transport.DisableKeepAlives = true
	return &Webhooks{secure: secure, plain: plain}, nil
}

// Deliver makes one POST request and reports the answer. Only 2xx is success:
// other statuses are errors of code webhook.gone (410), webhook.redirect (3xx)
// and webhook.status, which come with the answer. Once there is a status it
// counts, whatever becomes of the answer's body. Errors are *transfer.Error;
// when ctx ended, they wrap its error.
func (w *Webhooks) Deliver(ctx context.Context, d Delivery) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	r, err := w.post(ctx, d)
	if err != nil {
		return r.Answer, err
	}
	return r.Answer, nil
}

// reply is an answer and why its body was not read to the end, or nil.
type reply struct {
	Answer
	cut error
}

func (w *Webhooks) post(ctx context.Context, d Delivery) (reply, *transfer.Error) {
	u, e := parse(d.URL)
	if e != nil {
		e.Op = "deliver"
		return reply{}, e
	}
	resp, x, err := w.send(ctx, u, d)
	if err != nil {
		return reply{}, undelivered(err, u)
	}
	// Closing would read on; canceling drops the connection.
	defer func() { x.cancel(nil); _ = resp.Body.Close() }()
	r := reply{Answer: Answer{Status: resp.StatusCode}}
	r.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		r.cut = x.explain(err)
	case len(r.Body) > maxAnswer:
		r.Body, r.cut = r.Body[:maxAnswer], errLongAnswer
	}
	if r.Status/100 == 2 {
		return r, nil
	}
	r.RetryAfter = retryAfter(resp.Header, time.Now(), maxWebhookRetryAfter)
	return r, refused(r.Answer, u)
}

var errLongAnswer = errors.New("the answer is longer than is read of it")

func (w *Webhooks) send(ctx context.Context, u *url.URL, d Delivery) (*http.Response, *exchange, error) {
	c := w.secure
	if u.Scheme != "https" {
		c = w.plain
	}
	if err := c.config.Policy.check(u, c.config.Proxy != nil); err != nil {
		return nil, nil, err
	}
	x := newExchange(ctx)
	r, err := http.NewRequestWithContext(x.ctx, http.MethodPost, u.String(), bytes.NewReader(d.Body))
	if err != nil {
		x.cancel(nil)
		return nil, nil, transfer.Errorf(transfer.CodeURLInvalid, "the request cannot be made")
	}
	r.Header.Set("Content-Type", d.ContentType)
	r.Header.Set("User-Agent", c.config.UserAgent)
	r.Header.Set("Accept-Encoding", "identity")
	if err := sign(r.Header, d.Secret, d.ID, d.Body, time.Now()); err != nil {
		x.cancel(nil)
		return nil, nil, err
	}
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		err = x.explain(err)
		x.cancel(nil)
		return nil, nil, err
	}
	return resp, x, nil
}

// refused is the error of an answer that is not 2xx.
func refused(a Answer, u *url.URL) *transfer.Error {
	e := &transfer.Error{
		Code: transfer.CodeWebhookStatus, Op: "deliver", Subject: u.Host, Status: a.Status, RetryAfter: a.RetryAfter,
		Message: strings.TrimSpace(fmt.Sprintf("the receiver answered %d %s", a.Status, http.StatusText(a.Status))),
	}
	switch {
	case a.Status == http.StatusGone:
		e.Code = transfer.CodeWebhookGone
	case a.Status/100 == 3:
		e.Code = transfer.CodeWebhookRedirect
		e.Message += ", and redirects are not followed"
	}
	return e
}

func undelivered(err error, u *url.URL) *transfer.Error {
	e := describe(err, u)
	e.Op = "deliver"
	return e
}
