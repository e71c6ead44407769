package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"pgregory.net/rapid"
)

// Any range is the same bytes as in the whole.
func TestDemoContent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := demoContent{seed: rapid.Uint64().Draw(t, "seed"), size: rapid.Int64Range(1, 500).Draw(t, "size")}
		whole, err := io.ReadAll(io.NewSectionReader(c, 0, c.size))
		if err != nil || int64(len(whole)) != c.size {
			t.Fatalf("%d bytes, %v", len(whole), err)
		}
		off := rapid.Int64Range(0, c.size-1).Draw(t, "offset")
		piece := make([]byte, rapid.IntRange(0, 600).Draw(t, "length"))
		n, err := c.ReadAt(piece, off)
		if want := whole[off:min(off+int64(len(piece)), c.size)]; !bytes.Equal(piece[:n], want) {
			t.Fatalf("bytes %d+%d: %x, want %x", off, len(piece), piece[:n], want)
		}
		if short := n < len(piece); short != errors.Is(err, io.EOF) {
			t.Fatalf("%d of %d bytes: %v", n, len(piece), err)
		}
	})
}

// Bytes that went to another place, or into another file, are noticed.
func TestDemoContentDiffers(t *testing.T) {
	seen := map[[wordSize]byte]string{}
	for seed := range uint64(4) {
		c := demoContent{seed: seed, size: 64 << 10}
		for off := int64(0); off < c.size; off += wordSize {
			var word [wordSize]byte
			_, _ = c.ReadAt(word[:], off)
			here := fmt.Sprintf("%d of file %d", off, seed)
			if there, found := seen[word]; found {
				t.Fatalf("byte %s is as %s", here, there)
			}
			seen[word] = here
		}
	}
}

func testOrigin(t *testing.T) (*demoOrigin, demoContent) {
	c := demoContent{seed: 7, size: 100_000}
	o, err := startDemoOrigin(map[string]demoContent{"/a": c, "/b": {seed: 8, size: 10}}, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.close)
	return o, c
}

func ask(t *testing.T, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, body
}

func TestDemoOrigin(t *testing.T) {
	o, c := testOrigin(t)
	whole, _ := io.ReadAll(io.NewSectionReader(c, 0, c.size))
	for _, test := range []struct {
		name   string
		path   string
		header []string
		status int
		want   []byte
	}{
		{"whole", "/a", nil, 200, whole},
		{"range", "/a", []string{"Range", "bytes=500-99998"}, 206, whole[500:99_999]},
		{"rest", "/a", []string{"Range", "bytes=70000-", "If-Range", c.etag()}, 206, whole[70_000:]},
		{"another version", "/a", []string{"Range", "bytes=70000-", "If-Range", `"old"`}, 200, whole},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := o.sentOf("/a").bytes
			answer, body := ask(t, o.url(test.path), test.header...)
			if answer.StatusCode != test.status || !bytes.Equal(body, test.want) || answer.ContentLength != int64(len(test.want)) {
				t.Errorf("status %d, %d bytes", answer.StatusCode, len(body))
			}
			if got := answer.Header.Get("ETag"); got != c.etag() {
				t.Errorf("ETag %s", got)
			}
			if n := o.sentOf("/a").bytes - before; n != int64(len(test.want)) {
				t.Errorf("%d bytes counted, %d sent", n, len(test.want))
			}
		})
	}
	if answer, _ := ask(t, o.url("/c")); answer.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", answer.StatusCode)
	}
	if answer, _ := ask(t, o.url("/a"), "Range", "bytes=100000-"); answer.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("status %d", answer.StatusCode)
	}
}

// What goes to who takes over is told from what went to who is gone.
func TestDemoOriginCountsForEachNode(t *testing.T) {
	o, c := testOrigin(t)
	ask(t, o.url("/a"), "Range", "bytes=0-39999")
	if sent := o.sentOf("/a"); sent.bytes != 40_000 || sent.first != 40_000 || !sent.resumed.IsZero() {
		t.Errorf("before: %+v", sent)
	}
	o.orphan([]string{"/a"})
	ask(t, o.url("/a"), "Range", "bytes=30000-")
	ask(t, o.url("/b"))
	sent := o.sentOf("/a")
	if sent.bytes != c.size+10_000 || sent.first != 40_000 || sent.resumed.IsZero() {
		t.Errorf("after: %+v", sent)
	}
	if other := o.sentOf("/b"); other != (demoSent{bytes: 10, first: 10}) || o.total() != sent.bytes+10 {
		t.Errorf("the other file: %+v, in all %d", other, o.total())
	}
}

func TestDemoOriginCorrupts(t *testing.T) {
	o, c := testOrigin(t)
	o.corrupt = true
	_, body := ask(t, o.url("/a"))
	whole, _ := io.ReadAll(io.NewSectionReader(c, 0, c.size))
	if bytes.Equal(body, whole) || !bytes.Equal(body[1:], whole[1:]) {
		t.Error("one byte must differ")
	}
}
