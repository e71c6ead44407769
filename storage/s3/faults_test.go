package s3_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"godwit/storage"
	"godwit/storage/s3"
	"godwit/storage/s3/s3test"
)

// first returns faults that hit only the first call of an operation.
func first(op string, fault s3test.Fault) func(s3test.Call) s3test.Fault {
	return always(op, 1, fault)
}

// always returns faults that hit an operation's first n calls.
func always(op string, n int, fault s3test.Fault) func(s3test.Call) s3test.Fault {
	return func(c s3test.Call) s3test.Fault {
		if c.Op == op && c.N <= n {
			return fault
		}
		return s3test.Fault{}
	}
}

func wantKind(t *testing.T, err error, kind storage.Kind) {
	t.Helper()
	if storage.KindOf(err) != kind {
		t.Fatalf("got %v, want %v", err, kind)
	}
}

// Every write of a record is sent once, whatever happens to it, and each
// failure is called what it is.
func TestRecordWriteFaults(t *testing.T) {
	lost := s3test.Fault{Drop: true, Apply: true}
	for name, test := range map[string]struct {
		fault         s3test.Fault
		create, swap_ storage.Kind
	}{
		"412":               {s3test.Fault{Status: 412, Code: "PreconditionFailed"}, storage.ErrExists, storage.ErrMismatch},
		"412 without body":  {s3test.Fault{Status: 412, Raw: " "}, storage.ErrExists, storage.ErrMismatch},
		"409":               {s3test.Fault{Status: 409, Code: "ConditionalRequestConflict"}, storage.ErrConflict, storage.ErrConflict},
		"throttled":         {s3test.Fault{Status: 503, Code: "SlowDown"}, storage.ErrUnavailable, storage.ErrUnavailable},
		"503 of a proxy":    {s3test.Fault{Status: 503, Raw: "<html>busy</html>"}, storage.ErrUnknown, storage.ErrUnknown},
		"500 after the act": {s3test.Fault{Status: 500, Code: "InternalError", Apply: true}, storage.ErrUnknown, storage.ErrUnknown},
		"reply lost":        {lost, storage.ErrUnknown, storage.ErrUnknown},
		"denied":            {s3test.Fault{Status: 403, Code: "AccessDenied"}, storage.ErrDenied, storage.ErrDenied},
		"clock":             {s3test.Fault{Status: 403, Code: "RequestTimeTooSkewed"}, storage.ErrDenied, storage.ErrDenied},
		"full":              {s3test.Fault{Status: 507, Code: "XMinioStorageFull"}, storage.ErrFull, storage.ErrFull},
		"no bucket":         {s3test.Fault{Status: 404, Code: "NoSuchBucket"}, storage.ErrUnavailable, storage.ErrUnavailable},
		"delete beside it":  {s3test.Fault{Status: 409, Code: "ExistingObjectIsDirectory"}, storage.ErrConflict, storage.ErrConflict},
		"redirected":        {s3test.Fault{Status: 307, Code: "TemporaryRedirect", Header: http.Header{"Location": {"http://192.0.2.1/"}}}, storage.ErrUnknown, storage.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			f := s3test.NewFake(t)
			rs := openRecords(t, s3.Config{Endpoint: f.Endpoint, Bucket: "bucket"})
			version, err := rs.Create(t.Context(), "there", []byte("1"))
			if err != nil {
				t.Fatal(err)
			}
			f.SetFaults(func(c s3test.Call) s3test.Fault {
				if c.Op == "PutObject" {
					return test.fault
				}
				return s3test.Fault{}
			})
			_, err = rs.Create(t.Context(), "new", []byte("2"))
			wantKind(t, err, test.create)
			_, err = rs.CompareAndSwap(t.Context(), "there", []byte("3"), version)
			wantKind(t, err, test.swap_)
			if n := f.Calls("PutObject"); n != 3 {
				t.Errorf("3 writes became %d requests", n)
			}
		})
	}
}

// A create that happened without its reply is settled as the win it is.
func TestLostReplyIsSettled(t *testing.T) {
	f := s3test.NewFake(t)
	rs := openRecords(t, s3.Config{Endpoint: f.Endpoint, Bucket: "bucket"})
	f.SetFaults(first("PutObject", s3test.Fault{Drop: true, Apply: true}))
	body := []byte("mine")
	_, err := rs.Create(t.Context(), "k", body)
	wantKind(t, err, storage.ErrUnknown)
	version, err := storage.Settle(t.Context(), rs, "k", body, "", err)
	if err != nil || version == "" {
		t.Fatalf("settled as %q, %v", version, err)
	}
}

func TestRecordReadFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault s3test.Fault
		want  storage.Kind
	}{
		"500":        {s3test.Fault{Status: 500, Code: "InternalError"}, storage.ErrUnavailable},
		"lost":       {s3test.Fault{Drop: true}, storage.ErrUnavailable},
		"no bucket":  {s3test.Fault{Status: 404, Code: "NoSuchBucket"}, storage.ErrUnavailable},
		"not there":  {s3test.Fault{Status: 404, Code: "NoSuchKey"}, storage.ErrNotFound},
		"denied":     {s3test.Fault{Status: 403, Code: "AccessDenied"}, storage.ErrDenied},
		"cut short":  {s3test.Fault{Status: 200, Raw: "x", Header: http.Header{"Content-Length": {"100"}, "Last-Modified": {time.Now().UTC().Format(http.TimeFormat)}}}, storage.ErrUnavailable},
		"far longer": {s3test.Fault{Status: 200, Raw: strings.Repeat("x", storage.MaxRecordSize+1), Header: http.Header{"Last-Modified": {time.Now().UTC().Format(http.TimeFormat)}}}, storage.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			f := s3test.NewFake(t)
			rs := openRecords(t, s3.Config{Endpoint: f.Endpoint, Bucket: "bucket"})
			f.SetFaults(first("GetObject", test.fault))
			_, err := rs.Get(t.Context(), "k")
			wantKind(t, err, test.want)
		})
	}
}

func TestUnreachable(t *testing.T) {
	f := s3test.NewFake(t)
	dialFails := func(http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Body != nil {
				r.Body.Close() //nolint:errcheck // as every RoundTripper must
			}
			return nil, errors.New("connection refused")
		})
	}
	cfg := s3.Config{Endpoint: f.Endpoint, Bucket: "bucket", WrapTransport: dialFails}
	_, err := openRecords(t, cfg).Create(t.Context(), "k", []byte("1"))
	wantKind(t, err, storage.ErrUnavailable)
	_, err = openObjects(t, cfg).Begin(t.Context(), "bucket/k", storage.BeginOptions{Token: "a"})
	wantKind(t, err, storage.ErrUnavailable)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A server that takes a request and never answers costs the caller's time
// only, and leaves a write unknown.
func TestSilentServer(t *testing.T) {
	f := s3test.NewFake(t)
	rs := openRecords(t, s3.Config{Endpoint: f.Endpoint, Bucket: "bucket"})
	ctx, cancel := context.WithCancel(t.Context())
	f.SetFaults(func(s3test.Call) s3test.Fault {
		cancel() // the request has arrived
		return s3test.Fault{Wait: make(chan struct{})}
	})
	_, err := rs.Create(ctx, "k", []byte("1"))
	wantKind(t, err, storage.ErrUnknown)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the cause is lost: %v", err)
	}
	_, err = rs.Get(ctx, "k")
	wantKind(t, err, storage.ErrUnavailable)
}

// A condition on DELETE reaches the server although minio-go has no option for
// it.
func TestConditionalDelete(t *testing.T) {
	f := s3test.NewFake(t)
	rs := openRecords(t, s3.Config{Endpoint: f.Endpoint, Bucket: "bucket"})
	var header atomic.Value
	f.SetFaults(func(c s3test.Call) s3test.Fault {
		if c.Op == "DeleteObject" {
			header.Store(c.Header.Get("If-Match"))
		}
		return s3test.Fault{}
	})
	if err := rs.Delete(t.Context(), "k", "abc"); err != nil {
		t.Fatal(err)
	}
	if header.Load() != `"abc"` {
		t.Errorf("If-Match was %v", header.Load())
	}
}

// Versions that could break out of the header, or match everything, never
// leave the process.
func TestForeignVersions(t *testing.T) {
	f := s3test.NewFake(t)
	rs := openRecords(t, s3.Config{Endpoint: f.Endpoint, Bucket: "bucket"})
	for _, v := range []storage.Version{"", "*", `a"b`, "a\r\nX-Evil: 1", "é", storage.Version(strings.Repeat("a", 300))} {
		_, err := rs.CompareAndSwap(t.Context(), "k", []byte("1"), v)
		wantKind(t, err, storage.ErrInvalid)
		wantKind(t, rs.Delete(t.Context(), "k", v), storage.ErrInvalid)
	}
	if n := f.Calls("PutObject") + f.Calls("DeleteObject"); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestClockSkew(t *testing.T) {
	f := s3test.NewFake(t)
	f.SetClock(func() time.Time { return time.Now().Add(time.Hour) })
	rs := openRecords(t, s3.Config{Endpoint: f.Endpoint, Bucket: "bucket"})
	skew, err := rs.ClockSkew(t.Context())
	if err != nil || skew < 59*time.Minute || skew > 61*time.Minute {
		t.Errorf("skew %v, %v", skew, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, cfg := range map[string]s3.Config{
		"bucket":      {Bucket: "X"},
		"prefix":      {Bucket: "bucket", Prefix: "a b"},
		"scheme":      {Bucket: "bucket", Endpoint: "ftp://h"},
		"credentials": {Bucket: "bucket", Endpoint: "http://canary:canary@h"},
		"path":        {Bucket: "bucket", Endpoint: "http://h/p"},
		"no host":     {Bucket: "bucket", Endpoint: "http://"},
		"not a url":   {Bucket: "bucket", Endpoint: "http://canary\x7f"},
	} {
		_, err := s3.OpenRecords(cfg)
		wantKind(t, err, storage.ErrInvalid)
		if strings.Contains(fmt.Sprint(err), "canary") {
			t.Errorf("%s: error says %v", name, err)
		}
	}
	_, err := s3.OpenObjects(s3.Config{})
	wantKind(t, err, storage.ErrInvalid)
}
