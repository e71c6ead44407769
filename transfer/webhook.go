package transfer

import (
	"encoding/base64"
	"strings"
)

// SecretPrefix begins the secret of a webhook (Standard Webhooks).
const SecretPrefix = "whsec_"

// Bounds of a webhook's key in bytes: fewer can be guessed, more add nothing to
// HMAC-SHA256.
const (
	leastSecret = 24
	mostSecret  = 64
)

// NormalizeWebhook checks a receiver of signed requests and brings its URL into
// canonical form. Field is what errors name; they never hold URL or secret.
func NormalizeWebhook(w Webhook, field string) (Webhook, *Error) {
	canonical, err := NormalizeURL(w.URL, field+".url")
	if err != nil {
		return Webhook{}, err
	}
	if _, err := ParseSecret(w.Secret, field+".secret"); err != nil {
		return Webhook{}, err
	}
	return Webhook{URL: canonical, Secret: w.Secret}, nil
}

// ParseSecret returns the key that a secret of the form "whsec_" and Base64
// holds, 24 to 64 bytes. It fails with secret.invalid.
func ParseSecret(secret, field string) ([]byte, *Error) {
	encoded, prefixed := strings.CutPrefix(secret, SecretPrefix)
	// The decoder passes over line ends.
	if !prefixed || strings.ContainsAny(encoded, "\r\n") {
		return nil, secretInvalid(field)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(key) < leastSecret || len(key) > mostSecret {
		return nil, secretInvalid(field)
	}
	return key, nil
}

func secretInvalid(field string) *Error {
	return invalid(CodeSecret, field, "a secret is %s and the Base64 of %d to %d bytes", SecretPrefix, leastSecret, mostSecret)
}
