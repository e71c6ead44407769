package endpoint

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// socks is a SOCKS5 server (RFC 1928) that knows CONNECT only and connects
// everything to one origin.
type socks struct {
	addr string
	// user and password are required when user is not empty (RFC 1929).
	user, password string
	// reply is what it answers to CONNECT.
	reply byte
	// mute: it never answers a CONNECT.
	mute   bool
	origin string

	mu    sync.Mutex
	asked []string // guarded by mu: destinations, "name host:port" or "address host:port"
	conns int      // guarded by mu
}

// startSocks listens until the end of the test.
func startSocks(t *testing.T, s *socks) *socks {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	s.addr = l.Addr().String()
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				_ = s.serve(conn) // the client sees what went wrong
			})
		}
	})
	return s
}

func (s *socks) url(userinfo *url.Userinfo) *url.URL {
	return &url.URL{Scheme: "socks5", Host: s.addr, User: userinfo}
}

func (s *socks) seen() (asked []string, conns int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked), s.conns
}

func (s *socks) serve(conn net.Conn) error {
	s.mu.Lock()
	s.conns++
	s.mu.Unlock()
	if err := s.greet(conn); err != nil {
		return err
	}
	target, err := readTarget(conn)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.asked = append(s.asked, target)
	s.mu.Unlock()
	if s.mute {
		_, err := io.Copy(io.Discard, conn)
		return err
	}
	if _, err := conn.Write([]byte{5, s.reply, 0, 1, 0, 0, 0, 0, 0, 0}); err != nil || s.reply != 0 {
		return err
	}
	far, err := net.Dial("tcp", s.origin)
	if err != nil {
		return err
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(far, conn)
		_ = far.Close()
	}()
	_, err = io.Copy(conn, far)
	return err
}

// greet agrees on a method (RFC 1928, section 3) and carries it out.
func (s *socks) greet(conn net.Conn) error {
	methods, err := readBlock(conn, 5)
	if err != nil {
		return err
	}
	want := byte(0)
	if s.user != "" {
		want = 2
	}
	if !bytes.Contains(methods, []byte{want}) {
		_, _ = conn.Write([]byte{5, 0xff})
		return errors.New("no method that is acceptable")
	}
	if _, err := conn.Write([]byte{5, want}); err != nil || want == 0 {
		return err
	}
	user, err := readBlock(conn, 1)
	if err != nil {
		return err
	}
	password, err := readString(conn)
	if err != nil {
		return err
	}
	if string(user) != s.user || string(password) != s.password {
		_, _ = conn.Write([]byte{1, 1})
		return errors.New("wrong password")
	}
	_, err = conn.Write([]byte{1, 0})
	return err
}

// readBlock reads a version and a counted string.
func readBlock(r io.Reader, version byte) ([]byte, error) {
	var got [1]byte
	if _, err := io.ReadFull(r, got[:]); err != nil {
		return nil, err
	}
	if got[0] != version {
		return nil, fmt.Errorf("version %d, want %d", got[0], version)
	}
	return readString(r)
}

func readString(r io.Reader) ([]byte, error) {
	var n [1]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, err
	}
	out := make([]byte, n[0])
	_, err := io.ReadFull(r, out)
	return out, err
}

// readTarget reads a CONNECT (RFC 1928, section 4).
func readTarget(r io.Reader) (string, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	if head[0] != 5 || head[1] != 1 || head[2] != 0 {
		return "", fmt.Errorf("no CONNECT: %v", head)
	}
	var kind, host string
	switch head[3] {
	case 1, 4:
		raw := make([]byte, map[byte]int{1: 4, 4: 16}[head[3]])
		if _, err := io.ReadFull(r, raw); err != nil {
			return "", err
		}
		addr, _ := netip.AddrFromSlice(raw)
		kind, host = "address", addr.String()
	case 3:
		name, err := readString(r)
		if err != nil {
			return "", err
		}
		kind, host = "name", string(name)
	default:
		return "", fmt.Errorf("address type %d", head[3])
	}
	var port [2]byte
	if _, err := io.ReadFull(r, port[:]); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s:%d", kind, host, binary.BigEndian.Uint16(port[:])), nil
}

// nobody is a resolver that must not be asked: names are the proxy's business.
func nobody(t *testing.T) func(*Config) {
	return func(c *Config) {
		c.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
			t.Errorf("%s was looked up here", host)
			return nil, errors.New("nobody")
		}
	}
}

// TestSocks fetches through a proxy, without and with a password, names and
// addresses, with TLS and without.
func TestSocks(t *testing.T) {
	plain := endpointtest.New(t, endpointtest.Options{Size: 100_000, Seed: 1})
	secure := endpointtest.New(t, endpointtest.Options{Size: 100_000, Seed: 1, TLS: true})
	for name, c := range map[string]struct {
		origin         *endpointtest.Origin
		user, password string
		target, asked  string
	}{
		"name":          {plain, "", "", "http://name.example/f", "name name.example:80"},
		"port":          {plain, "", "", "http://name.example:8080/f", "name name.example:8080"},
		"international": {plain, "", "", "http://bücher.example/f", "name xn--bcher-kva.example:80"},
		"IPv4":          {plain, "", "", "http://192.0.2.1/f", "address 192.0.2.1:80"},
		"IPv6":          {plain, "", "", "http://[2001:db8::1]:81/f", "address 2001:db8::1:81"},
		"TLS":           {secure, "", "", "https://localhost/f", "name localhost:443"},
		"password":      {plain, "bob", "secret:@/", "http://name.example/f", "name name.example:80"},
		"empty":         {plain, "bob", "x", "http://name.example/f", "name name.example:80"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSocks(t, &socks{user: c.user, password: c.password, origin: c.origin.Addr()})
			var userinfo *url.Userinfo
			if c.user != "" {
				userinfo = url.UserPassword(c.user, c.password)
			}
			client := newClient(t, c.origin, nobody(t), func(config *Config) { config.Proxy = s.url(userinfo) })
			req := first(c.target)
			req.Offset = 10
			_, data, err := fetch(t, client, req)
			if err != nil {
				t.Fatal(err)
			}
			want, err := io.ReadAll(c.origin.Content().Reader(10))
			if err != nil || !bytes.Equal(data, want) {
				t.Errorf("%d bytes, %v, want %d", len(data), err, len(want))
			}
			if asked, _ := s.seen(); !slices.Equal(asked, []string{c.asked}) {
				t.Errorf("it was asked for %q, want %q", asked, c.asked)
			}
		})
	}
}

// TestSocksRefusals are failures that may pass, and repeat nothing of what the
// proxy was told.
func TestSocksRefusals(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{Size: 10})
	with := func(user, password string) *url.Userinfo { return url.UserPassword(user, password) }
	for name, c := range map[string]struct {
		socks    *socks
		userinfo *url.Userinfo
	}{
		"password missing":  {&socks{user: "bob", password: "right"}, nil},
		"password wrong":    {&socks{user: "bob", password: "right"}, with("bob", "CANARY")},
		"user wrong":        {&socks{user: "bob", password: "right"}, with("CANARY", "right")},
		"general failure":   {&socks{reply: 1}, nil},
		"not allowed":       {&socks{reply: 2}, nil},
		"host unreachable":  {&socks{reply: 4}, nil},
		"refused":           {&socks{reply: 5}, nil},
		"unknown reply":     {&socks{reply: 99}, with("bob", "CANARY")},
		"origin goes wrong": {&socks{origin: "127.0.0.1:1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSocks(t, c.socks)
			if s.origin == "" {
				s.origin = o.Addr()
			}
			client := newClient(t, nil, nobody(t), func(config *Config) { config.Proxy = s.url(c.userinfo) })
			_, _, err := fetch(t, client, first("http://name.example/f?CANARY"))
			if !code(err).Retryable() || code(err) == transfer.CodeInternal {
				t.Errorf("%v", err)
			}
			for ; err != nil; err = errors.Unwrap(err) {
				if strings.Contains(err.Error(), "CANARY") {
					t.Errorf("a secret is repeated: %v", err)
				}
			}
		})
	}
	if n, _ := o.Connections(); n != 0 {
		t.Errorf("%d connections reached the origin", n)
	}
}

// TestSocksIsJudged: a server's policy is asked about everything that can be
// known here. What a name means is known to the proxy alone.
func TestSocksIsJudged(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{Size: 10})
	loopback := ServerPolicy(prefixes("127.0.0.0/8"), nil)
	o.Redirect("/metadata", http.StatusFound, "http://169.254.169.254/latest")
	o.Redirect("/private", http.StatusFound, "http://10.0.0.1/f")
	for name, c := range map[string]struct {
		policy Policy
		target string
		// asked is what the proxy was asked for before it was denied.
		asked []string
		code  transfer.Code
	}{
		"proxy in a private network": {ServerPolicy(nil, nil), "http://name.example/f", nil, transfer.CodeEgress},
		"private address":            {loopback, "http://10.0.0.1/f", nil, transfer.CodeEgress},
		"hidden address":             {loopback, "http://[::ffff:10.0.0.1]/f", nil, transfer.CodeEgress},
		"metadata":                   {loopback, "http://169.254.169.254/f", nil, transfer.CodeEgress},
		"name of metadata":           {loopback, "http://metadata.google.internal/f", nil, transfer.CodeEgress},
		"localhost":                  {ServerPolicy(prefixes("127.0.0.1/32"), []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80")}), "http://localhost/f", nil, transfer.CodeEgress},
		"port":                       {loopback, "http://name.example:22/f", nil, transfer.CodeEgress},
		"redirect to metadata":       {loopback, "http://name.example/metadata", []string{"name name.example:80"}, transfer.CodeEgress},
		"redirect to private":        {loopback, "http://name.example/private", []string{"name name.example:80"}, transfer.CodeEgress},
		"name that may be anything":  {loopback, "http://10.0.0.1.nip.io/f", []string{"name 10.0.0.1.nip.io:80"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSocks(t, &socks{origin: o.Addr()})
			client := newClient(t, nil, nobody(t), func(config *Config) { config.Policy, config.Proxy = c.policy, s.url(nil) })
			if _, _, err := fetch(t, client, first(c.target)); code(err) != c.code {
				t.Errorf("%v, want %s", err, c.code)
			}
			asked, conns := s.seen()
			if !slices.Equal(asked, c.asked) || c.asked == nil && conns > 0 {
				t.Errorf("asked for %q on %d connections, want %q", asked, conns, c.asked)
			}
		})
	}
}

// TestSocksThatDoesNotAnswer ends in time.
func TestSocksThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var proxies sync.WaitGroup
		defer proxies.Wait()
		s := &socks{mute: true, addr: "8.8.8.8:1080"}
		client := newClient(t, nil, nobody(t), func(c *Config) {
			c.Proxy = s.url(nil)
			c.Dial = func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				proxies.Go(func() {
					defer far.Close()
					_ = s.serve(far) // it ends with the connection
				})
				return near, nil
			}
		})
		began := time.Now()
		_, _, err := fetch(t, client, first("http://name.example/f"))
		if code(err) != transfer.CodeTimeout {
			t.Error(err)
		}
		if took, limit := time.Since(began), defaultConnectTimeout; took > limit {
			t.Errorf("it took %v, %v are allowed", took, limit)
		}
	})
}
