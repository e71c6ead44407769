package endpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"godwit/transfer"
)

// Tolerance is how old a signature may be, or how far ahead of the receiver's
// clock (Standard Webhooks).
const Tolerance = 5 * time.Minute

// The errors of Verify.
var (
	// ErrSignature says that headers and body were not signed with this secret.
	ErrSignature = errors.New("the signature is missing or wrong")
	// ErrTimestamp says that the signature is too old or from the future: it may
	// be one that somebody has recorded.
	ErrTimestamp = errors.New("the time of the signature is out of tolerance")
)

// sign sets the headers of Standard Webhooks. Without a secret there is no
// signature. The error is a *transfer.Error.
func sign(h http.Header, secret, id string, body []byte, now time.Time) error {
	id = messageID(id)
	h.Set(webhooks.HeaderWebhookID, id)
	h.Set(webhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	if secret == "" {
		return nil
	}
	w, err := signer(secret)
	if err != nil {
		return err
	}
	signature, err := w.Sign(id, now, body)
	if err != nil {
		return transfer.Errorf(transfer.CodeInternal, "the request cannot be signed")
	}
	h.Set(webhooks.HeaderWebhookSignature, signature)
	return nil
}

func signer(secret string) (*webhooks.Webhook, error) {
	key, e := transfer.ParseSecret(secret, "secret")
	if e != nil {
		return nil, e
	}
	return webhooks.NewWebhookRaw(key)
}

// messageID is an id for a header. What is signed joins id, time and body with
// dots, so that an id with one could be taken for another message.
func messageID(id string) string {
	if !strings.Contains(id, ".") {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "m" + hex.EncodeToString(sum[:16])
}

// Verify tells a receiver whether a request came from who has the secret, whole
// and lately. It compares in constant time and fails with ErrTimestamp,
// ErrSignature or, for a secret that is none, a *transfer.Error. That a message
// is delivered twice is for the receiver to notice, by its webhook-id.
func Verify(secret string, h http.Header, body []byte, now time.Time) error {
	w, err := signer(secret)
	if err != nil {
		return err
	}
	for _, name := range []string{webhooks.HeaderWebhookID, webhooks.HeaderWebhookTimestamp, webhooks.HeaderWebhookSignature} {
		if len(h.Values(name)) != 1 {
			return ErrSignature
		}
	}
	seconds, err := strconv.ParseInt(h.Get(webhooks.HeaderWebhookTimestamp), 10, 64)
	if err != nil {
		return ErrTimestamp
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Tolerance {
		return ErrTimestamp
	}
	// The library's own check of the time reads a clock that is not ours.
	if w.VerifyIgnoringTimestamp(body, h) != nil {
		return ErrSignature
	}
	return nil
}
