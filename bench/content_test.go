package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// build makes a whole file of one version.
func build(t *testing.T, v version, size int64) []byte {
	t.Helper()
	body, err := io.ReadAll(io.NewSectionReader(newContent(v, size), 0, size))
	if err != nil || int64(len(body)) != size {
		t.Fatalf("%d of %d bytes, %v", len(body), size, err)
	}
	return body
}

func TestContentReadsTheSameInPieces(t *testing.T) {
	const size = 5*cellSize + 17
	whole := build(t, before, size)
	var pieces []byte
	for off := int64(0); off < size; off += 1000 {
		p := make([]byte, 1000)
		n, err := newContent(before, size).ReadAt(p, off)
		if n < len(p) && !errors.Is(err, io.EOF) {
			t.Fatalf("%d bytes at %d: %v", n, off, err)
		}
		pieces = append(pieces, p[:n]...)
	}
	if !bytes.Equal(whole, pieces) {
		t.Error("pieces differ from the whole")
	}
	if bytes.Equal(whole[:cellSize], whole[cellSize:2*cellSize]) || bytes.Equal(whole, build(t, after, size)) {
		t.Error("cells or versions cannot be told apart")
	}
}

func TestVerdict(t *testing.T) {
	const size = 4*cellSize + 100
	old, young := build(t, before, size), build(t, after, size)
	mixed := slices.Concat(old[:cellSize], young[cellSize:])
	torn := slices.Concat(old[:100], young[100:])
	swapped := slices.Concat(young[cellSize:2*cellSize], young[:cellSize], young[2*cellSize:])
	for _, tc := range []struct {
		name string
		body []byte
		want string
	}{
		{"new", young, "right"},
		{"old", old, "the old version"},
		{"mixed", mixed, "mixed (20 % of the old version)"},
		{"torn within a cell", torn, "damaged (1 cells)"},
		{"cells at wrong places", swapped, "damaged (2 cells)"},
		{"short", young[:2*cellSize], "of 8192 bytes"},
		{"empty", nil, "of 0 bytes"},
		{"too long", append(slices.Clone(young), 0), "damaged (1 cells)"},
	} {
		got, err := count(bytes.NewReader(tc.body), size)
		if err != nil || got.verdict(after, size) != tc.want {
			t.Errorf("%s: %q, %v; want %q", tc.name, got.verdict(after, size), err, tc.want)
		}
	}
}

func TestCounterCountsWhatItServes(t *testing.T) {
	const size = 10 * cellSize
	c, err := startCounter(t.Context(), size, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer c.stop()
	half := c.reset(size / 2)
	ask := func(header, value string) (*http.Response, []byte) {
		t.Helper()
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/file", nil)
		req.Header.Set(header, value)
		w := httptest.NewRecorder()
		c.ServeHTTP(w, req)
		return w.Result(), w.Body.Bytes()
	}
	resp, body := ask("Range", "bytes=100-199")
	if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(body, build(t, before, size)[100:200]) || c.total() != 100 {
		t.Errorf("status %d, %d bytes, %d counted", resp.StatusCode, len(body), c.total())
	}
	select {
	case <-half:
		t.Error("half is reached after 100 bytes")
	default:
	}
	ask("Accept", "*/*")
	select {
	case <-half:
	default:
		t.Error("half is not reached after the whole")
	}
	etag := resp.Header.Get("ETag")
	c.change()
	resp, body = ask("If-Range", etag)
	if resp.Header.Get("ETag") == etag || !bytes.Equal(body, build(t, after, size)) {
		t.Error("the content did not change")
	}
	c.reset(1)
	if resp, _ := ask("If-None-Match", etag); resp.StatusCode != http.StatusNotModified || c.total() != 0 {
		t.Errorf("status %d, %d bytes after a reset", resp.StatusCode, c.total())
	}
}

func TestOutcomesAreCounted(t *testing.T) {
	got := outcomes([]revival{{outcome: "a"}, {outcome: "b"}, {outcome: "a"}})
	if want := "a (2 of 3); b (1 of 3)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
