package s3_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/minio/crc64nvme"

	"godwit/storage"
	"godwit/storage/s3"
	"godwit/storage/s3/s3test"
)

// putParts begins an object and stores these parts.
func putParts(t *testing.T, os *s3.Objects, name, token string, contents ...string) (storage.Upload, []storage.Part, storage.CompleteOptions) {
	t.Helper()
	up, err := os.Begin(t.Context(), name, storage.BeginOptions{Token: token, Size: storage.UnknownSize})
	if err != nil {
		t.Fatal(err)
	}
	var parts []storage.Part
	opts := storage.CompleteOptions{Token: token}
	for i, content := range contents {
		w, err := os.OpenPart(t.Context(), up, i+1, opts.Size, int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		defer w.Discard()
		if _, err := w.ReadFrom(strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		part, err := w.Commit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
		opts.Size += part.Size
	}
	opts.CRC64 = crc64nvme.Checksum([]byte(strings.Join(contents, "")))
	return up, parts, opts
}

// A Complete that goes wrong once, in any way, still ends with the object when
// it is repeated as its error allows, and publishes it once.
func TestCompleteFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault s3test.Fault
		first storage.Kind // of the first Complete; "" is success at once
	}{
		"reply lost":                  {s3test.Fault{Drop: true, Apply: true}, ""},
		"request lost":                {s3test.Fault{Drop: true}, storage.ErrUnknown},
		"500 after the act":           {s3test.Fault{Status: 500, Code: "InternalError", Apply: true}, ""},
		"412 for our own":             {s3test.Fault{Status: 412, Code: "PreconditionFailed", Apply: true}, ""},
		"404 for our own":             {s3test.Fault{Status: 404, Code: "NoSuchUpload", Apply: true}, ""},
		"200 with an error":           {s3test.Fault{Status: 200, Code: "InternalError"}, storage.ErrUnknown},
		"200 with an error, done":     {s3test.Fault{Status: 200, Code: "InternalError", Apply: true}, ""},
		"200 with nothing":            {s3test.Fault{Status: 200, Raw: " "}, storage.ErrUnknown},
		"200 with nonsense":           {s3test.Fault{Status: 200, Raw: "<html>"}, storage.ErrUnknown},
		"throttled":                   {s3test.Fault{Status: 503, Code: "SlowDown"}, storage.ErrUnavailable},
		"409 once":                    {s3test.Fault{Status: 409, Code: "ConditionalRequestConflict"}, ""},
		"412 though nothing is there": {s3test.Fault{Status: 412, Code: "PreconditionFailed"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := s3test.NewFake(t)
			os := openObjects(t, s3.Config{Endpoint: f.Endpoint})
			up, parts, opts := putParts(t, os, "bucket/k", "ours", "hello")
			f.SetFaults(first("CompleteMultipartUpload", test.fault))
			info, err := os.Complete(t.Context(), up, parts, opts)
			if storage.KindOf(err) != test.first {
				t.Fatalf("got %v, want %q", err, test.first)
			}
			if err != nil {
				info, err = os.Complete(t.Context(), up, parts, opts)
			}
			if err != nil || info.Token != "ours" || info.Size != 5 || !info.HasCRC64 || info.CRC64 != opts.CRC64 {
				t.Fatalf("got %+v, %v", info, err)
			}
			if got := string(f.Objects()["bucket/k"]); got != "hello" || len(f.Uploads()) != 0 {
				t.Fatalf("published %q, left %q", got, f.Uploads())
			}
		})
	}
}

func TestCompleteConflictStays(t *testing.T) {
	f := s3test.NewFake(t)
	os := openObjects(t, s3.Config{Endpoint: f.Endpoint})
	up, parts, opts := putParts(t, os, "bucket/k", "ours", "hello")
	f.SetFaults(always("CompleteMultipartUpload", 100, s3test.Fault{Status: 409, Code: "ConditionalRequestConflict"}))
	_, err := os.Complete(t.Context(), up, parts, opts)
	wantKind(t, err, storage.ErrConflict)
}

// The condition goes out with Complete and only there: CreateMultipartUpload
// does not know it.
func TestCompleteCondition(t *testing.T) {
	f := s3test.NewFake(t)
	os := openObjects(t, s3.Config{Endpoint: f.Endpoint})
	conditions := make(chan string, 10)
	f.SetFaults(func(c s3test.Call) s3test.Fault {
		if c.Op == "CreateMultipartUpload" || c.Op == "CompleteMultipartUpload" {
			conditions <- c.Op + " " + c.Header.Get("If-None-Match")
		}
		return s3test.Fault{}
	})
	for _, replace := range []bool{false, true} {
		up, parts, opts := putParts(t, os, "bucket/k", "t", "hello")
		opts.Replace = replace
		if _, err := os.Complete(t.Context(), up, parts, opts); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"CreateMultipartUpload ", "CompleteMultipartUpload *", "CreateMultipartUpload ", "CompleteMultipartUpload "} {
		if got := <-conditions; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A server that knows no CRC-64/NVME is used without, from the first refusal
// on; uploads begun before keep their kind.
func TestChecksumRefused(t *testing.T) {
	f := s3test.NewFake(t)
	os := openObjects(t, s3.Config{Endpoint: f.Endpoint})
	before, beforeParts, beforeOpts := putParts(t, os, "bucket/before", "t0", "with")
	f.SetFaults(func(c s3test.Call) s3test.Fault {
		if c.Op == "CreateMultipartUpload" && c.Header.Get("X-Amz-Checksum-Algorithm") != "" {
			return s3test.Fault{Status: 400, Code: "InvalidRequest"}
		}
		return s3test.Fault{}
	})
	calls := f.Calls("CreateMultipartUpload")
	for range 2 {
		up, parts, opts := putParts(t, os, "bucket/k", "t1", "without")
		opts.Replace = true
		listed, err := os.ListParts(t.Context(), up)
		if err != nil || len(listed) != 1 || listed[0].ETag != parts[0].ETag || listed[0].CRC64 != 0 {
			t.Fatalf("listed %+v, %v", listed, err)
		}
		if _, err := os.Complete(t.Context(), up, parts, opts); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.Calls("CreateMultipartUpload") - calls; got != 3 {
		t.Errorf("two objects took %d requests, want 3: the refusal is remembered", got)
	}
	if _, err := os.Complete(t.Context(), before, beforeParts, beforeOpts); err != nil {
		t.Errorf("the upload begun before: %v", err)
	}
}

// A retried Begin removes what the lost one left, and nothing else.
func TestBeginRetrySweeps(t *testing.T) {
	f := s3test.NewFake(t)
	server := time.Now().Add(10 * time.Minute) // its clock is ahead
	f.SetClock(func() time.Time { return server })
	os := openObjects(t, s3.Config{Endpoint: f.Endpoint})
	begin := func(name string, retry bool) (storage.Upload, error) {
		return os.Begin(t.Context(), name, storage.BeginOptions{Token: "t", Retry: retry, Since: time.Now().Add(-time.Second)})
	}
	server = server.Add(-time.Hour)
	old, err := begin("bucket/k", false)
	if err != nil {
		t.Fatal(err)
	}
	server = server.Add(time.Hour)
	neighbour, err := begin("bucket/k2", false)
	if err != nil {
		t.Fatal(err)
	}
	busy, _, _ := putParts(t, os, "bucket/k", "other", "hello")
	f.SetFaults(func(c s3test.Call) s3test.Fault {
		return s3test.Fault{Drop: c.Op == "CreateMultipartUpload", Apply: true}
	})
	_, err = begin("bucket/k", false)
	wantKind(t, err, storage.ErrUnknown)
	if n := len(f.Uploads()); n != 4 {
		t.Fatalf("%d uploads", n)
	}
	f.SetFaults(nil)
	again, err := begin("bucket/k", true)
	if err != nil {
		t.Fatal(err)
	}
	left := strings.Join(f.Uploads(), " ")
	if len(f.Uploads()) != 4 {
		t.Errorf("left %s", left)
	}
	for _, up := range []storage.Upload{old, neighbour, busy, again} {
		if !strings.Contains(left, up.ID) {
			t.Errorf("%+v is gone", up)
		}
	}
}

// Who may not list uploads can still begin.
func TestBeginRetryWithoutPermission(t *testing.T) {
	f := s3test.NewFake(t)
	os := openObjects(t, s3.Config{Endpoint: f.Endpoint})
	f.SetFaults(first("ListMultipartUploads", s3test.Fault{Status: 403, Code: "AccessDenied"}))
	_, err := os.Begin(t.Context(), "bucket/k", storage.BeginOptions{Token: "t", Retry: true})
	if err != nil {
		t.Fatal(err)
	}
}

// A part is repeated from its buffer: the source is read once.
func TestPartIsRepeatedFromMemory(t *testing.T) {
	content := strings.Repeat("part ", 1<<18)
	for name, fault := range map[string]s3test.Fault{
		"503":             {Status: 503, Code: "SlowDown"},
		"500":             {Status: 500, Code: "InternalError"},
		"reply lost":      {Drop: true, Apply: true},
		"damaged on wire": {Status: 400, Code: "BadDigest"},
	} {
		t.Run(name, func(t *testing.T) {
			f := s3test.NewFake(t)
			pool := storage.NewBufferPool(poolBytes)
			os := openObjects(t, s3.Config{Endpoint: f.Endpoint, Pool: pool})
			f.SetFaults(always("UploadPart", 2, fault))
			up, parts, opts := putParts(t, os, "bucket/k", "t", content)
			if _, err := os.Complete(t.Context(), up, parts, opts); err != nil {
				t.Fatal(err)
			}
			if got := string(f.Objects()["bucket/k"]); got != content {
				t.Errorf("published %d bytes that differ", len(got))
			}
			if pool.InUse() != 0 {
				t.Errorf("%d bytes are still lent", pool.InUse())
			}
		})
	}
}

// A part that cannot be stored stays with its writer, who may try again or let
// it go.
func TestCommitFailsThenSucceeds(t *testing.T) {
	f := s3test.NewFake(t)
	pool := storage.NewBufferPool(poolBytes)
	os := openObjects(t, s3.Config{Endpoint: f.Endpoint, Pool: pool})
	up, _, _ := putParts(t, os, "bucket/k", "t")
	w, err := os.OpenPart(t.Context(), up, 1, 0, 5)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadFrom(strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	f.SetFaults(first("UploadPart", s3test.Fault{Status: 403, Code: "AccessDenied"}))
	_, err = w.Commit(t.Context())
	wantKind(t, err, storage.ErrDenied)
	if string(w.Bytes()) != "hello" || pool.InUse() == 0 {
		t.Fatalf("the writer holds %q, %d bytes lent", w.Bytes(), pool.InUse())
	}
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.Discard(); pool.InUse() != 0 {
		t.Errorf("%d bytes are still lent", pool.InUse())
	}
}

// A source that never says anything does not keep the writer for ever.
func TestSourceWithoutProgress(t *testing.T) {
	f := s3test.NewFake(t)
	os := openObjects(t, s3.Config{Endpoint: f.Endpoint})
	up, _, _ := putParts(t, os, "bucket/k", "t")
	w, err := os.OpenPart(t.Context(), up, 1, 0, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	if _, err := w.ReadFrom(nothing{}); err == nil {
		t.Error("accepted a source that returns nothing and no error")
	}
	broken := errors.New("broken")
	if _, err := w.ReadFrom(iotest.ErrReader(broken)); err != broken { //nolint:errorlint // as it is, says the contract
		t.Errorf("got %v", err)
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

// The state store's own keys are out of reach for transfers.
func TestReservedNames(t *testing.T) {
	f := s3test.NewFake(t)
	os := openObjects(t, s3.Config{Endpoint: f.Endpoint, Reserved: "bucket/state"})
	for _, name := range []string{"bucket/state", "bucket/state/x", "bucket/state/../x"} {
		_, err := os.Begin(t.Context(), name, storage.BeginOptions{Token: "t"})
		wantKind(t, err, storage.ErrDenied)
		_, err = os.Stat(t.Context(), name)
		wantKind(t, err, storage.ErrDenied)
		_, _, err = os.Open(t.Context(), name, 0)
		wantKind(t, err, storage.ErrDenied)
	}
	for _, name := range []string{"bucket/stateful", "bucket/%73tate/x", "bucket/State/x", "other/state/x"} {
		if _, err := os.Begin(t.Context(), name, storage.BeginOptions{Token: "t"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBeginRefusesTokens(t *testing.T) {
	f := s3test.NewFake(t)
	os := openObjects(t, s3.Config{Endpoint: f.Endpoint})
	for _, token := range []string{"", "a b", "a\r\nX-Evil: 1", "é", strings.Repeat("t", 300)} {
		_, err := os.Begin(t.Context(), "bucket/k", storage.BeginOptions{Token: token})
		wantKind(t, err, storage.ErrInvalid)
	}
	// A content type from far away is not worth failing for.
	_, err := os.Begin(t.Context(), "bucket/k", storage.BeginOptions{Token: "t", ContentType: "a\r\nX-Evil: 1"})
	if err != nil {
		t.Error(err)
	}
}

// An answer to another range than the one asked for is not taken for it.
func TestOpenChecksRange(t *testing.T) {
	modified := time.Now().UTC().Format(http.TimeFormat)
	for name, header := range map[string]http.Header{
		"ignored range": {"Last-Modified": {modified}},
		"other range":   {"Last-Modified": {modified}, "Content-Range": {"bytes 3-4/5"}},
		"no total":      {"Last-Modified": {modified}, "Content-Range": {"bytes 2-4/*"}},
	} {
		f := s3test.NewFake(t)
		os := openObjects(t, s3.Config{Endpoint: f.Endpoint})
		f.SetFaults(always("GetObject", 100, s3test.Fault{Status: 200, Raw: "hello", Header: header}))
		_, _, err := os.Open(t.Context(), "bucket/k", 2)
		if storage.KindOf(err) != storage.ErrUnavailable {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestRemove(t *testing.T) {
	f := s3test.NewFake(t)
	os := openObjects(t, s3.Config{Endpoint: f.Endpoint})
	up, parts, opts := putParts(t, os, "bucket/k", "t", "hello")
	if _, err := os.Complete(t.Context(), up, parts, opts); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := os.Delete(t.Context(), "bucket/k"); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.Objects()) != 0 {
		t.Error("the object is still there")
	}
}
