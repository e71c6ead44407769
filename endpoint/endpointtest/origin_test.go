package endpointtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func client(o *Origin) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:    &tls.Config{RootCAs: o.RootCAs()},
		DisableCompression: true,
		ForceAttemptHTTP2:  true,
	}}
}

func get(t *testing.T, o *Origin, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL("/f"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client(o).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func TestContentReadsTheSameInAnyPieces(t *testing.T) {
	c := Content{Seed: 7, Generation: 2, Size: 3*BlockSize + 100}
	whole, err := io.ReadAll(c.Reader(0))
	if err != nil || int64(len(whole)) != c.Size {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	for _, off := range []int64{0, 1, 5, 4095, 4096, 9000, c.Size - 1, c.Size} {
		p := make([]byte, 5000)
		n, err := c.ReadAt(p, off)
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if !bytes.Equal(p[:n], whole[off:min(off+5000, c.Size)]) {
			t.Errorf("bytes from %d differ", off)
		}
	}
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	c := Content{Seed: 7, Generation: 2, Size: 3*BlockSize + 100}
	next := c
	next.Generation++
	good, _ := io.ReadAll(c.Reader(0))
	other, _ := io.ReadAll(next.Reader(0))
	mixed := append(bytes.Clone(good[:BlockSize]), other[BlockSize:]...)
	shifted := append(bytes.Clone(good[:BlockSize]), good[2*BlockSize:]...)
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"right":   {good, ""},
		"mixed":   {mixed, "byte 4104 differs: the block says seed 7 generation 3 offset 4096, want generation 2"},
		"shifted": {shifted, "offset 8192, want"},
		"short":   {good[:len(good)-1], "size is not"},
		"long":    {append(bytes.Clone(good), 0), "size is not"},
		"empty":   {nil, "size is not"},
	} {
		err := c.Verify(bytes.NewReader(tc.data))
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOriginServesWholeAndRanges(t *testing.T) {
	for name, opts := range map[string]Options{
		"http": {}, "https": {TLS: true}, "http/2": {TLS: true, HTTP2: true},
	} {
		t.Run(name, func(t *testing.T) {
			opts.Seed, opts.Size = 1, 100_000
			o := New(t, opts)
			resp := get(t, o)
			if resp.StatusCode != 200 || resp.ContentLength != 100_000 || resp.ProtoMajor == 2 != opts.HTTP2 {
				t.Fatalf("%v %d", resp.Status, resp.ContentLength)
			}
			if err := o.Content().Verify(resp.Body); err != nil {
				t.Fatal(err)
			}
			resp = get(t, o, "Range", "bytes=5000-5999", "If-Range", o.ETag())
			part, err := io.ReadAll(resp.Body)
			want := make([]byte, 1000)
			_, _ = o.Content().ReadAt(want, 5000)
			if err != nil || resp.StatusCode != 206 || !bytes.Equal(part, want) {
				t.Fatalf("%v %v: %d bytes", resp.Status, err, len(part))
			}
			// The last bytes arrive before the origin has counted them.
			if err := o.WaitServed(t.Context(), 101_000); err != nil || o.BytesServed() != 101_000 {
				t.Errorf("served %d, %v", o.BytesServed(), err)
			}
			if got := o.Refetched("/f"); got != 1000 {
				t.Errorf("refetched %d", got)
			}
		})
	}
}

func TestOriginAnswersWholeAfterAChange(t *testing.T) {
	o := New(t, Options{Size: 10_000})
	old := o.ETag()
	first := o.SHA256()
	o.Change()
	resp := get(t, o, "Range", "bytes=5000-", "If-Range", old)
	if resp.StatusCode != 200 || o.SHA256() == first {
		t.Errorf("%v", resp.Status)
	}
	if resp := get(t, o, "Range", "bytes=10000-"); resp.StatusCode != 416 {
		t.Errorf("%v", resp.Status)
	}
}

func TestOriginCutsWhereItWasTold(t *testing.T) {
	for name, b := range map[string]Behavior{
		"reset":         {CutAt: 5000, CutTimes: 1},
		"close":         {CutAt: 5000, CutTimes: 1, Cut: CutClose},
		"chunked":       {CutAt: 5000, CutTimes: 1, Cut: CutClose, Length: LengthNone},
		"announce more": {Length: LengthLong},
	} {
		t.Run(name, func(t *testing.T) {
			o := New(t, Options{Size: 10_000, Behavior: b})
			data, err := io.ReadAll(get(t, o).Body)
			if err == nil || len(data) == 10_000 && b.CutTimes > 0 {
				t.Errorf("%d bytes, %v", len(data), err)
			}
			if b.Cut == CutClose && len(data) != 5000 {
				t.Errorf("%d bytes arrived", len(data))
			}
			if b.CutTimes == 1 {
				if err := o.Content().Verify(get(t, o).Body); err != nil {
					t.Errorf("second try: %v", err)
				}
			}
		})
	}
}

func TestOriginEndsWithoutLength(t *testing.T) {
	for _, mode := range []LengthMode{LengthNone, LengthClose} {
		o := New(t, Options{Size: 10_000, Behavior: Behavior{Length: mode}})
		resp := get(t, o)
		if resp.ContentLength != -1 {
			t.Errorf("length %d", resp.ContentLength)
		}
		if err := o.Content().Verify(resp.Body); err != nil {
			t.Error(err)
		}
	}
}

func TestOriginStallsUntilTheClientGoes(t *testing.T) {
	o := New(t, Options{Size: 10_000, Behavior: Behavior{StallAt: 5000, StallTimes: 1}})
	resp := get(t, o)
	data := make([]byte, 5000)
	if _, err := io.ReadFull(resp.Body, data); err != nil {
		t.Fatal(err)
	}
	if err := o.WaitServed(t.Context(), 5000); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := o.BytesServed(); got != 5000 {
		t.Errorf("served %d", got)
	}
}

func TestOriginRefusesAndRecovers(t *testing.T) {
	o := New(t, Options{Size: 10, Behavior: Behavior{Status: 429, StatusTimes: 2, RetryAfter: "7"}})
	for want := range 3 {
		resp := get(t, o)
		if (resp.StatusCode == 429) != (want < 2) || want < 2 && resp.Header.Get("Retry-After") != "7" {
			t.Errorf("answer %d: %v", want, resp.Status)
		}
	}
	if n := len(o.Requests()); n != 3 {
		t.Errorf("%d requests", n)
	}
}

func TestOriginTriggersAndWaits(t *testing.T) {
	o := New(t, Options{Size: 1 << 20})
	ran := make(chan int64, 1)
	o.When(1<<19, func() { ran <- o.BytesServed() })
	if err := o.Content().Verify(get(t, o).Body); err != nil {
		t.Fatal(err)
	}
	if at := <-ran; at < 1<<19 {
		t.Errorf("triggered at %d", at)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := o.WaitServed(ctx, 1<<30); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestOriginTellsWhenAPathWasAskedFor(t *testing.T) {
	o := New(t, Options{Size: 1000})
	before := time.Now()
	get(t, o)
	first, err := o.AwaitRequest(t.Context(), "/f", before)
	if err != nil || !first.After(before) {
		t.Fatalf("%v %v", first, err)
	}
	second := make(chan time.Time, 1)
	go func() {
		at, err := o.AwaitRequest(t.Context(), "/f", first)
		if err != nil {
			t.Error(err)
		}
		second <- at
	}()
	if err := o.Content().Verify(get(t, o).Body); err != nil {
		t.Fatal(err)
	}
	if at := <-second; !at.After(first) {
		t.Errorf("%v is not after %v", at, first)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if at, err := o.AwaitRequest(ctx, "/g", before); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v %v", at, err)
	}
	if n, other := o.PathBytes("/f"), o.PathBytes("/g"); n < 1000 || other != 0 {
		t.Errorf("%d and %d bytes", n, other)
	}
}

func TestOriginRedirectsAndAnswersRaw(t *testing.T) {
	o := New(t, Options{Size: 10})
	o.Redirect("/f", 302, "/g")
	if resp := get(t, o); resp.Request.URL.Path != "/g" {
		t.Errorf("%v", resp.Request.URL)
	}
	o.Raw("/f", "HTTP/1.1 299 odd\r\nContent-Length: 2\r\n\r\nhi")
	if resp := get(t, o); resp.StatusCode != 299 {
		t.Errorf("%v", resp.Status)
	}
}

func BenchmarkContent(b *testing.B) {
	p := make([]byte, 256<<10)
	c := Content{Seed: 1, Generation: 1, Size: 1 << 40}
	b.SetBytes(int64(len(p)))
	for i := range b.N {
		_, _ = c.ReadAt(p, int64(i)*int64(len(p)))
	}
}
