package endpoint

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

func newTusSender(t testing.TB, s *endpointtest.Resumable, size int64) *sender {
	t.Helper()
	return newSender(t, transfer.ProtocolTus, s, size)
}

func TestTusMetadata(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, tc := range map[string]struct {
		change func(*Upload)
		want   string
	}{
		"both":         {func(*Upload) {}, "filename " + encode("näme.bin") + ",filetype " + encode("video/x-test")},
		"no name":      {func(d *Upload) { d.Name = "" }, "filetype " + encode("video/x-test")},
		"nothing":      {func(d *Upload) { d.Name, d.ContentType = "", "" }, ""},
		"another type": {func(d *Upload) { d.Headers = []transfer.Header{{Name: "Content-Type", Value: "a/b"}} }, "filename " + encode("näme.bin") + ",filetype " + encode("a/b")},
		"the user's": {func(d *Upload) {
			d.Headers = []transfer.Header{{Name: "Upload-Metadata", Value: "mine " + encode("x")}}
		}, "mine " + encode("x")},
	} {
		t.Run(name, func(t *testing.T) {
			s := endpointtest.NewTus(t, endpointtest.ResumableOptions{})
			u := newTusSender(t, s, 1000)
			tc.change(&u.d)
			u.mustRun(t, s, 1)
			if got := s.Uploads()[0].Metadata; got != tc.want {
				t.Errorf("%q, not %q", got, tc.want)
			}
		})
	}
}

func TestTusServerThatSaysNothingOfItself(t *testing.T) {
	s := endpointtest.NewTus(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{OptionsStatus: 405}})
	u := newTusSender(t, s, 3<<20)
	u.d.Connections = 4 // it may have concatenation: nobody knows
	u.mustRun(t, s, 1)
}

func TestTusOfAnotherVersion(t *testing.T) {
	front := endpointtest.New(t, endpointtest.Options{})
	front.Handle("/in", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Tus-Version", "2.0.0, 1.1.0")
	}))
	s := endpointtest.NewTus(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{
		Status: http.StatusPreconditionFailed, StatusTimes: endpointtest.Always,
	}})
	for _, url := range []string{front.URL("/in"), s.URL()} {
		u := newTusSender(t, s, 3<<20)
		u.d.URL = url
		if _, f := u.once(t.Context()); f == nil || f.Err.Code != transfer.CodeUploadProtocol || f.Err.Code.Retryable() {
			t.Errorf("%+v", f)
		}
	}
}

func TestTusChecksums(t *testing.T) {
	for _, algorithms := range [][]string{{"md5", "sha1"}, {"sha1", "sha256"}, {"md5"}} {
		s := endpointtest.NewTus(t, endpointtest.ResumableOptions{
			Algorithms: algorithms, Faults: endpointtest.ResumableFaults{Damage: 2},
		})
		u := newTusSender(t, s, 3<<20)
		u.d.Outgoing.DigestHeaders = true
		if algorithms[0] == "md5" && len(algorithms) == 1 {
			_, f := u.run(t, 1) // nothing is checked that cannot be
			if f != nil || u.d.Session.Checksum != "" {
				t.Errorf("%+v %q", f, u.d.Session.Checksum)
			}
			continue
		}
		u.mustRun(t, s, 3)
		want := algorithms[len(algorithms)-1]
		if len(u.failures) != 2 || u.failures[0].Err.Code != transfer.CodeUploadChecksum || u.d.Session.Checksum != want {
			t.Errorf("%s: %q, %+v", want, u.d.Session.Checksum, u.failures)
		}
		for _, r := range s.Requests() {
			if r.Method == http.MethodPatch && !strings.HasPrefix(r.Header.Get("Upload-Checksum"), want+" ") {
				t.Errorf("%v", r.Header)
			}
		}
	}
}

// A chunk with a checksum counts whole or not at all.
func TestTusChecksumsAndCuts(t *testing.T) {
	s := endpointtest.NewTus(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{CutAfter: 700_000, CutTimes: 2}})
	u := newTusSender(t, s, 3<<20)
	u.d.Outgoing.DigestHeaders = true
	u.mustRun(t, s, 3)
	if s.Received() != 3<<20+2*700_000 {
		t.Errorf("received %d", s.Received())
	}
}

func TestTusWithoutPatch(t *testing.T) {
	s := endpointtest.NewTus(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{NoPatch: true}})
	u := newTusSender(t, s, 3<<20)
	u.mustRun(t, s, 1)
	patches := slices.DeleteFunc(s.Requests(), func(r endpointtest.Request) bool { return r.Method != http.MethodPatch })
	if len(patches) != 1 {
		t.Errorf("PATCH was tried %d times", len(patches))
	}
}

func TestTusFindJudges(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{})
	for name, tc := range map[string]struct {
		status int
		header map[string]string
		want   transfer.Code
		lost   bool
	}{
		"no offset":         {200, nil, transfer.CodeUploadProtocol, false},
		"negative":          {200, map[string]string{"Upload-Offset": "-1"}, transfer.CodeUploadProtocol, false},
		"too much":          {200, map[string]string{"Upload-Offset": "1001"}, transfer.CodeUploadProtocol, false},
		"another length":    {200, map[string]string{"Upload-Offset": "1", "Upload-Length": "999"}, transfer.CodeUploadProtocol, false},
		"no length":         {204, map[string]string{"Upload-Offset": "1"}, "", false},
		"forbidden by tus":  {403, map[string]string{"Tus-Resumable": "1.0.0"}, transfer.CodeSessionLost, true},
		"forbidden by else": {403, nil, transfer.CodeStatus, false},
		"locked":            {423, nil, transfer.CodeUploadLocked, false},
		"busy":              {503, nil, transfer.CodeStatusRetry, false},
		"gone":              {410, nil, transfer.CodeSessionLost, true},
	} {
		o.Handle("/u", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range tc.header {
				w.Header().Set(k, v)
			}
			w.WriteHeader(tc.status)
		}))
		d := &Upload{URL: o.URL("/"), Size: 1000, Session: transfer.Session{Protocol: transfer.ProtocolTus, URL: o.URL("/u")}}
		found, f := newClient(t, o).FindSession(t.Context(), d)
		switch {
		case f == nil:
			if tc.want != "" || found.Offset != 1 || found.Answer != nil {
				t.Errorf("%s: %+v", name, found)
			}
		case f.Err.Code != tc.want, f.Lost != tc.lost:
			t.Errorf("%s: %v %v", name, f.Err, f.Lost)
		}
	}
}

// newJoiner sends in parts of 1 MiB, several at a time.
func newJoiner(t testing.TB, s *endpointtest.Resumable, size int64) *sender {
	u := newTusSender(t, s, size)
	u.d.Connections = 4
	return u
}

func TestTusParts(t *testing.T) {
	s := endpointtest.NewTus(t, endpointtest.ResumableOptions{Dir: t.TempDir()})
	u := newJoiner(t, s, 9<<20+5)
	u.d.Outgoing.DigestHeaders = true
	answer := u.mustRun(t, s, 1)
	session := &u.d.Session
	if !session.Concatenate || session.URL != "" || session.PartSize != 1<<20 || len(session.Parts) != 10 || session.Bytes() != u.d.Size {
		t.Errorf("%+v", session)
	}
	stored := s.Uploads()
	final := stored[len(stored)-1]
	if !strings.HasSuffix(answer.Shown.ActualURL, final.Path) || answer.Shown.StatusCode != http.StatusCreated || final.Metadata == "" {
		t.Errorf("%+v is not the answer for %+v", answer.Shown, final)
	}
	if s.Received() != u.d.Size {
		t.Errorf("received %d", s.Received())
	}
}

func TestTusPartsAreOfUse(t *testing.T) {
	const mib = 1 << 20
	server := tusServer{extensions: []string{"creation", "concatenation"}}
	for name, tc := range map[string]struct {
		size, part  int64
		connections int
		want        int64
	}{
		"small":             {32 * mib, 0, 4, 0},
		"larger":            {32*mib + 1, 0, 4, 16 * mib},
		"one connection":    {100 * mib, 0, 1, 0},
		"unless asked":      {100 * mib, 0, 0, 0},
		"parts grow":        {128 * 20 * mib, 0, 4, 20 * mib},
		"not too far":       {128*32*mib + 1, 0, 4, 0},
		"the user's":        {100 * mib, 5 * mib, 4, 5 * mib},
		"too many of them":  {129 * mib, 1 * mib, 4, 0},
		"too large of them": {1000 * mib, 33 * mib, 4, 0},
		"empty":             {0, 0, 4, 0},
	} {
		d := &Upload{Size: tc.size, PartSize: tc.part, Connections: tc.connections}
		if got := server.partSize(d); got != tc.want {
			t.Errorf("%s: %d, not %d", name, got, tc.want)
		}
		if (&tusServer{}).partSize(d) != 0 {
			t.Errorf("%s: without concatenation", name)
		}
		if d.MostConnections = func() int { return 1 }; server.partSize(d) != 0 {
			t.Errorf("%s: to a host that has room for one", name)
		}
	}
}

// Parts that a server has are not sent again, by whoever goes on.
func TestTusPartsAfterFailures(t *testing.T) {
	for name, faults := range map[string]endpointtest.ResumableFaults{
		"cuts":             {CutAfter: 300_000, CutTimes: 30},
		"creations fail":   {Status: 503, StatusTimes: 2, StatusAfter: 5, Method: http.MethodPost},
		"patches fail":     {Status: 500, StatusTimes: 2, StatusAfter: 5, Method: http.MethodPatch},
		"replies of PATCH": {LoseReplies: 3, LoseMethod: http.MethodPatch},
		"less is kept":     {KeepLess: 1000, KeepTimes: 4},
		"locked":           {Locked: 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := endpointtest.NewTus(t, endpointtest.ResumableOptions{Faults: faults})
			u := newJoiner(t, s, 9<<20+5)
			u.mustRun(t, s, 6)
			// Parts that were under way with no answer are sent again.
			if most := u.d.Size + 6*4<<20; s.Received() > most {
				t.Errorf("received %d", s.Received())
			}
			seen := map[int]bool{}
			for _, p := range u.d.Session.Parts {
				if seen[p.Number] {
					t.Errorf("part %d was sent twice", p.Number)
				}
				seen[p.Number] = true
			}
		})
	}
}

// In a part what arrived is gone on from within the same try.
func TestTusPartsSurviveCutsAtOnce(t *testing.T) {
	s := endpointtest.NewTus(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{CutAfter: 300_000, CutTimes: 20}})
	u := newJoiner(t, s, 9<<20+5)
	u.mustRun(t, s, 1)
	if s.Received() != u.d.Size {
		t.Errorf("received %d", s.Received())
	}
}

func TestTusPartsWhenTheLastReplyIsLost(t *testing.T) {
	for _, forget := range []bool{false, true} {
		s := endpointtest.NewTus(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{ForgetParts: forget}})
		u := newJoiner(t, s, 4<<20)
		session, f := u.c.OpenSession(t.Context(), &u.d)
		if f != nil {
			t.Fatal(f.Err)
		}
		session.Protocol = transfer.ProtocolTus
		u.d.Session = session
		created := 0
		u.mustSendParts(t)
		s.Set(func(f *endpointtest.ResumableFaults) { f.LoseMethod, f.LoseReplies = http.MethodPost, 1 })
		if _, f := u.once(t.Context()); f == nil || !f.Unknown || f.Lost {
			t.Fatalf("%+v", f)
		}
		answer, f := u.once(t.Context())
		switch {
		case forget && (f == nil || !f.Lost || f.Err.Code != transfer.CodeSessionLost):
			t.Errorf("the parts are gone: %+v %+v", answer, f)
		case !forget && f != nil:
			t.Errorf("the parts are there: %v", f.Err)
		}
		for _, stored := range s.Uploads() {
			if !stored.Partial && stored.SHA256 == u.content.SHA256() {
				created++
			}
		}
		if want := map[bool]int{true: 1, false: 2}[forget]; created != want || len(s.Violations()) > 0 {
			t.Errorf("%d uploads were made, %v", created, s.Violations())
		}
	}
}

// mustSendParts sends all parts, but does not put them together.
func (u *sender) mustSendParts(t *testing.T) {
	t.Helper()
	d := u.d
	s := newParts(&d, 1, concatInFlight, func(part *transfer.SessionPart) *Failure { return sendPartial(t.Context(), u.c, &d, part) })
	if _, f := s.run(u.progress().PartSent); f != nil {
		t.Fatal(f.Err)
	}
}

func TestTusPartsAreForgotten(t *testing.T) {
	s := endpointtest.NewTus(t, endpointtest.ResumableOptions{})
	u := newJoiner(t, s, 4<<20)
	u.d.Session = transfer.Session{Protocol: transfer.ProtocolTus, Concatenate: true, PartSize: 1 << 20}
	u.mustSendParts(t)
	s.Forget(http.StatusGone, "u3")
	u.mustRun(t, s, 2)
	if u.lost != 1 {
		t.Errorf("lost %d times: %+v", u.lost, u.failures)
	}
}

// A part that has failed is known to nobody, and does not stay.
func TestTusPartsThatFailAreRemoved(t *testing.T) {
	s := endpointtest.NewTus(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{
		Status: http.StatusForbidden, StatusTimes: 1, StatusAfter: 3, Method: http.MethodPatch,
	}})
	u := newJoiner(t, s, 4<<20)
	if _, f := u.once(t.Context()); f == nil {
		t.Fatal("no part has failed")
	}
	for _, left := range s.Uploads() {
		if !left.Complete {
			t.Errorf("%+v", left)
		}
	}
}

func TestTusPartsStopWhenFinishing(t *testing.T) {
	s := endpointtest.NewTus(t, endpointtest.ResumableOptions{})
	u := newJoiner(t, s, 9<<20)
	u.d.Finishing = func() bool { return s.Received() > 3<<20 }
	if _, f := u.once(t.Context()); f == nil || f.Err.Code != transfer.CodeShuttingDown {
		t.Fatalf("%+v", f)
	}
	u.d.Finishing = nil
	if len(u.d.Session.Parts) == 0 {
		t.Error("the parts under way were not finished")
	}
	u.mustRun(t, s, 1)
}

func TestTusPartsAreRefused(t *testing.T) {
	for _, tc := range []struct {
		method string
		after  int
		status int
		want   transfer.Code
	}{
		{http.MethodPost, 0, 403, transfer.CodeStatus},
		{http.MethodPatch, 3, 413, transfer.CodeUploadTooLarge},
		{http.MethodPost, 9, 400, transfer.CodeStatus}, // the last one, which puts them together
		{http.MethodPost, 9, 423, transfer.CodeUploadLocked},
	} {
		s := endpointtest.NewTus(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{
			Method: tc.method, Status: tc.status, StatusTimes: endpointtest.Always, StatusAfter: tc.after,
		}})
		u := newJoiner(t, s, 9<<20)
		if _, f := u.once(t.Context()); f == nil || f.Err.Code != tc.want || f.Lost || f.Answer == nil {
			t.Errorf("%+v: %+v", tc, f)
		}
	}
}

func TestTusDiscardsParts(t *testing.T) {
	s := endpointtest.NewTus(t, endpointtest.ResumableOptions{})
	u := newJoiner(t, s, 4<<20)
	u.d.Session = transfer.Session{Protocol: transfer.ProtocolTus, Concatenate: true, PartSize: 1 << 20}
	u.mustSendParts(t)
	for _, p := range u.d.Session.Parts {
		if e := u.c.Discard(t.Context(), &u.d, p.Ref); e != nil {
			t.Error(e)
		}
	}
	if len(s.Uploads()) > 0 {
		t.Errorf("%+v", s.Uploads())
	}
}

func TestTusExpiresIsADate(t *testing.T) {
	h := http.Header{}
	for value, want := range map[string]time.Time{
		"":                              {},
		"tomorow":                       {},
		"Wed, 25 Jun 2014 16:00:00 GMT": time.Date(2014, 6, 25, 16, 0, 0, 0, time.UTC),
	} {
		h.Set("Upload-Expires", value)
		if got := tusExpires(h); !got.Equal(want) {
			t.Errorf("%q: %v", value, got)
		}
	}
}

var errBroken = errors.New("broken")

// A source whose reading breaks is not mistaken for the network.
func TestChunkDigestOfABrokenSource(t *testing.T) {
	d := &Upload{Size: 10, Open: func(context.Context, int64, int64) (io.ReadCloser, error) { return nil, errBroken }}
	if _, f := d.sum(t.Context(), sha256.New(), 0, 10); f == nil || f.Err.Code != transfer.CodeStoreUnavailable || f.Sent {
		t.Errorf("%+v", f)
	}
}
