package endpoint

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"godwit/transfer"
)

// pipeClient talks to serve over memory, in the time of the bubble.
func pipeClient(t *testing.T, serve func(net.Conn, *http.Request), change ...func(*Config)) *Client {
	t.Helper()
	var servers sync.WaitGroup
	t.Cleanup(servers.Wait)
	return newClient(t, nil, append([]func(*Config){func(c *Config) {
		c.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}
		c.Dial = func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			servers.Go(func() {
				defer far.Close()
				r, err := http.ReadRequest(bufio.NewReader(far))
				if err == nil {
					serve(far, r)
				}
			})
			return near, nil
		}
	}}, change...)...)
}

const wholeHeader = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"

// trickle writes n bytes, one every interval.
func trickle(c net.Conn, n int, every time.Duration) {
	for range n {
		time.Sleep(every)
		if _, err := c.Write([]byte{'x'}); err != nil {
			return
		}
	}
}

// readAll opens and reads; it returns how many bytes came and how long it took.
func readAll(t *testing.T, c *Client) (n int64, took time.Duration, err error) {
	t.Helper()
	start := time.Now()
	r, err := c.Open(t.Context(), first("http://h.example/f"))
	if err != nil {
		return 0, time.Since(start), err
	}
	defer r.Body.Close()
	n, err = io.Copy(io.Discard, r.Body)
	return n, time.Since(start), err
}

func TestStallIsFoundAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, func(far net.Conn, _ *http.Request) {
			_, _ = io.WriteString(far, wholeHeader+"hello")
			time.Sleep(59 * time.Second)
			_, _ = io.WriteString(far, "again")
			_, _ = io.Copy(io.Discard, far) // until the client goes
		}, func(c *Config) { c.MinRate = -1 })
		n, took, err := readAll(t, c)
		if code(err) != transfer.CodeStall || n != 10 || took != 119*time.Second {
			t.Errorf("%d bytes, %v, %v", n, took, err)
		}
	})
}

func TestSlowSourceIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, func(far net.Conn, _ *http.Request) {
			_, _ = io.WriteString(far, wholeHeader)
			trickle(far, 100_000, 10*time.Second)
		})
		n, took, err := readAll(t, c)
		if code(err) != transfer.CodeSlow || n != 6 || took != time.Minute {
			t.Errorf("%d bytes, %v, %v", n, took, err)
		}
	})
}

func TestSlowEnoughIsNotAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, func(far net.Conn, _ *http.Request) {
			_, _ = io.WriteString(far, wholeHeader)
			for range 100 {
				time.Sleep(time.Second - time.Millisecond)
				_, _ = far.Write(make([]byte, 1000))
			}
		}, func(c *Config) { c.MinRate = 1000 })
		n, took, err := readAll(t, c)
		if err != nil || n != 100_000 {
			t.Errorf("%d bytes, %v, %v", n, took, err)
		}
	})
}

// Back-pressure is not the far side's fault.
func TestOurOwnSlownessIsNotAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, func(far net.Conn, _ *http.Request) {
			_, _ = io.WriteString(far, wholeHeader)
			_, _ = far.Write(make([]byte, 100_000))
		})
		r, err := c.Open(t.Context(), first("http://h.example/f"))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		p := make([]byte, 1000)
		for range 100 {
			time.Sleep(10 * time.Minute)
			if _, err := io.ReadFull(r.Body, p); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestHeaderMustComeInTime(t *testing.T) {
	for name, serve := range map[string]func(net.Conn, *http.Request){
		"silence": func(far net.Conn, _ *http.Request) { _, _ = io.Copy(io.Discard, far) },
		"drip":    func(far net.Conn, _ *http.Request) { trickle(far, 1000, 10*time.Second) },
		"slow informational": func(far net.Conn, _ *http.Request) {
			for range 5 {
				time.Sleep(50 * time.Second)
				if _, err := io.WriteString(far, "HTTP/1.1 103 Early Hints\r\n\r\n"); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, took, err := readAll(t, pipeClient(t, serve))
				if code(err) != transfer.CodeTimeout || took != time.Minute {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
}

func TestConnectingMustSucceedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, nil, func(c *Config) {
			c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		if _, took, err := readAll(t, c); code(err) != transfer.CodeTimeout || took != 30*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestHandshakeMustSucceedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, nil, func(c *Config) {
			c.Dial = func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go func() {
					defer far.Close()
					_, _ = io.Copy(io.Discard, far)
				}()
				return near, nil
			}
		})
		start := time.Now()
		_, err := c.Open(t.Context(), first("https://8.8.8.8/f"))
		if took := time.Since(start); code(err) != transfer.CodeTimeout || took != 15*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// The second family is tried beside a first one that does not answer.
func TestDeadAddressDoesNotDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := netip.MustParseAddr("2606:4700::1")
		c := pipeClient(t, func(far net.Conn, _ *http.Request) {
			_, _ = io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		open := c.config.Dial
		d := &dialer{config: c.config}
		d.config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if netip.MustParseAddrPort(address).Addr() == dead {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return open(ctx, network, address)
		}
		d.config.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{dead, netip.MustParseAddr("2606:4700::2"), netip.MustParseAddr("8.8.8.8")}, nil
		}
		start := time.Now()
		conn, err := d.dial(t.Context(), "tcp", "h.example:80")
		if err != nil || time.Since(start) != fallbackDelay {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		_ = conn.Close()

		refused := errors.New("refused")
		d.config.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
		if _, err := d.dial(t.Context(), "tcp", "h.example:80"); !errors.Is(err, refused) {
			t.Error(err)
		}
	})
}

func TestFamiliesTakeTurns(t *testing.T) {
	var all []netip.AddrPort
	for _, s := range []string{"[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"} {
		all = append(all, netip.MustParseAddrPort(s))
	}
	got := alternate(all)
	if len(got) != 4 || got[0] != all[0] || got[1] != all[3] || got[2] != all[1] || got[3] != all[2] {
		t.Errorf("%v", got)
	}
}
