package endpoint

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// speech is a protocol that resumes, and a server of it.
type speech struct {
	protocol transfer.Protocol
	serve    func(testing.TB, endpointtest.ResumableOptions) *endpointtest.Resumable
}

var speeches = []speech{
	{transfer.ProtocolTus, endpointtest.NewTus},
	{transfer.ProtocolIETF, endpointtest.NewIETF},
}

func everySpeech(t *testing.T, test func(*testing.T, speech)) {
	for _, s := range speeches {
		t.Run(string(s.protocol), func(t *testing.T) { test(t, s) })
	}
}

// sender does what the transfer's decisions amount to: it opens, finds and sends,
// and remembers what it was told.
type sender struct {
	c       *Client
	d       Upload
	content endpointtest.Content
	// opened is how many bytes of the content were read.
	opened atomic.Int64

	mu        sync.Mutex
	confirmed []int64
	lost      int
	failures  []*Failure
}

func newSender(t testing.TB, p transfer.Protocol, s *endpointtest.Resumable, size int64) *sender {
	t.Helper()
	c, err := New(Config{Policy: ForegroundPolicy(), RootCAs: s.RootCAs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	u := &sender{c: c, content: endpointtest.Content{Seed: 7, Generation: 1, Size: size}}
	u.d = Upload{
		URL: s.URL(), Method: http.MethodPut, Size: size, PartSize: 1 << 20, ContentType: "video/x-test", Name: "näme.bin",
		Session: transfer.Session{Protocol: p}, Open: u.open,
	}
	return u
}

type countedBody struct {
	io.Reader
	n *atomic.Int64
}

func (b countedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.n.Add(int64(n))
	return n, err
}

func (u *sender) open(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	return io.NopCloser(countedBody{io.NewSectionReader(u.content, offset, length), &u.opened}), nil
}

func (u *sender) progress() Progress {
	return Progress{
		Confirmed: func(offset int64, expires time.Time) {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.confirmed = append(u.confirmed, offset)
			if offset > u.d.Session.Offset {
				u.d.Session.Offset = offset
			}
			if !expires.IsZero() {
				u.d.Session.Expires = expires
			}
		},
		PartSent: func(p transfer.SessionPart) {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.d.Session.Parts = append(slices.Clone(u.d.Session.Parts), p)
		},
	}
}

// once is one try: the answer, or why there is none.
func (u *sender) once(ctx context.Context) (*UploadAnswer, *Failure) {
	from := int64(0)
	s := &u.d.Session
	switch {
	case s.URL == "" && !s.Concatenate:
		session, f := u.c.OpenSession(ctx, &u.d)
		if f != nil {
			return nil, f
		}
		session.Protocol = s.Protocol
		*s = session
	case s.URL != "":
		found, f := u.c.FindSession(ctx, &u.d)
		if f != nil || found.Answer != nil {
			return found.Answer, f
		}
		if from = found.Offset; from < s.Offset {
			return nil, &Failure{Err: transfer.Errorf(transfer.CodeSessionLost, "the offset went back"), Lost: true}
		}
	}
	d := u.d // what progress changes is for the next try
	return u.c.Send(ctx, &d, from, u.progress())
}

// run tries until there is an answer or a failure that is final.
func (u *sender) run(t testing.TB, tries int) (*UploadAnswer, *Failure) {
	t.Helper()
	for range tries {
		answer, f := u.once(t.Context())
		if f == nil {
			return answer, nil
		}
		u.failures = append(u.failures, f)
		switch {
		case f.Lost:
			u.lost++
			u.d.Session = transfer.Session{Protocol: u.d.Session.Protocol}
		case f.Err.Code.Class() != transfer.Transient:
			return nil, f
		}
	}
	t.Fatalf("not done after %d tries; the last one: %v", tries, u.failures[len(u.failures)-1].Err)
	return nil, nil
}

// mustRun runs and checks that one upload has the whole content.
func (u *sender) mustRun(t testing.TB, s *endpointtest.Resumable, tries int) *UploadAnswer {
	t.Helper()
	answer, f := u.run(t, tries)
	if f != nil {
		t.Fatalf("%v %+v", f.Err, f.Answer)
	}
	if answer.Shown.StatusCode/100 != 2 || answer.Shown.ActualURL == "" {
		t.Errorf("the answer is %+v", answer.Shown)
	}
	u.check(t, s)
	return answer
}

func (u *sender) check(t testing.TB, s *endpointtest.Resumable) {
	t.Helper()
	want, whole := u.content.SHA256(), 0
	for _, stored := range s.Uploads() {
		if !stored.Partial && stored.Complete && stored.SHA256 == want {
			whole++
		}
	}
	if whole != 1 {
		t.Errorf("%d uploads have the content: %+v", whole, s.Uploads())
	}
	if v := s.Violations(); len(v) > 0 {
		t.Errorf("the specification was violated: %v", v)
	}
}

func TestResumableUploadOfAnySize(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		for _, size := range []int64{0, 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 + 17} {
			for _, digests := range []bool{false, true} {
				t.Run(fmt.Sprint(size, digests), func(t *testing.T) {
					s := p.serve(t, endpointtest.ResumableOptions{Expires: time.Hour, Dir: t.TempDir()})
					u := newSender(t, p.protocol, s, size)
					u.d.Outgoing.DigestHeaders, u.d.SHA256 = digests, u.content.SHA256()
					u.mustRun(t, s, 1)
					if s.Received() != size {
						t.Errorf("%d bytes were sent of %d", s.Received(), size)
					}
					if n := len(u.confirmed); n > 0 && u.confirmed[n-1] != size || n == 0 && size > 0 {
						t.Errorf("confirmed: %v", u.confirmed)
					}
					if left := time.Until(u.d.Session.Expires); left < 50*time.Minute || left > time.Hour {
						t.Errorf("the session expires in %v", left)
					}
				})
			}
		}
	})
}

func TestResumableUploadOverTLS(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		for _, http2 := range []bool{false, true} {
			s := p.serve(t, endpointtest.ResumableOptions{TLS: true, HTTP2: http2})
			u := newSender(t, p.protocol, s, 2<<20)
			u.c = newClient(t, nil, func(c *Config) { c.RootCAs, c.HTTP2 = s.RootCAs(), http2 })
			u.mustRun(t, s, 1)
		}
	})
}

// What arrived before a cut is never sent again, wherever that was.
func TestResumableUploadGoesOnAfterCuts(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		random := rand.New(rand.NewPCG(1, 2))
		for round := range 12 {
			size := random.Int64N(4<<20) + 1
			s := p.serve(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{NoInterim: round%2 == 0}})
			u := newSender(t, p.protocol, s, size)
			u.d.PartSize = random.Int64N(1<<20) + 64<<10
			cuts := 0
			for done := false; !done; {
				s.Set(func(f *endpointtest.ResumableFaults) { f.CutAfter, f.CutTimes = random.Int64N(u.d.PartSize)+1, 1 })
				answer, f := u.once(t.Context())
				if done = answer != nil; f != nil {
					cuts++
					if f.Err.Code.Class() != transfer.Transient || f.Lost {
						t.Fatal(f.Err)
					}
				}
			}
			u.check(t, s)
			if s.Received() != size {
				t.Errorf("%d bytes arrived of %d", s.Received(), size)
			}
			if most := size + int64(cuts)*u.d.PartSize; u.opened.Load() > most {
				t.Errorf("%d bytes were read for %d after %d cuts", u.opened.Load(), size, cuts)
			}
			if s.Conflicts() > 0 {
				t.Errorf("%d requests began at a wrong offset", s.Conflicts())
			}
		}
	})
}

func TestResumableUploadLosesReplies(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch} {
			for _, size := range []int64{700_000, 3 << 20} { // the last reply, the first one
				s := p.serve(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{LoseReplies: 1, LoseMethod: method}})
				u := newSender(t, p.protocol, s, size)
				u.mustRun(t, s, 3)
				if s.Received() != size {
					t.Errorf("%s: %d bytes arrived of %d", method, s.Received(), size)
				}
			}
		}
	})
}

func TestResumableUploadIsForgotten(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		for _, status := range []int{http.StatusNotFound, http.StatusGone} {
			s := p.serve(t, endpointtest.ResumableOptions{})
			u := newSender(t, p.protocol, s, 3<<20)
			s.Set(func(f *endpointtest.ResumableFaults) { f.CutAfter, f.CutTimes = 500_000, 1 })
			if _, f := u.once(t.Context()); f == nil || f.Lost {
				t.Fatal("the cut was not noticed", f)
			}
			s.Forget(status, "")
			u.mustRun(t, s, 3)
			if u.lost != 1 || u.failures[0].Err.Code != transfer.CodeSessionLost || u.failures[0].Err.Status != status {
				t.Errorf("lost %d times, %v", u.lost, u.failures[0].Err)
			}
		}
		// While it is being sent.
		s := p.serve(t, endpointtest.ResumableOptions{})
		u := newSender(t, p.protocol, s, 3<<20)
		d := u.d
		session, f := u.c.OpenSession(t.Context(), &d)
		if f != nil {
			t.Fatal(f.Err)
		}
		d.Session.URL = session.URL
		s.Forget(http.StatusNotFound, "")
		if _, f := u.c.Send(t.Context(), &d, 0, u.progress()); f == nil || !f.Lost || f.Err.Code != transfer.CodeSessionLost {
			t.Errorf("%+v", f)
		}
	})
}

func TestResumableUploadIsRefused(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		for _, tc := range []struct {
			method string
			status int
			want   transfer.Code
		}{
			{"POST", 401, transfer.CodeStatus},
			{"POST", 413, transfer.CodeUploadTooLarge},
			{"POST", 503, transfer.CodeStatusRetry},
			{"PATCH", 400, transfer.CodeStatus},
			{"PATCH", 403, transfer.CodeStatus},
			{"PATCH", 413, transfer.CodeUploadTooLarge},
			{"PATCH", 415, transfer.CodeStatus},
			{"PATCH", 423, transfer.CodeUploadLocked},
			{"PATCH", 429, transfer.CodeStatusRetry},
			{"PATCH", 500, transfer.CodeStatusRetry},
			{"PATCH", 502, transfer.CodeStatusRetry},
		} {
			s := p.serve(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{
				Status: tc.status, StatusTimes: endpointtest.Always, Method: tc.method, RetryAfter: "7",
			}})
			u := newSender(t, p.protocol, s, 5000)
			u.d.Method = http.MethodPost
			answer, f := u.once(t.Context())
			switch {
			case f == nil:
				t.Errorf("%s %d: %+v", tc.method, tc.status, answer)
			case f.Err.Code != tc.want, f.Err.Status != tc.status, f.Answer == nil, f.Lost, f.Sent != (tc.method == "PATCH"):
				t.Errorf("%s %d: %v %+v", tc.method, tc.status, f.Err, f)
			case tc.want == transfer.CodeStatusRetry && f.Err.RetryAfter != 7*time.Second:
				t.Errorf("%s %d: retried after %v", tc.method, tc.status, f.Err.RetryAfter)
			}
		}
	})
}

func TestResumableUploadWaitsForLocksAndServers(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		s := p.serve(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{
			Locked: 3, Status: 503, StatusTimes: 2, StatusAfter: 6,
		}})
		u := newSender(t, p.protocol, s, 3<<20)
		u.mustRun(t, s, 8)
		if u.lost > 0 || s.Received() != 3<<20 {
			t.Errorf("lost %d, received %d", u.lost, s.Received())
		}
	})
}

// A far side that kept less than it was sent is sent the rest; one that says that
// it has more, or nothing new, is not believed.
func TestResumableUploadAndTheOffsetsToldIt(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		s := p.serve(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{KeepLess: 1000, KeepTimes: 3}})
		u := newSender(t, p.protocol, s, 3<<20)
		u.mustRun(t, s, 1)
		if s.Received() != 3<<20+3000 || s.Conflicts() > 0 {
			t.Errorf("received %d, conflicts %d", s.Received(), s.Conflicts())
		}
		for lie, want := range map[int64]transfer.Code{
			1: transfer.CodeUploadProtocol, -1 << 20: transfer.CodeUploadOffset, -1000: transfer.CodeUploadOffset,
		} {
			s := p.serve(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{Lie: lie, LieTimes: 1}})
			u := newSender(t, p.protocol, s, 3<<20)
			if _, f := u.once(t.Context()); f == nil || f.Err.Code != want {
				t.Errorf("a lie of %d: %+v", lie, f)
			}
			u.mustRun(t, s, 1) // the truth is found
		}
	})
}

// Proxies bound a request without saying how.
func TestResumableUploadMakesChunksSmaller(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		s := p.serve(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{MaxBody: 1 << 20}})
		u := newSender(t, p.protocol, s, 5<<20)
		u.d.PartSize = 0
		u.d.Outgoing.Expect = true // so that what is too large is not begun
		u.mustRun(t, s, 1)
		s = p.serve(t, endpointtest.ResumableOptions{Faults: endpointtest.ResumableFaults{MaxBody: 1 << 19}})
		u = newSender(t, p.protocol, s, 5<<20)
		u.d.Outgoing.Expect = true
		if _, f := u.once(t.Context()); f == nil || f.Err.Code != transfer.CodeUploadTooLarge {
			t.Errorf("%+v", f)
		}
	})
}

func TestResumableUploadStopsBetweenChunks(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		s := p.serve(t, endpointtest.ResumableOptions{})
		u := newSender(t, p.protocol, s, 3<<20)
		u.d.Finishing = func() bool { return s.Received() > 1<<20 }
		if _, f := u.once(t.Context()); f == nil || f.Err.Code != transfer.CodeShuttingDown || f.Lost || f.Unknown {
			t.Fatalf("%+v", f)
		}
		u.d.Finishing = nil
		u.mustRun(t, s, 1)
		if s.Received() != 3<<20 {
			t.Errorf("received %d", s.Received())
		}
	})
}

func TestResumableUploadTooLargeForTheServer(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		s := p.serve(t, endpointtest.ResumableOptions{MaxSize: 4999})
		u := newSender(t, p.protocol, s, 5000)
		if _, f := u.once(t.Context()); f == nil || f.Err.Code != transfer.CodeUploadTooLarge || s.Received() > 0 {
			t.Errorf("%+v", f)
		}
	})
}

func TestResumableUploadWhereItMustNotGo(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		other := p.serve(t, endpointtest.ResumableOptions{})
		for location, want := range map[string]transfer.Code{
			other.URL() + "u1":               transfer.CodeRedirectBody,
			"http://" + other.Addr() + "/x":  transfer.CodeDowngrade,
			"ftp://example.org/":             transfer.CodeRedirectScheme,
			"https://user:pw@example.org/u1": transfer.CodeUploadProtocol,
		} {
			s := p.serve(t, endpointtest.ResumableOptions{
				TLS: want == transfer.CodeDowngrade, Faults: endpointtest.ResumableFaults{Location: location},
			})
			u := newSender(t, p.protocol, s, 5000)
			if _, f := u.once(t.Context()); f == nil || f.Err.Code != want {
				t.Errorf("%s: %+v", location, f)
			}
		}
		// Nor by a redirect.
		front := endpointtest.New(t, endpointtest.Options{})
		front.Redirect("/in", http.StatusTemporaryRedirect, other.URL())
		u := newSender(t, p.protocol, other, 5000)
		u.d.URL = front.URL("/in")
		u.d.Headers = []transfer.Header{{Name: "Authorization", Value: "Bearer secret"}}
		if _, f := u.once(t.Context()); f == nil || f.Err.Code != transfer.CodeRedirectBody {
			t.Errorf("%+v", f)
		}
		if len(other.Requests()) > 0 {
			t.Errorf("%+v", other.Requests())
		}
	})
}

func TestResumableUploadSendsTheUsersHeaders(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		s := p.serve(t, endpointtest.ResumableOptions{})
		u := newSender(t, p.protocol, s, 2<<20)
		u.d.Headers = []transfer.Header{{Name: "Authorization", Value: "Bearer secret"}, {Name: "Content-Type", Value: "audio/x-mine"}}
		u.d.Outgoing.IdempotencyKey = "only-one-request-could-have-it"
		u.mustRun(t, s, 1)
		for _, r := range s.Requests() {
			if r.Header.Get("Authorization") != "Bearer secret" || len(r.Header["Idempotency-Key"]) > 0 {
				t.Errorf("%s %s: %v", r.Method, r.Path, r.Header)
			}
		}
	})
}

func TestResumableUploadIsDiscarded(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		s := p.serve(t, endpointtest.ResumableOptions{})
		u := newSender(t, p.protocol, s, 5000)
		session, f := u.c.OpenSession(t.Context(), &u.d)
		if f != nil {
			t.Fatal(f.Err)
		}
		for range 2 { // the second time it is gone
			if e := u.c.Discard(t.Context(), &u.d, session.URL); e != nil {
				t.Error(e)
			}
		}
		if len(s.Uploads()) > 0 || len(s.Violations()) > 0 {
			t.Errorf("%+v %v", s.Uploads(), s.Violations())
		}
		for status, want := range map[int]transfer.Code{405: "", 501: "", 500: transfer.CodeStatusRetry, 403: transfer.CodeStatus} {
			s.Set(func(f *endpointtest.ResumableFaults) {
				f.Status, f.StatusTimes, f.Method = status, 1, http.MethodDelete
			})
			e := u.c.Discard(t.Context(), &u.d, session.URL)
			if (e == nil) != (want == "") || e != nil && e.Code != want {
				t.Errorf("%d: %v", status, e)
			}
		}
	})
}

// A source that cannot be read is what the upload fails with.
func TestResumableUploadOfAnUnreadableSource(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		for _, digests := range []bool{false, true} {
			s := p.serve(t, endpointtest.ResumableOptions{})
			u := newSender(t, p.protocol, s, 5000)
			u.d.Outgoing.DigestHeaders = digests
			u.d.Open = func(context.Context, int64, int64) (io.ReadCloser, error) {
				return nil, transfer.Errorf(transfer.CodeSourceChanged, "it is another file")
			}
			if _, f := u.once(t.Context()); f == nil || f.Err.Code != transfer.CodeSourceChanged {
				t.Errorf("%+v", f)
			}
		}
	})
}
