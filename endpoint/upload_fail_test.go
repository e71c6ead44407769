package endpoint

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// rawServer hands each connection to serve and returns its URL.
func rawServer(t testing.TB, serve func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				serve(conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return "http://" + l.Addr().String() + "/f" + secretQuery
}

// A server that refuses may answer and close while content is still coming: its
// answer counts, not the reset.
func TestEarlyRefusalIsReported(t *testing.T) {
	const size = 20 << 20
	for _, status := range []int{401, 413} {
		for _, tls := range []bool{false, true} {
			for _, at := range []int64{0, 1 << 20} {
				sink := endpointtest.NewSink(t, endpointtest.SinkOptions{TLS: tls})
				sink.Fault(endpointtest.SinkFault{
					Kind: endpointtest.FaultEarly, At: at, Times: endpointtest.Always, Status: status, Body: "no",
				})
				c := sinkClient(t, sink)
				for range 5 {
					d, s := upload(transfer.ProtocolPut, sink.URL("/f"), size)
					_, f := send(t, c, d, s, 0, &noted{})
					if f == nil || f.Err.Status != status || f.Unknown || at > 0 && !f.Sent || string(f.Answer.Body) != "no" {
						t.Fatalf("%d at %d: %+v", status, at, f)
					}
					if read := s.read.Load(); read >= size {
						t.Errorf("all of %d bytes were sent", read)
					}
				}
			}
		}
	}
}

// The same from a server that closes at once, with bytes that it has not read:
// the kernel sends a reset after the answer.
func TestAnswerCountsMoreThanAReset(t *testing.T) {
	url := rawServer(t, func(conn *net.TCPConn) {
		_, _ = io.CopyN(io.Discard, conn, 300_000)
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge")
	})
	c := newClient(t, nil)
	for range 50 {
		d, s := upload(transfer.ProtocolPost, url, 20<<20)
		_, f := send(t, c, d, s, 0, &noted{})
		if failureCode(f) != transfer.CodeUploadTooLarge || string(f.Answer.Body) != "large" || f.Unknown {
			t.Fatalf("%+v", f)
		}
	}
}

// A success before everything was sent is none.
func TestEarlySuccessIsIncomplete(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	for _, status := range []int{200, 204, 303} {
		sink.Fault(endpointtest.SinkFault{Kind: endpointtest.FaultEarly, At: 1 << 20, Status: status, Location: "/x"})
		d, s := upload(transfer.ProtocolPut, sink.URL("/f"), 20<<20)
		if _, f := send(t, sinkClient(t, sink), d, s, 0, &noted{}); failureCode(f) != transfer.CodeUploadIncomplete {
			t.Errorf("%d: %+v", status, f)
		}
	}
}

// shortStall sets time-outs that a test can wait for.
func shortStall(c *Config) {
	c.StallTimeout, c.HeaderTimeout, c.UploadTimeout = time.Second/2, time.Second/2, time.Second/2
}

func TestAnswersAreBounded(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for name, tc := range map[string]struct {
		answer     string
		stall      bool
		kept, size int64
	}{
		"empty":       {"Content-Length: 0\r\n\r\n", false, 0, 0},
		"short":       {"Content-Length: 5\r\n\r\nhello", false, 5, 5},
		"limit":       {"Content-Length: 65536\r\n\r\n" + long[:MaxAnswer], false, MaxAnswer, MaxAnswer},
		"long":        {"Content-Length: 200000\r\n\r\n" + long, false, MaxAnswer, 200_000},
		"unknown":     {"Connection: close\r\n\r\n" + long, false, MaxAnswer, transfer.UnknownSize},
		"known later": {"Connection: close\r\n\r\nhello", false, 5, 5},
		"broken":      {"Content-Length: 10\r\n\r\nhello", false, 5, 10},
		"stalls":      {"Content-Length: 10\r\n\r\nhello", true, 5, 10},
	} {
		t.Run(name, func(t *testing.T) {
			url := rawServer(t, func(conn *net.TCPConn) {
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+tc.answer)
				if tc.stall {
					_, _ = io.Copy(io.Discard, conn)
				}
			})
			d, s := upload(transfer.ProtocolPost, url, 1000)
			a, f := send(t, newClient(t, nil, shortStall), d, s, 0, &noted{})
			if f != nil || int64(len(a.Body)) != tc.kept || a.Size != tc.size {
				t.Errorf("%+v %+v", a, f)
			}
		})
	}
}

func TestNothingIsUnknownBeforeARequest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	notFound := func(c *Config) {
		c.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}
		}
	}
	tls := endpointtest.NewSink(t, endpointtest.SinkOptions{TLS: true})
	for url, want := range map[string]transfer.Code{
		"http://" + l.Addr().String() + "/f": transfer.CodeConnect,
		"http://nowhere.example/f":           transfer.CodeDNS,
		tls.URL("/f"):                        transfer.CodeTLSVerify,
	} {
		d, s := upload(transfer.ProtocolPost, url, 1000)
		_, f := send(t, newClient(t, nil, notFound), d, s, 0, &noted{})
		if failureCode(f) != want || f.Unknown || f.Sent {
			t.Errorf("%s: %+v", url, f)
		}
	}
}

// Wherever the connection breaks once a byte of the request has come, nobody
// knows; a request that did not come whole was not taken for whole.
func TestCutAnywhereIsUnknown(t *testing.T) {
	var cut atomic.Int64
	var whole atomic.Int64
	url := rawServer(t, func(conn *net.TCPConn) {
		at := cut.Load()
		r, err := http.ReadRequest(bufio.NewReader(io.LimitReader(conn, at)))
		if err == nil {
			if n, err := io.Copy(io.Discard, r.Body); err == nil && n == r.ContentLength {
				whole.Add(1)
			}
		}
		_ = conn.SetLinger(0)
	})
	c := newClient(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		const size = 400_000
		cut.Store(rapid.Int64Range(1, size).Draw(t, "at")) // header and content are longer than that
		s := &source{content: endpointtest.Content{Size: size}}
		d := &Upload{URL: url, Method: "POST", Size: size, Open: s.Open, Session: transfer.Session{Protocol: transfer.ProtocolPost}}
		_, f := c.Send(t.Context(), d, 0, Progress{})
		if f == nil || f.Err.Code != transfer.CodeReset || !f.Unknown || f.Sent != (s.read.Load() > 0) || s.open.Load() != 0 {
			t.Fatalf("%+v", f)
		}
	})
	if whole.Load() != 0 {
		t.Errorf("%d requests came whole", whole.Load())
	}
}

func TestLostAndLateAnswers(t *testing.T) {
	for kind, want := range map[endpointtest.SinkFaultKind]transfer.Code{
		endpointtest.FaultLost:   transfer.CodeReset,
		endpointtest.FaultSilent: transfer.CodeTimeout,
		endpointtest.FaultStall:  transfer.CodeStall,
	} {
		for _, tls := range []bool{false, true} {
			sink := endpointtest.NewSink(t, endpointtest.SinkOptions{TLS: tls})
			sink.Fault(endpointtest.SinkFault{Kind: kind})
			size, change := int64(100_000), shortStall
			switch kind {
			case endpointtest.FaultStall:
				size = 20 << 20 // more than sockets hold
			case endpointtest.FaultLost:
				change = func(*Config) {}
			}
			d, s := upload(transfer.ProtocolPost, sink.URL("/f"+secretQuery), size)
			_, f := send(t, sinkClient(t, sink, change), d, s, 0, &noted{})
			if failureCode(f) != want || !f.Unknown || !f.Sent || f.Answer != nil {
				t.Errorf("fault %d, TLS %v: %+v", kind, tls, f)
			}
			if _, ok := sink.Object("/f"); ok == (kind == endpointtest.FaultStall) {
				t.Errorf("fault %d: taken %v", kind, ok)
			}
			if n := len(sink.Requests()); n != 1 {
				t.Errorf("fault %d: %d requests", kind, n)
			}
		}
	}
}

// The time for an answer begins with the last byte that was sent, and a far side
// that takes some of the content has not stalled.
func TestSlowUploadIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, func(far net.Conn, r *http.Request) {
			buf := make([]byte, 8<<10)
			for {
				time.Sleep(50 * time.Second)
				if _, err := r.Body.Read(buf); err != nil {
					break
				}
			}
			time.Sleep(59 * time.Second)
			_, _ = io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		d, s := upload(transfer.ProtocolPut, "http://h.example/f", 200_000)
		if _, f := send(t, c, d, s, 0, &noted{}); f != nil {
			t.Error(f.Err)
		}
	})
}

func TestStallWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, func(far net.Conn, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, 50_000)
			time.Sleep(time.Hour)
		})
		start := time.Now()
		d, s := upload(transfer.ProtocolPut, "http://h.example/f", 200_000)
		_, f := send(t, c, d, s, 0, &noted{})
		if took := time.Since(start); failureCode(f) != transfer.CodeStall || !f.Unknown || took < time.Minute || took > 2*time.Minute {
			t.Errorf("%+v after %v", f, took)
		}
	})
}

func TestExpect(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	c := sinkClient(t, sink)
	d, s := upload(transfer.ProtocolPost, sink.URL("/f"), 100_000)
	d.Outgoing.Expect = true
	if _, f := send(t, c, d, s, 0, &noted{}); f != nil {
		t.Error(f.Err)
	}
	has(t, sink, "/f", s)
	for _, status := range []int{401, 413, 417} {
		sink.Fault(endpointtest.SinkFault{Kind: endpointtest.FaultEarly, Status: status})
		d, s := upload(transfer.ProtocolPost, sink.URL("/refused"), 100_000)
		d.Outgoing.Expect = true
		_, f := send(t, c, d, s, 0, &noted{})
		if f == nil || f.Err.Status != status || f.Sent || f.Unknown || s.read.Load() != 0 {
			t.Errorf("%d: %+v, %d bytes sent", status, f, s.read.Load())
		}
	}
}

func TestExpectIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(t, func(far net.Conn, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		start := time.Now()
		d, s := upload(transfer.ProtocolPut, "http://h.example/f", 200_000)
		d.Outgoing.Expect = true
		if _, f := send(t, c, d, s, 0, &noted{}); f != nil || time.Since(start) != expectTimeout {
			t.Errorf("%+v after %v", f, time.Since(start))
		}
	})
}

// What is wrong with the content is the failure, and the far side cannot take
// what came for whole.
func TestContentThatFails(t *testing.T) {
	changed := transfer.Errorf(transfer.CodeSourceChanged, "it is another")
	for name, tc := range map[string]struct {
		failAt int64
		err    error
		want   transfer.Code
	}{
		"open":    {-1, changed, transfer.CodeSourceChanged},
		"at once": {0, changed, transfer.CodeSourceChanged},
		"midway":  {500_000, changed, transfer.CodeSourceChanged},
		"other":   {500_000, errors.New("disk on fire"), transfer.CodeStoreUnavailable},
		"short":   {500_000, io.EOF, transfer.CodeSourceChanged},
	} {
		sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
		d, s := upload(transfer.ProtocolPost, sink.URL("/f"), 1_000_000)
		s.failAt, s.err = tc.failAt, tc.err
		_, f := send(t, sinkClient(t, sink), d, s, 0, &noted{})
		if failureCode(f) != tc.want || f.Unknown != (tc.failAt >= 0) || f.Sent != (tc.failAt > 0) {
			t.Errorf("%s: %+v", name, f)
		}
		if o, ok := sink.Object("/f"); ok {
			t.Errorf("%s: the far side has %d bytes", name, o.Size)
		}
	}
}

func TestCanceledUpload(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	sink.Fault(endpointtest.SinkFault{Kind: endpointtest.FaultStall, At: 100_000})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d, s := upload(transfer.ProtocolPost, sink.URL("/f"), 20<<20)
	go func() {
		_ = sink.WaitReceived(ctx, "/f", 100_000)
		cancel()
	}()
	_, f := sinkClient(t, sink).Send(ctx, d, 0, Progress{})
	if f == nil || !errors.Is(f.Err, context.Canceled) || !f.Unknown || !f.Sent || s.open.Load() != 0 {
		t.Errorf("%+v", f)
	}
}

// Net/http would make some requests again on its own: those with an
// Idempotency-Key that ended without an answer, on a connection that was used
// before.
func TestEachTryIsOurs(t *testing.T) {
	var requests atomic.Int64
	url := rawServer(t, func(conn *net.TCPConn) {
		in := bufio.NewReader(conn)
		for n := 1; ; n++ {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			requests.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			if n == 2 || strings.Contains(r.URL.Path, "lost") {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c := newClient(t, nil)
	for _, fresh := range []bool{false, true} {
		for i, path := range []string{"/f", "/lost"} {
			requests.Store(0)
			d, s := upload(transfer.ProtocolPost, strings.Replace(url, "/f", path, 1), 1000)
			d.Outgoing.IdempotencyKey = "k"
			m := message{
				method: d.Method, url: d.URL, size: d.Size, fresh: fresh,
				body: func() (io.ReadCloser, error) { return s.Open(t.Context(), 0, d.Size) },
			}
			_, f := c.deliver(t.Context(), d, m)
			if (f != nil) != (i == 1) || requests.Load() != 1 {
				t.Errorf("fresh %v, %s: %d requests, %+v", fresh, path, requests.Load(), f)
			}
		}
	}
}

// A kept connection that the far side has closed would make a request unknown
// that was never made.
func TestWholeHasAConnectionOfItsOwn(t *testing.T) {
	url := rawServer(t, func(conn *net.TCPConn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	c := newClient(t, nil)
	for range 20 {
		d, s := upload(transfer.ProtocolPost, url, 1000)
		if _, f := send(t, c, d, s, 0, &noted{}); f != nil {
			t.Fatalf("%+v", f)
		}
	}
}
