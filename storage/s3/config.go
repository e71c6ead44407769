package s3

import (
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"godwit/storage"
)

// DefaultEndpoint and DefaultRegion are used where a Config names none.
const (
	DefaultEndpoint = "https://s3.amazonaws.com"
	DefaultRegion   = "us-east-1"
)

// Config says where a store is and how to reach it.
type Config struct {
	// Endpoint is "http://host:port" or "https://host"; empty means
	// [DefaultEndpoint].
	Endpoint string
	// Region is signed into every request; empty means [DefaultRegion].
	Region string
	// Bucket and Prefix say where records lie; [OpenObjects] ignores them, as
	// an object's name holds its bucket. Prefix has no slash at its ends.
	Bucket, Prefix string
	// Keys are fixed credentials. When zero they come from the environment
	// (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), then the
	// shared credentials file, then the metadata service.
	Keys Keys
	// RootCAs replace the system's roots for https endpoints when not nil.
	RootCAs *x509.CertPool
	// Pool gives memory for parts; required by [OpenObjects].
	Pool *storage.BufferPool
	// Reserved is "bucket/prefix" of the state store: objects under it are
	// refused with ErrDenied, so that no transfer reads or replaces records.
	Reserved string
	// WrapTransport, when not nil, wraps the HTTP transport, for tests and
	// metrics.
	WrapTransport func(http.RoundTripper) http.RoundTripper
}

// Keys are credentials. They print as a placeholder.
type Keys struct{ ID, Secret, Session string }

// String hides the keys from fmt.
func (Keys) String() string { return "[keys]" }

// GoString hides the keys from %#v.
func (Keys) GoString() string { return "[keys]" }

// LogValue hides the keys from slog.
func (Keys) LogValue() slog.Value { return slog.StringValue("[keys]") }

// withDefaults returns a copy with the defaults filled in.
func (c Config) withDefaults() Config {
	if c.Endpoint == "" {
		c.Endpoint = DefaultEndpoint
	}
	if c.Region == "" {
		c.Region = DefaultRegion
	}
	c.Prefix = strings.Trim(c.Prefix, "/")
	return c
}

// endpoint splits the endpoint into host and whether TLS is used.
func (c Config) endpoint() (host string, secure bool, err error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return "", false, invalid("open", "endpoint", "is not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "", false, invalid("open", "endpoint", "must start with http:// or https://")
	case u.User != nil:
		return "", false, invalid("open", "endpoint", "must not hold credentials")
	case u.Hostname() == "":
		return "", false, invalid("open", "endpoint", "names no host")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "", false, invalid("open", "endpoint", "must be scheme, host and port only")
	}
	return u.Host, u.Scheme == "https", nil
}
