package node

import (
	"net/http"
	"time"

	"godwit/endpoint"
)

// VerifyWebhook is [endpoint.Verify] for receivers that run beside nodes, as the
// demo's does: it tells whether a request came from who has the secret, whole and
// lately.
func VerifyWebhook(secret string, h http.Header, body []byte, now time.Time) error {
	return endpoint.Verify(secret, h, body, now)
}
