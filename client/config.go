package client

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
)

// Defaults of Config.
const (
	DefaultCallTimeout  = 30 * time.Second
	DefaultReconnectFor = time.Minute
	DefaultMinBackoff   = 100 * time.Millisecond
	DefaultMaxBackoff   = 5 * time.Second
)

// maxMessage bounds one message from a server in bytes: a page of a thousand
// transfers is well below it.
const maxMessage = 64 << 20

const (
	connectTimeout          = 10 * time.Second
	connectTimeoutOfSeveral = 3 * time.Second
)

// Forever never gives up, as Config.ReconnectFor.
const Forever time.Duration = -1

// Config says which servers to speak to and how. Only Servers is required.
type Config struct {
	// Servers are base URLs, "https://host:port"; a bare host:port means http.
	// They are tried in this order, beginning with the one that last answered.
	Servers []string
	// Token is sent as a bearer token when not empty.
	Token string
	// TLS configures https; nil means the system's roots. Unused with HTTPClient.
	TLS *tls.Config
	// HTTPClient sends the requests; nil means one made for this client.
	HTTPClient connect.HTTPClient
	// CallTimeout bounds one try of one call that is not a stream, on one server.
	CallTimeout time.Duration
	// RepeatFor is how long a call whose repetition is harmless is repeated while
	// no server answers; 0 leaves it at a few tries of each server.
	RepeatFor time.Duration
	// ReconnectFor is how long a watch or a read goes on trying while no server
	// answers, counted from the last answer. Forever never gives up.
	ReconnectFor time.Duration
	// MinBackoff and MaxBackoff bound the pause between such tries; it doubles,
	// with full jitter.
	MinBackoff, MaxBackoff time.Duration
}

func (c Config) withDefaults() Config {
	if c.CallTimeout == 0 {
		c.CallTimeout = DefaultCallTimeout
	}
	if c.ReconnectFor == 0 {
		c.ReconnectFor = DefaultReconnectFor
	}
	if c.MinBackoff == 0 {
		c.MinBackoff = DefaultMinBackoff
	}
	if c.MaxBackoff == 0 {
		c.MaxBackoff = max(DefaultMaxBackoff, c.MinBackoff)
	}
	if c.HTTPClient == nil {
		c.HTTPClient = newHTTPClient(c.TLS, c.connectTimeout())
	}
	if c.Token != "" {
		c.HTTPClient = bearer{next: c.HTTPClient, token: c.Token}
	}
	return c
}

// connectTimeout is how long a server may take to accept a connection: short
// where there is another one.
func (c Config) connectTimeout() time.Duration {
	if len(c.Servers) > 1 {
		return connectTimeoutOfSeveral
	}
	return connectTimeout
}

// Client is safe for concurrent use.
type Client struct {
	cfg     Config
	servers []*server
	// preferred is the index of the server that answered last.
	preferred atomic.Int64
}

// New returns a client; it does not connect yet. The error, code
// [CodeInvalid], names the server that is no usable URL.
func New(cfg Config) (*Client, error) {
	if len(cfg.Servers) == 0 {
		return nil, &Error{Op: "configure client", Code: CodeInvalid, Field: "servers", Message: "no server is given"}
	}
	c := &Client{cfg: cfg.withDefaults()}
	for _, s := range cfg.Servers {
		base, err := baseURL(s)
		if err != nil {
			return nil, err
		}
		c.servers = append(c.servers, newServer(c.cfg.HTTPClient, base))
	}
	return c, nil
}

// baseURL refuses userinfo, so that no credential can end up in an error text.
func baseURL(server string) (string, error) {
	refuse := func(why string) error {
		return &Error{Op: "configure client", Code: CodeInvalid, Field: "servers", Message: why}
	}
	server = strings.TrimSpace(server)
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	switch {
	case err != nil || u.Hostname() == "":
		return "", refuse("a server is not a URL like https://host:port")
	case u.User != nil:
		return "", refuse("a server URL must not hold credentials; use a token")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", refuse(fmt.Sprintf("server %s: the scheme must be http or https", u.Host))
	case u.RawQuery != "" || u.Fragment != "":
		return "", refuse(fmt.Sprintf("server %s: a server URL has no query and no fragment", u.Host))
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.Path, "/"), nil
}

// newHTTPClient notices a dead server: TCP probes and HTTP/2 pings end a stream
// whose other side is gone without a word.
func newHTTPClient(conf *tls.Config, dialTimeout time.Duration) *http.Client {
	dialer := &net.Dialer{
		Timeout:         dialTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dialer.DialContext,
			TLSClientConfig:       conf,
			TLSHandshakeTimeout:   10 * time.Second,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   32,
			IdleConnTimeout:       90 * time.Second,
			ExpectContinueTimeout: time.Second,
			HTTP2:                 &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		},
		// The API never redirects; following one would only carry requests to
		// somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bearer adds the token to each request.
type bearer struct {
	next  connect.HTTPClient
	token string
}

func (b bearer) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.Do(r)
}
