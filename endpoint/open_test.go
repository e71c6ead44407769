package endpoint

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// newClient makes a client that may reach loopback and trusts o.
func newClient(t testing.TB, o *endpointtest.Origin, change ...func(*Config)) *Client {
	t.Helper()
	config := Config{Policy: ForegroundPolicy()}
	if o != nil {
		config.RootCAs = o.RootCAs()
	}
	for _, c := range change {
		c(&config)
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// first is the request that every transfer begins with.
func first(url string) Request {
	return Request{URL: url, Length: transfer.UnknownSize, Size: transfer.UnknownSize}
}

func code(err error) transfer.Code {
	var e *transfer.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// fetch opens and reads everything; the error is of either.
func fetch(t testing.TB, c *Client, req Request) (*Response, []byte, error) {
	t.Helper()
	r, err := c.Open(t.Context(), req)
	if err != nil {
		if code(err) == "" {
			t.Errorf("Open failed with %T, not *transfer.Error: %v", err, err)
		}
		return nil, nil, err
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil && code(err) == "" {
		t.Errorf("Read failed with %T, not *transfer.Error: %v", err, err)
	}
	if err == nil && r.Length >= 0 && int64(len(data)) != r.Length {
		t.Errorf("%d bytes where %d were announced", len(data), r.Length)
	}
	return r, data, err
}

const testSize = 100_000

func TestFirstRequestTellsEverything(t *testing.T) {
	for name, opts := range map[string]endpointtest.Options{
		"http": {}, "https": {TLS: true}, "http/2": {TLS: true, HTTP2: true},
	} {
		t.Run(name, func(t *testing.T) {
			opts.Seed, opts.Size = 3, testSize
			o := endpointtest.New(t, opts)
			c := newClient(t, o, func(c *Config) { c.HTTP2 = opts.HTTP2 })
			r, data, err := fetch(t, c, first(o.URL("/dir/file?token=secret")))
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Content().Verify(bytes.NewReader(data)); err != nil {
				t.Error(err)
			}
			if r.Size != testSize || r.Length != testSize || r.Offset != 0 || !r.Ranges || r.Validator.ETag != o.ETag() ||
				r.Validator.Date.IsZero() || r.ModTime.IsZero() || r.ContentType != "application/octet-stream" {
				t.Errorf("%+v", r)
			}
			if r.Shown.ActualURL != o.URL("/dir/file") || r.Shown.StatusCode != 206 {
				t.Errorf("shown as %+v", r.Shown)
			}
			q := o.Requests()[0]
			if q.Header.Get("Range") != "bytes=0-" || q.Header.Get("If-Range") != "" || q.Header.Get("Accept-Encoding") != "identity" ||
				q.Query != "token=secret" || (q.Proto == "HTTP/2.0") != opts.HTTP2 {
				t.Errorf("%+v", q)
			}
		})
	}
}

func TestPartsAreAskedForConditionally(t *testing.T) {
	old, recent := "Mon, 01 Jan 2024 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:30 GMT"
	date := time.Date(2024, 1, 1, 0, 1, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		v    transfer.Validator
		want string
	}{
		"strong":      {transfer.Validator{ETag: `"x"`, LastModified: old, Date: date}, `"x"`},
		"weak":        {transfer.Validator{ETag: `W/"x"`, LastModified: old, Date: date}, ""},
		"old date":    {transfer.Validator{LastModified: old, Date: date}, old},
		"recent date": {transfer.Validator{LastModified: recent, Date: date}, ""},
		"no date":     {transfer.Validator{LastModified: old}, ""},
		"none":        {transfer.Validator{}, ""},
	} {
		o := endpointtest.New(t, endpointtest.Options{Size: testSize})
		req := first(o.URL("/f"))
		req.Offset, req.Length, req.Validator = 10, 20, tc.v
		// Whether the answer is accepted is not the point here.
		if r, err := newClient(t, o).Open(t.Context(), req); err == nil {
			_ = r.Body.Close()
		}
		q := o.Requests()[0]
		if got := q.Header.Get("If-Range"); got != tc.want || q.Header.Get("Range") != "bytes=10-29" {
			t.Errorf("%s: If-Range %q, want %q; Range %q", name, got, tc.want, q.Header.Get("Range"))
		}
	}
}

// The rows of the catalogue of far sides that are wrong, and what becomes of a
// request for the part from 5000 on, after a first answer that was right.
func TestWrongAnswersAreNeverDelivered(t *testing.T) {
	type behavior = endpointtest.Behavior
	for name, tc := range map[string]struct {
		b    behavior
		do   func(*endpointtest.Origin)
		want transfer.Code
	}{
		"right":               {b: behavior{}},
		"unknown total":       {b: behavior{Ranges: endpointtest.RangesUnknownTotal}},
		"shorter part":        {b: behavior{Ranges: endpointtest.RangesShort}},
		"wrong start":         {b: behavior{Ranges: endpointtest.RangesWrongStart}, want: transfer.CodeRange},
		"wrong total":         {b: behavior{Ranges: endpointtest.RangesWrongTotal}, want: transfer.CodeRange},
		"weak, wrong total":   {b: behavior{Ranges: endpointtest.RangesWrongTotal, ETag: endpointtest.ETagWeak, Modified: endpointtest.ModifiedNone}, want: transfer.CodeSourceChanged},
		"no Content-Range":    {b: behavior{Ranges: endpointtest.RangesNoHeader}, want: transfer.CodeRange},
		"unsatisfied 206":     {b: behavior{Ranges: endpointtest.RangesUnsatisfied}, want: transfer.CodeRange},
		"multipart":           {b: behavior{Ranges: endpointtest.RangesMultipart}, want: transfer.CodeRange},
		"416":                 {b: behavior{Ranges: endpointtest.RangesRefused}, want: transfer.CodeRange},
		"gzip":                {b: behavior{Encoding: "gzip"}, want: transfer.CodeEncoding},
		"br":                  {b: behavior{Encoding: "br"}, want: transfer.CodeEncoding},
		"gzip twice":          {b: behavior{Encoding: "identity, gzip"}, want: transfer.CodeEncoding},
		"identity":            {b: behavior{Encoding: "identity"}},
		"changed":             {do: (*endpointtest.Origin).Change, b: behavior{ETag: endpointtest.ETagWeak}, want: transfer.CodeSourceChanged},
		"changed size only":   {do: func(o *endpointtest.Origin) { o.Resize(testSize + 1) }, b: behavior{ETag: endpointtest.ETagNone, Modified: endpointtest.ModifiedNone}, want: transfer.CodeSourceChanged},
		"ends early":          {b: behavior{CutAt: 6000, CutTimes: 1, Cut: endpointtest.CutClose}, want: transfer.CodeReset},
		"reset":               {b: behavior{CutAt: 6000, CutTimes: 1}, want: transfer.CodeReset},
		"reset at once":       {b: behavior{CutAt: 5000, CutTimes: 1}, want: transfer.CodeReset},
		"chunks cut":          {b: behavior{CutAt: 6000, CutTimes: 1, Cut: endpointtest.CutClose, Length: endpointtest.LengthNone}, want: transfer.CodeReset},
		"chunked":             {b: behavior{Length: endpointtest.LengthNone}},
		"until close":         {b: behavior{Length: endpointtest.LengthClose}},
		"close early":         {b: behavior{Length: endpointtest.LengthClose, CutAt: 6000, CutTimes: 1, Cut: endpointtest.CutClose}, want: transfer.CodeReset},
		"announces too much":  {b: behavior{Length: endpointtest.LengthLong}, want: transfer.CodeRange},
		"announces too few":   {b: behavior{Length: endpointtest.LengthShort}, want: transfer.CodeRange},
		"404":                 {b: behavior{Status: 404, StatusTimes: 1}, want: transfer.CodeStatus},
		"204":                 {b: behavior{Status: 204, StatusTimes: 1}, want: transfer.CodeStatus},
		"205":                 {b: behavior{Status: 205, StatusTimes: 1}, want: transfer.CodeStatus},
		"304":                 {b: behavior{Status: 304, StatusTimes: 1}, want: transfer.CodeStatus},
		"412":                 {b: behavior{Status: 412, StatusTimes: 1}, want: transfer.CodeSourceChanged},
		"503":                 {b: behavior{Status: 503, StatusTimes: 1}, want: transfer.CodeStatusRetry},
		"401":                 {b: behavior{Status: 401, StatusTimes: 1}, want: transfer.CodeStatus},
		"999":                 {b: behavior{Status: 999, StatusTimes: 1}, want: transfer.CodeStatus},
		"6 informational":     {b: behavior{Informational: 6}, want: transfer.CodeProtocol},
		"5 informational":     {b: behavior{Informational: 5}},
		"too large a header":  {b: behavior{HeaderBytes: 300 << 10}, want: transfer.CodeProtocol},
		"a large header":      {b: behavior{HeaderBytes: 200 << 10}},
		"redirect to nowhere": {b: behavior{Status: 302, StatusTimes: 1}, want: transfer.CodeRedirectBad},
	} {
		t.Run(name, func(t *testing.T) {
			o := endpointtest.New(t, endpointtest.Options{Size: testSize, Behavior: endpointtest.Behavior{
				ETag: tc.b.ETag, Modified: tc.b.Modified,
			}})
			c := newClient(t, o)
			r, _, err := fetch(t, c, first(o.URL("/f")))
			if err != nil {
				t.Fatal(err)
			}
			req := first(o.URL("/f"))
			req.Offset, req.Length, req.Size, req.Validator = 5000, 10_000, r.Size, r.Validator
			if tc.do != nil {
				tc.do(o)
			}
			o.Set(func(b *endpointtest.Behavior) { *b = tc.b })
			part, data, err := fetch(t, c, req)
			if code(err) != tc.want {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if err != nil {
				var e *transfer.Error
				errors.As(err, &e)
				if e.Op == "" || e.Subject != o.Addr() {
					t.Errorf("op %q, subject %q", e.Op, e.Subject)
				}
			}
			if err == nil {
				checkPart(t, o, part, data, 5000)
			}
		})
	}
}

func checkPart(t *testing.T, o *endpointtest.Origin, r *Response, data []byte, offset int64) {
	t.Helper()
	want := make([]byte, len(data))
	if _, err := o.Content().ReadAt(want, offset); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if r.Offset != offset || !bytes.Equal(data, want) || len(data) == 0 || r.Size != testSize {
		t.Errorf("%d bytes from %d, size %d", len(data), r.Offset, r.Size)
	}
}

func TestAnswersToTheFirstRequest(t *testing.T) {
	type behavior = endpointtest.Behavior
	for name, tc := range map[string]struct {
		b      behavior
		size   int64
		want   transfer.Code
		known  bool // the size
		ranges bool
	}{
		"ranges":          {size: testSize, known: true, ranges: true},
		"no ranges":       {b: behavior{Ranges: endpointtest.RangesOff}, size: testSize, known: true},
		"ranges refused":  {b: behavior{Ranges: endpointtest.RangesRefused}, size: testSize, known: true},
		"empty":           {known: true},
		"empty, off":      {b: behavior{Ranges: endpointtest.RangesOff}, known: true},
		"no length":       {b: behavior{Ranges: endpointtest.RangesOff, Length: endpointtest.LengthNone}, size: testSize},
		"until close":     {b: behavior{Ranges: endpointtest.RangesOff, Length: endpointtest.LengthClose}, size: testSize},
		"no length, cut":  {b: behavior{Ranges: endpointtest.RangesOff, Length: endpointtest.LengthNone, CutAt: 9, CutTimes: 1, Cut: endpointtest.CutClose}, size: testSize, want: transfer.CodeReset},
		"length too long": {b: behavior{Ranges: endpointtest.RangesOff, Length: endpointtest.LengthLong}, size: testSize, want: transfer.CodeReset},
		"part of whole":   {b: behavior{Ranges: endpointtest.RangesAlways}, size: testSize, known: true, ranges: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := endpointtest.New(t, endpointtest.Options{Size: tc.size, Behavior: tc.b})
			r, data, err := fetch(t, newClient(t, o), first(o.URL("/f")))
			if code(err) != tc.want {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			if err := o.Content().Verify(bytes.NewReader(data)); err != nil {
				t.Error(err)
			}
			want := int64(transfer.UnknownSize)
			if tc.known {
				want = tc.size
			}
			if r.Size != want || r.Length != want || r.Ranges != tc.ranges {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestPartWhereTheWholeWasAskedForIsRefused(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{Size: testSize, Behavior: endpointtest.Behavior{Ranges: endpointtest.RangesAlways}})
	req := first(o.URL("/f"))
	req.Whole = true
	if _, _, err := fetch(t, newClient(t, o), req); code(err) != transfer.CodeRange {
		t.Error(err)
	}
	if got := o.Requests()[0].Header.Get("Range"); got != "" {
		t.Errorf("Range %q was sent", got)
	}
}

func TestWholeAnswerToAnOffsetIsLeftToTheCaller(t *testing.T) {
	for name, change := range map[string]bool{"same": false, "another": true} {
		o := endpointtest.New(t, endpointtest.Options{Size: testSize})
		c := newClient(t, o)
		r, _, err := fetch(t, c, first(o.URL("/f")))
		if err != nil {
			t.Fatal(err)
		}
		if change {
			o.Change()
		} else {
			o.Set(func(b *endpointtest.Behavior) { b.Ranges = endpointtest.RangesOff })
		}
		req := first(o.URL("/f"))
		req.Offset, req.Validator, req.Size = 5000, r.Validator, r.Size
		again, data, err := fetch(t, c, req)
		if err != nil {
			t.Fatal(err)
		}
		if again.Offset != 0 || again.Ranges || again.Validator.ETag != o.ETag() || (again.Validator.ETag != r.Validator.ETag) != change {
			t.Errorf("%s: %+v", name, again)
		}
		if err := o.Content().Verify(bytes.NewReader(data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChangedContentAtByteZeroIsAnError(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{Size: testSize})
	c := newClient(t, o)
	r, _, err := fetch(t, c, first(o.URL("/f")))
	if err != nil {
		t.Fatal(err)
	}
	o.Change()
	req := first(o.URL("/f"))
	req.Validator, req.Size = r.Validator, r.Size
	if _, _, err := fetch(t, c, req); code(err) != transfer.CodeSourceChanged {
		t.Error(err)
	}
}

func TestStatusSaysWhenToComeBack(t *testing.T) {
	for status, want := range map[int]transfer.Code{
		408: transfer.CodeStatusRetry, 421: transfer.CodeStatusRetry, 425: transfer.CodeStatusRetry, 429: transfer.CodeStatusRetry,
		500: transfer.CodeStatusRetry, 502: transfer.CodeStatusRetry, 503: transfer.CodeStatusRetry, 504: transfer.CodeStatusRetry,
		400: transfer.CodeStatus, 401: transfer.CodeStatus, 403: transfer.CodeStatus, 404: transfer.CodeStatus, 410: transfer.CodeStatus,
		451: transfer.CodeStatus, 501: transfer.CodeStatus, 201: transfer.CodeStatus, 203: transfer.CodeStatus, 300: transfer.CodeStatus,
		505: transfer.CodeStatus,
	} {
		o := endpointtest.New(t, endpointtest.Options{
			Size:     testSize,
			Behavior: endpointtest.Behavior{Status: status, StatusTimes: 1, RetryAfter: "120"},
		})
		_, _, err := fetch(t, newClient(t, o), first(o.URL("/f")))
		var e *transfer.Error
		if !errors.As(err, &e) || e.Code != want || e.Status != status {
			t.Errorf("%d: %v, status %d", status, err, e.Status)
		}
		if wait := map[bool]time.Duration{true: 2 * time.Minute}[want == transfer.CodeStatusRetry]; e.RetryAfter != wait {
			t.Errorf("%d: wait %v", status, e.RetryAfter)
		}
	}
}

func TestBrokenMessages(t *testing.T) {
	ok := "HTTP/1.1 200 OK\r\n"
	for name, tc := range map[string]struct {
		answer string
		want   transfer.Code
	}{
		"no HTTP":           {"220 mail.example ESMTP\r\n", transfer.CodeProtocol},
		"no status":         {"HTTP/1.1\r\n\r\n", transfer.CodeProtocol},
		"nothing":           {"", transfer.CodeReset},
		"half a header":     {ok + "Content-Le", transfer.CodeReset},
		"half a status":     {"HTTP/1.1 2", transfer.CodeReset},
		"two lengths":       {ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", transfer.CodeProtocol},
		"negative length":   {ok + "Content-Length: -5\r\n\r\nhello", transfer.CodeProtocol},
		"signed length":     {ok + "Content-Length: +5\r\n\r\nhello", transfer.CodeProtocol},
		"length list":       {ok + "Content-Length: 5, 6\r\n\r\nhello", transfer.CodeProtocol},
		"length 2^64":       {ok + "Content-Length: 18446744073709551616\r\n\r\nhello", transfer.CodeProtocol},
		"header name":       {ok + "X\x01Y: 1\r\nContent-Length: 5\r\n\r\nhello", transfer.CodeProtocol},
		"header line":       {ok + "secret-without-colon\r\n\r\n", transfer.CodeProtocol},
		"transfer coding":   {ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", transfer.CodeProtocol},
		"chunk size":        {ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", transfer.CodeProtocol},
		"chunk size 2^64":   {ok + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nhello\r\n", transfer.CodeProtocol},
		"chunks, no end":    {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", transfer.CodeReset},
		"HTTP/1.0":          {"HTTP/1.0 200 OK\r\n\r\nhello", ""},
		"more than length":  {ok + "Content-Length: 5\r\n\r\nhello and more", ""},
		"chunks after part": {"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/5\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n", transfer.CodeProtocol},
		"two ranges":        {"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/5\r\nContent-Range: bytes 0-4/6\r\nContent-Length: 5\r\n\r\nhello", transfer.CodeRange},
	} {
		t.Run(name, func(t *testing.T) {
			o := endpointtest.New(t, endpointtest.Options{})
			o.Raw("/f", tc.answer)
			_, data, err := fetch(t, newClient(t, o), first(o.URL("/f")))
			if code(err) != tc.want || err == nil && string(data) != "hello" {
				t.Errorf("%q, %v, want %q", data, err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%v repeats the answer", err)
			}
		})
	}
}

func TestTLSFailuresSayWhy(t *testing.T) {
	for name, tc := range map[string]struct {
		opts    endpointtest.Options
		trusted bool
		want    transfer.Code
		says    string
	}{
		"expired":    {endpointtest.Options{TLS: true, Cert: endpointtest.CertExpired}, true, transfer.CodeTLSVerify, "expired"},
		"wrong host": {endpointtest.Options{TLS: true, Cert: endpointtest.CertWrongHost}, true, transfer.CodeTLSVerify, "another host"},
		"unknown":    {endpointtest.Options{TLS: true}, false, transfer.CodeTLSVerify, "unknown authority"},
		"no TLS":     {endpointtest.Options{}, true, transfer.CodeTLSHandshake, "secure"},
	} {
		o := endpointtest.New(t, tc.opts)
		c := newClient(t, o, func(c *Config) {
			if !tc.trusted {
				c.RootCAs = nil
			}
		})
		_, _, err := fetch(t, c, first("https://"+o.Addr()+"/f"))
		if code(err) != tc.want || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(o.Requests()); n > 0 && o.RootCAs() != nil {
			t.Errorf("%s: %d requests were sent", name, n)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{})
	url := o.URL("/f?secret")
	o.Close()
	if _, _, err := fetch(t, newClient(t, o), first(url)); code(err) != transfer.CodeConnect {
		t.Error(err)
	}
}

func TestImpossibleRequests(t *testing.T) {
	c := newClient(t, nil)
	for _, tc := range []struct {
		change func(*Request)
		want   transfer.Code
	}{
		{func(r *Request) { r.Offset = -1 }, transfer.CodeInternal},
		{func(r *Request) { r.Length = 0 }, transfer.CodeInternal},
		{func(r *Request) { r.Length = -2 }, transfer.CodeInternal},
		{func(r *Request) { r.URL = "" }, transfer.CodeURLEmpty},
		{func(r *Request) { r.URL = "file:///etc/passwd" }, transfer.CodeURLScheme},
		{func(r *Request) { r.URL = "http://user:pass@h/" }, transfer.CodeURLUserinfo},
		{func(r *Request) { r.Method = "BAD METHOD" }, transfer.CodeURLInvalid},
	} {
		req := first("http://h.example/")
		tc.change(&req)
		if _, _, err := fetch(t, c, req); code(err) != tc.want {
			t.Errorf("%v, want %s", err, tc.want)
		}
	}
}

func TestOtherMethodsHaveNoRanges(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{Size: testSize})
	req := first(o.URL("/f"))
	req.Method, req.Body, req.Offset = http.MethodPost, []byte("query"), 5000
	r, data, err := fetch(t, newClient(t, o), req)
	if err != nil || r.Offset != 0 || len(data) != testSize {
		t.Fatalf("%v %+v", err, r)
	}
	if q := o.Requests()[0]; q.Header.Get("Range") != "" || string(q.Body) != "query" || q.Method != http.MethodPost {
		t.Errorf("%+v", q)
	}
}

func TestCanceledContextIsTheCause(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{Size: testSize, Behavior: endpointtest.Behavior{StallAt: 5000, StallTimes: 1}})
	ctx, cancel := context.WithCancel(t.Context())
	r, err := newClient(t, o).Open(ctx, first(o.URL("/f")))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	o.When(5000, cancel)
	if _, err := io.ReadAll(r.Body); !errors.Is(err, context.Canceled) || code(err) == "" {
		t.Error(err)
	}
	if _, err := newClient(t, o).Open(ctx, first(o.URL("/f"))); !errors.Is(err, context.Canceled) || code(err) == "" {
		t.Error(err)
	}
}

func TestCloseEndsABlockedRead(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{Size: testSize, Behavior: endpointtest.Behavior{StallAt: 5000, StallTimes: 1}})
	r, err := newClient(t, o).Open(t.Context(), first(o.URL("/f")))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(r.Body)
		ended <- err
	}()
	if err := o.WaitServed(t.Context(), 5000); err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; code(err) == "" {
		t.Error(err)
	}
	if err := r.Body.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		b    endpointtest.Behavior
		read bool
		most int
	}{
		"read":             {read: true, most: 1},
		"chunked, read":    {b: endpointtest.Behavior{Length: endpointtest.LengthNone}, read: true, most: 1},
		"short rest":       {most: 1},
		"refused":          {b: endpointtest.Behavior{Status: 503, StatusTimes: endpointtest.Always}, most: 1},
		"redirect":         {most: 1, read: true},
		"rest that stalls": {b: endpointtest.Behavior{StallAt: 600, StallTimes: endpointtest.Always}, most: 3},
	} {
		t.Run(name, func(t *testing.T) {
			o := endpointtest.New(t, endpointtest.Options{Size: 1000, Behavior: tc.b})
			o.Redirect("/r", 302, "/f")
			c := newClient(t, o)
			path := map[bool]string{true: "/r", false: "/f"}[name == "redirect"]
			for range 3 {
				r, err := c.Open(t.Context(), first(o.URL(path)))
				if err != nil {
					continue
				}
				if tc.read {
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						t.Error(err)
					}
				} else if _, err := io.ReadFull(r.Body, make([]byte, 500)); err != nil {
					t.Error(err)
				}
				_ = r.Body.Close()
			}
			if total, _ := o.Connections(); total != tc.most {
				t.Errorf("%d connections", total)
			}
		})
	}
}

func TestHTTP2StreamsThatBreak(t *testing.T) { // O14
	for name, tc := range map[string]struct {
		b    endpointtest.Behavior
		want transfer.Code
	}{
		"reset":         {endpointtest.Behavior{CutAt: 50_000, CutTimes: 1}, transfer.CodeReset},
		"reset at once": {endpointtest.Behavior{CutAt: 0, CutTimes: 1}, transfer.CodeReset},
		"gzip":          {endpointtest.Behavior{Encoding: "gzip"}, transfer.CodeEncoding},
		"informational": {endpointtest.Behavior{Informational: 6}, transfer.CodeProtocol},
		"header":        {endpointtest.Behavior{HeaderBytes: 300 << 10}, transfer.CodeProtocol},
		"wrong start":   {endpointtest.Behavior{Ranges: endpointtest.RangesWrongStart}, transfer.CodeRange},
	} {
		t.Run(name, func(t *testing.T) {
			o := endpointtest.New(t, endpointtest.Options{Size: testSize, TLS: true, HTTP2: true, Behavior: tc.b})
			c := newClient(t, o, func(c *Config) { c.HTTP2 = true })
			if _, _, err := fetch(t, c, first(o.URL("/f"))); code(err) != tc.want {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
}

func TestHTTP2ServerThatDies(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{
		Size: testSize, TLS: true, HTTP2: true,
		Behavior: endpointtest.Behavior{StallAt: 5000, StallTimes: 1},
	})
	o.When(5000, func() { go o.Close() })
	c := newClient(t, o, func(c *Config) { c.HTTP2 = true })
	if _, _, err := fetch(t, c, first(o.URL("/f"))); code(err) != transfer.CodeReset {
		t.Error(err)
	}
}

// A part of several requests at a time: each has a connection of its own.
func TestConcurrentPartsMakeTheWhole(t *testing.T) {
	const parts = 16
	o := endpointtest.New(t, endpointtest.Options{Seed: 9, Size: parts * testSize})
	c := newClient(t, o)
	whole := make([]byte, parts*testSize)
	var all sync.WaitGroup
	for i := range parts {
		all.Go(func() {
			req := first(o.URL("/f"))
			req.Offset, req.Length = int64(i)*testSize, testSize
			r, data, err := fetch(t, c, req)
			if err != nil || r.Length != testSize {
				t.Errorf("part %d: %v", i, err)
				return
			}
			copy(whole[i*testSize:], data)
		})
	}
	all.Wait()
	if err := o.Content().Verify(bytes.NewReader(whole)); err != nil {
		t.Error(err)
	}
	if again := o.Refetched("/f"); again != 0 {
		t.Errorf("%d bytes twice", again)
	}
}
