package endpoint

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"time"

	"godwit/transfer"
)

// The defaults of Config and the fixed limits, all in one place.
const (
	defaultConnectTimeout = 30 * time.Second
	defaultTLSTimeout     = 15 * time.Second
	defaultHeaderTimeout  = 60 * time.Second
	// defaultUploadTimeout is longer: a server may have to put large content where
	// it belongs before it can answer, and a request that must not be made twice is
	// lost when it is given up.
	defaultUploadTimeout = 5 * time.Minute
	defaultStallTimeout  = 60 * time.Second
	defaultIdleTimeout   = 90 * time.Second
	defaultMinRate       = 1 << 10
	defaultRateWindow    = 60 * time.Second
	defaultHeaderBytes   = 256 << 10
	defaultRedirects     = 10
	defaultIdlePerHost   = 64
	defaultReadBuffer    = 16 << 10

	maxURL           = 8 << 10 // bytes
	maxInformational = 5
	// maxProgressAnswers is how many may come while content is being sent, which
	// some servers do to tell how much they have.
	maxProgressAnswers = 10000
	// expectTimeout is how long content waits for leave to be sent.
	expectTimeout = 5 * time.Second
	maxAddresses  = 16 // of one name, tried at most
	maxRetryAfter = time.Hour
	// maxAnswer is how much of a receiver's answer is read, in bytes, and
	// webhookTimeout for how long a delivery may take in all. A receiver that is
	// down may ask for maxWebhookRetryAfter.
	maxAnswer            = 64 << 10
	webhookTimeout       = 30 * time.Second
	maxWebhookRetryAfter = 24 * time.Hour
	// maxDrain is how much of a body is read only to use its connection again,
	// in bytes, and drainTimeout for how long.
	maxDrain     = 32 << 10
	drainTimeout = time.Second
	// fallbackDelay is how long one address has before the next is tried beside
	// it (RFC 8305, section 5).
	fallbackDelay = 250 * time.Millisecond
)

// Config describes a Client. The zero value of each field means its default.
type Config struct {
	// Policy says which addresses may be connected to; the zero value is that of
	// a server that allows nothing special.
	Policy Policy
	// Proxy is an http, https or socks5 URL, with user and password if it wants
	// them (for SOCKS, RFC 1929). Nothing in the environment is ever consulted.
	// Behind a proxy the names are resolved there, so that the policy sees the
	// proxy's own address, and of a URL, redirects included, literal addresses,
	// ports, and names that mean the same everywhere. Where any other name leads,
	// and so rebinding, is up to the proxy: it must have a policy of its own.
	Proxy *url.URL
	// RootCAs are the authorities trusted, nil for those of the system.
	RootCAs *x509.CertPool
	// HTTP2 offers HTTP/2 to sources. Off by default: several connections to one host are
	// what makes ranges fast, and HTTP/2 would put them all on one; it also costs
	// twice the CPU a byte (BenchmarkRead).
	HTTP2 bool
	// UserAgent is sent unless the user's headers have one. Default "godwit".
	UserAgent string

	ConnectTimeout time.Duration // for one address, default 30 s
	TLSTimeout     time.Duration // for the handshake, default 15 s
	HeaderTimeout  time.Duration // from the request to its answer's header, default 60 s
	UploadTimeout  time.Duration // from the last byte of a request of an upload to its answer's header, default 5 min
	StallTimeout   time.Duration // without a byte of the body, default 60 s
	IdleTimeout    time.Duration // of a kept connection, default 90 s

	// MinRate is in bytes a second, over RateWindow of reading; default 1 KiB/s
	// over 60 s, none when negative.
	MinRate    int64
	RateWindow time.Duration
	// MaxHeaderBytes bounds a response header, default 256 KiB.
	MaxHeaderBytes int64
	// MaxRedirects of one Open, default 10, none when negative.
	MaxRedirects int
	// MaxIdlePerHost is how many idle connections are kept for a host, default 64.
	MaxIdlePerHost int
	// ReadBuffer of a connection in bytes, default 16 KiB. Reads at least as
	// large bypass it, so that a larger one costs memory and saves nothing.
	ReadBuffer int

	// Lookup resolves a name, nil for the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects to one address that was resolved and checked; nil for TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// withDefaults returns c with every field set.
func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.ConnectTimeout, defaultConnectTimeout)
	set(&c.TLSTimeout, defaultTLSTimeout)
	set(&c.HeaderTimeout, defaultHeaderTimeout)
	set(&c.UploadTimeout, defaultUploadTimeout)
	set(&c.StallTimeout, defaultStallTimeout)
	set(&c.IdleTimeout, defaultIdleTimeout)
	set(&c.RateWindow, defaultRateWindow)
	if c.MinRate == 0 {
		c.MinRate = defaultMinRate
	}
	if c.MaxHeaderBytes <= 0 {
		c.MaxHeaderBytes = defaultHeaderBytes
	}
	if c.MaxRedirects == 0 {
		c.MaxRedirects = defaultRedirects
	}
	if c.MaxIdlePerHost <= 0 {
		c.MaxIdlePerHost = defaultIdlePerHost
	}
	if c.ReadBuffer <= 0 {
		c.ReadBuffer = defaultReadBuffer
	}
	if c.UserAgent == "" {
		c.UserAgent = "godwit"
	}
	if c.Lookup == nil {
		c.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	return c
}

func (c Config) validate() error {
	if c.Proxy == nil {
		return nil
	}
	switch c.Proxy.Scheme {
	case "http", "https", "socks5":
	default:
		return &transfer.Error{
			Code: transfer.CodeURLScheme, Op: "configure", Field: "proxy",
			Message: "a proxy is an http, https or socks5 URL",
		}
	}
	if c.Proxy.Hostname() == "" {
		return &transfer.Error{
			Code: transfer.CodeURLHost, Op: "configure", Field: "proxy",
			Message: "the proxy URL has no host",
		}
	}
	return nil
}
