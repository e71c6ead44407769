package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// region is that of servers that have none.
const region = "us-east-1"

// abort ends the upload of a call.
func (p *Proxy) abort(c *call) error {
	u := *c.r.URL
	u.Scheme, u.Host = p.server.Scheme, p.server.Host
	u.RawQuery = "uploadId=" + strings.ReplaceAll(url.QueryEscape(c.seen.Upload), "+", "%20")
	r, err := http.NewRequestWithContext(p.ctx, http.MethodDelete, u.String(), nil)
	if err != nil {
		return fmt.Errorf("expire an upload: %w", err)
	}
	p.sign(r, time.Now().UTC())
	resp, err := p.transport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("expire an upload: %w", err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)); resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusNotFound {
		return fmt.Errorf("expire an upload: %s: %s", resp.Status, text)
	}
	return nil
}

// sign signs a request without a body (AWS Signature Version 4).
func (p *Proxy) sign(r *http.Request, now time.Time) {
	const payload, signed = "UNSIGNED-PAYLOAD", "host;x-amz-content-sha256;x-amz-date"
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("X-Amz-Content-Sha256", payload)
	canonical := strings.Join([]string{
		r.Method, r.URL.EscapedPath(), r.URL.RawQuery,
		"host:" + r.URL.Host, "x-amz-content-sha256:" + payload, "x-amz-date:" + stamp, "", signed, payload,
	}, "\n")
	scope := day + "/" + region + "/s3/aws4_request"
	sum := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + p.opts.SecretKey)
	for _, word := range []string{day, region, "s3", "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(word))
		key = mac.Sum(nil)
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		p.opts.AccessKey, scope, signed, hex.EncodeToString(key)))
}
