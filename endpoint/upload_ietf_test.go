package endpoint

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

func newIETFSender(t testing.TB, s *endpointtest.Resumable, size int64) *sender {
	t.Helper()
	return newSender(t, transfer.ProtocolIETF, s, size)
}

func TestIETFCreation(t *testing.T) {
	s := endpointtest.NewIETF(t, endpointtest.ResumableOptions{})
	u := newIETFSender(t, s, 5000)
	u.d.Outgoing.DigestHeaders, u.d.SHA256 = true, u.content.SHA256()
	answer := u.mustRun(t, s, 1)
	stored := s.Uploads()[0]
	if stored.ContentType != "video/x-test" || stored.Metadata != "inline; filename*=utf-8''n%C3%A4me.bin" {
		t.Errorf("%+v", stored)
	}
	if string(answer.Body) != `{"size":5000}` {
		t.Errorf("%s", answer.Body)
	}
	requests := s.Requests()
	if len(requests) != 2 || requests[0].Method != http.MethodPut || requests[0].Header.Get("Content-Length") != "0" ||
		requests[0].Header.Get("Repr-Digest") == "" || requests[1].Header.Get("Content-Digest") == "" {
		t.Errorf("%+v", requests)
	}
}

// An upload that was announced before the answer is lost is gone on with.
func TestIETFCreationIsAnnounced(t *testing.T) {
	for _, announced := range []bool{true, false} {
		s := endpointtest.NewIETF(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{
			LoseMethod: http.MethodPut, LoseReplies: 1, NoInterim: !announced,
		}})
		u := newIETFSender(t, s, 5000)
		session, f := u.c.OpenSession(t.Context(), &u.d)
		if announced && (f != nil || !strings.HasSuffix(session.URL, "/u1")) || !announced && (f == nil || !f.Unknown) {
			t.Errorf("announced: %v, %+v %+v", announced, session, f)
		}
	}
}

// interim is an answer that some 104 answers come before.
type interim struct {
	before []http.Header
	status int
	header http.Header
	body   string
}

func (i interim) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	set := func(h http.Header) {
		clear(w.Header())
		for k, v := range h {
			w.Header()[k] = v
		}
	}
	for _, h := range i.before {
		set(h)
		w.WriteHeader(104)
	}
	set(i.header)
	w.WriteHeader(i.status)
	_, _ = w.Write([]byte(i.body))
}

func location(path string) http.Header { return http.Header{"Location": {path}} }

func TestIETFCreationIsJudged(t *testing.T) {
	limit := func(s string) http.Header { return http.Header{"Location": {"/u"}, "Upload-Limit": {s}} }
	const inconsistent = `{"type":"https://iana.org/assignments/http-problem-types#inconsistent-upload-length"}`
	for name, tc := range map[string]struct {
		answer interim
		want   transfer.Code
	}{
		"200":                  {interim{status: 200, header: location("/u")}, ""},
		"201 and 104":          {interim{status: 201, before: []http.Header{location("/u")}, header: location("/u")}, ""},
		"104 only":             {interim{status: 204, before: []http.Header{location("/u")}}, ""},
		"104 and 500":          {interim{status: 500, before: []http.Header{location("/u")}}, ""},
		"104 and 400":          {interim{status: 400, before: []http.Header{location("/u")}}, transfer.CodeStatus},
		"two places":           {interim{status: 201, before: []http.Header{location("/v")}, header: location("/u")}, transfer.CodeUploadProtocol},
		"no place":             {interim{status: 200}, transfer.CodeUploadProtocol},
		"another origin":       {interim{status: 200, header: location("http://example.org/u")}, transfer.CodeRedirectBody},
		"announced elsewhere":  {interim{status: 500, before: []http.Header{location("http://example.org/u")}}, transfer.CodeRedirectBody},
		"500":                  {interim{status: 500}, transfer.CodeStatusRetry},
		"see other":            {interim{status: 303, header: location("/u")}, transfer.CodeStatus},
		"limits":               {interim{status: 201, header: limit("min-append-size=5, max-append-size=5, max-size=1000")}, ""},
		"too small":            {interim{status: 201, header: limit("max-size=999")}, transfer.CodeUploadTooLarge},
		"nothing may be added": {interim{status: 201, header: limit("max-append-size=0")}, transfer.CodeUploadProtocol},
		"none fits":            {interim{status: 201, header: limit("min-append-size=6, max-append-size=5")}, transfer.CodeUploadProtocol},
		"limits in 104":        {interim{status: 204, before: []http.Header{limit("max-size=999")}}, transfer.CodeUploadTooLarge},
		"unreadable limits":    {interim{status: 201, header: limit("max-size=999, max-age=soon")}, ""},
		"another length": {interim{
			status: 400, header: http.Header{"Content-Type": {"application/problem+json"}}, body: inconsistent,
		}, transfer.CodeUploadProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			o := endpointtest.New(t, endpointtest.Options{})
			o.Handle("/in", tc.answer)
			d := &Upload{URL: o.URL("/in"), Method: http.MethodPost, Size: 1000, Session: transfer.Session{Protocol: transfer.ProtocolIETF}}
			session, f := newClient(t, o).OpenSession(t.Context(), d)
			switch {
			case f == nil:
				if tc.want != "" || session.URL != o.URL("/u") {
					t.Errorf("%+v", session)
				}
			case f.Err.Code != tc.want:
				t.Errorf("%v", f.Err)
			}
		})
	}
}

func TestIETFLimitsAreKept(t *testing.T) {
	for _, tc := range []struct{ least, most, part int64 }{
		{0, 100_000, 1 << 20}, {300_000, 300_000, 1 << 20}, {2 << 20, 0, 1 << 20}, {10, 500_000, 400_000}, {2 << 30, 0, 0},
	} {
		s := endpointtest.NewIETF(t, endpointtest.ResumableOptions{MinAppend: tc.least, MaxAppend: tc.most, Expires: time.Hour})
		u := newIETFSender(t, s, 3<<20+1)
		u.d.PartSize = tc.part
		u.mustRun(t, s, 1)
	}
}

func TestIETFTellsProgress(t *testing.T) {
	s := endpointtest.NewIETF(t, endpointtest.ResumableOptions{})
	u := newIETFSender(t, s, 3<<20)
	u.d.PartSize = 0 // one request
	u.mustRun(t, s, 1)
	if n := len(u.confirmed); n < 10 {
		t.Errorf("only %d times: %v", n, u.confirmed)
	}
	for i, offset := range u.confirmed {
		if i > 0 && offset <= u.confirmed[i-1] {
			t.Errorf("it went back: %v", u.confirmed)
		}
	}
}

// What a server has no right to say of progress is not passed on.
func TestIETFProgressIsJudged(t *testing.T) {
	var told []int64
	r := &reporting{p: Progress{Confirmed: func(n int64, _ time.Time) { told = append(told, n) }}, after: 10, most: 20}
	for _, v := range []string{"9", "10", "12", "11", "21", "x", "-1", "20"} {
		r.informed(104, http.Header{"Upload-Offset": {v}})
		r.informed(103, http.Header{"Upload-Offset": {"19"}})
	}
	r.end()
	r.informed(104, http.Header{"Upload-Offset": {"20"}})
	if fmt.Sprint(told) != "[12 20]" {
		t.Errorf("%v", told)
	}
}

func TestIETFDigestsAreCompared(t *testing.T) {
	s := endpointtest.NewIETF(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{Damage: 2}})
	u := newIETFSender(t, s, 3<<20)
	u.d.Outgoing.DigestHeaders = true
	u.mustRun(t, s, 3)
	if len(u.failures) != 2 || u.failures[0].Err.Code != transfer.CodeUploadChecksum {
		t.Errorf("%+v", u.failures)
	}
}

// A content that was refused once it was there is not found complete later.
func TestIETFResultIsAFailure(t *testing.T) {
	for status, lost := range map[int]bool{422: false, 500: true, 503: true} {
		s := endpointtest.NewIETF(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{ResultStatus: status}})
		u := newIETFSender(t, s, 2<<20)
		_, f := u.once(t.Context())
		if f == nil || f.Lost != lost || f.Err.Status != status {
			t.Fatalf("%d: %+v", status, f)
		}
		if found, f := u.c.FindSession(t.Context(), &u.d); f == nil || !f.Lost {
			t.Errorf("%d: it is there: %+v", status, found)
		}
		s.Set(func(f *endpointtest.ResumableFaults) { f.ResultStatus = 0 })
		u.mustRun(t, s, 2)
	}
}

// A server that does not say that the upload is complete is asked.
func TestIETFCompletionIsNotTold(t *testing.T) {
	s := endpointtest.NewIETF(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{NoComplete: true}})
	u := newIETFSender(t, s, 2<<20)
	u.mustRun(t, s, 2)
	if len(u.failures) != 1 || u.failures[0].Err.Code != transfer.CodeUploadOffset || s.Received() != 2<<20 {
		t.Errorf("%+v, received %d", u.failures, s.Received())
	}
}

func TestIETFFindJudges(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{})
	for name, tc := range map[string]struct {
		status int
		header http.Header
		want   transfer.Code
		found  int64
		done   bool
	}{
		"half":            {204, http.Header{"Upload-Offset": {"500"}, "Upload-Complete": {"?0"}}, "", 500, false},
		"all":             {200, http.Header{"Upload-Offset": {"1000"}, "Upload-Complete": {"?1"}}, "", 1000, true},
		"all, incomplete": {200, http.Header{"Upload-Offset": {"1000"}}, "", 1000, false},
		"too soon":        {200, http.Header{"Upload-Offset": {"999"}, "Upload-Complete": {"?1"}}, transfer.CodeUploadIncomplete, 0, false},
		"another length":  {200, http.Header{"Upload-Offset": {"9"}, "Upload-Length": {"999"}}, transfer.CodeUploadProtocol, 0, false},
		"too much":        {200, http.Header{"Upload-Offset": {"1001"}}, transfer.CodeUploadProtocol, 0, false},
		"nothing":         {200, nil, transfer.CodeUploadProtocol, 0, false},
		"twice":           {200, http.Header{"Upload-Offset": {"5", "6"}}, transfer.CodeUploadProtocol, 0, false},
		"no integer":      {200, http.Header{"Upload-Offset": {"5.0"}}, transfer.CodeUploadProtocol, 0, false},
		"404":             {404, nil, transfer.CodeSessionLost, 0, false},
		"403":             {403, nil, transfer.CodeStatus, 0, false},
		"500":             {500, nil, transfer.CodeStatusRetry, 0, false},
	} {
		o.Handle("/u", interim{status: tc.status, header: tc.header})
		d := &Upload{URL: o.URL("/"), Size: 1000, Session: transfer.Session{Protocol: transfer.ProtocolIETF, URL: o.URL("/u")}}
		found, f := newClient(t, o).FindSession(t.Context(), d)
		switch {
		case f == nil:
			if tc.want != "" || found.Offset != tc.found || (found.Answer != nil) != tc.done {
				t.Errorf("%s: %+v", name, found)
			}
		case f.Err.Code != tc.want, f.Lost != (tc.want == transfer.CodeSessionLost):
			t.Errorf("%s: %v", name, f.Err)
		}
	}
}

func TestUploadLimit(t *testing.T) {
	const no = transfer.UnknownSize
	for value, want := range map[string]*uploadLimit{
		"":                                     nil,
		"min-size=0":                           {no, 0, no, no, no},
		"max-size=5,max-age=7":                 {5, no, no, no, 7},
		"max-size=5, other=(1 2)":              {5, no, no, no, no},
		"max-size=5;q=1, x":                    {5, no, no, no, no},
		"max-size=1, max-size=2":               {2, no, no, no, no},
		"max-size=5.0, max-age=1":              nil,
		"max-size=(1)":                         nil,
		"max-size":                             nil,
		"max-size=-1":                          nil,
		"MAX-SIZE=1":                           nil,
		"max-size=9999999999999999":            nil,
		"max-append-size=3, min-append-size=2": {no, no, 3, 2, no},
	} {
		got, ok := limitOf(http.Header{"Upload-Limit": {value}})
		if value == "" { // an empty dictionary says nothing
			want = &uploadLimit{no, no, no, no, no}
		}
		if ok != (want != nil) || ok && got != *want || !ok && got != noLimit() {
			t.Errorf("%q: %+v %v", value, got, ok)
		}
	}
	if _, ok := limitOf(http.Header{}); ok {
		t.Error("no limit is one")
	}
}

func FuzzUploadFields(f *testing.F) {
	for _, s := range []string{"", "1", "?1", "max-size=1, max-age=2", "a=(1 2);b", "max-size=:YQ==:", "999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := http.Header{"Upload-Limit": {s}, "Upload-Offset": {s}, "Upload-Complete": {s}}
		limit, ok := limitOf(h)
		for _, n := range []int64{limit.maxSize, limit.minSize, limit.maxAppend, limit.minAppend, limit.maxAge} {
			if n < 0 && n != transfer.UnknownSize || !ok && n != transfer.UnknownSize {
				t.Errorf("%+v %v", limit, ok)
			}
		}
		now := time.Unix(1e9, 0)
		if at := limit.expires(now); !at.IsZero() && at.Before(now) {
			t.Errorf("%v", at)
		}
		if n, ok := fieldInteger(h, "Upload-Offset"); ok && (n < 0 || n > 999_999_999_999_999) {
			t.Errorf("%d", n)
		}
		if fieldTrue(h, "Upload-Complete") && !strings.Contains(s, "?1") {
			t.Error("it is not true")
		}
	})
}
