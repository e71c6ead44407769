package endpoint

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"syscall"
	"testing"
	"time"

	"godwit/endpoint/endpointtest"
)

// BenchmarkRead measures one stream of 256 MiB from a file server in this
// process, so the CPU is that of both ends.
func BenchmarkRead(b *testing.B) {
	const size = 256 << 20
	for _, mode := range []struct {
		name       string
		tls, http2 bool
	}{{"http", false, false}, {"https", true, false}, {"http2", true, true}} {
		for _, buffer := range []int{4 << 10, 64 << 10, 256 << 10} {
			for _, read := range []int{64 << 10, 1 << 20} {
				b.Run(fmt.Sprintf("%s/buffer=%dK/read=%dK", mode.name, buffer>>10, read>>10), func(b *testing.B) {
					o := endpointtest.New(b, endpointtest.Options{Size: size, TLS: mode.tls, HTTP2: mode.http2})
					o.Handle("/zero", zeros(size))
					c := newClient(b, o, func(c *Config) { c.HTTP2, c.ReadBuffer = mode.http2, buffer })
					p := make([]byte, read)
					b.SetBytes(size)
					b.ReportAllocs()
					start := cpu()
					for b.Loop() {
						stream(b, c, o.URL("/zero"), p)
					}
					b.ReportMetric((cpu()-start).Seconds()/float64(b.N)/(size/1e9), "cpu-s/GB")
				})
			}
		}
	}
}

func stream(b *testing.B, c *Client, url string, p []byte) {
	r, err := c.Open(b.Context(), first(url))
	if err != nil {
		b.Fatal(err)
	}
	for err == nil {
		_, err = r.Body.Read(p)
	}
	if !errors.Is(err, io.EOF) {
		b.Fatal(err)
	}
	_ = r.Body.Close()
}

// BenchmarkOpen measures a request for a small range on a kept connection.
func BenchmarkOpen(b *testing.B) {
	o := endpointtest.New(b, endpointtest.Options{Size: 1 << 20})
	c := newClient(b, o)
	p := make([]byte, 4<<10)
	req := first(o.URL("/f"))
	req.Length = int64(len(p))
	b.ReportAllocs()
	for b.Loop() {
		r, err := c.Open(b.Context(), req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(r.Body, p); err != nil {
			b.Fatal(err)
		}
		_ = r.Body.Close()
	}
}

// cpu is the time this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// zeros serves size bytes that cost nothing to make.
func zeros(size int64) http.Handler {
	p := make([]byte, 1<<20)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		for range size / int64(len(p)) {
			if _, err := w.Write(p); err != nil {
				return
			}
		}
	})
}
