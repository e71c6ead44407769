package endpoint

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// weather is one thing that goes wrong.
var weather = []func(f *endpointtest.ResumableFaults, n int64){
	func(f *endpointtest.ResumableFaults, n int64) { f.CutAfter, f.CutTimes = n, 1 },
	func(f *endpointtest.ResumableFaults, n int64) { f.CutAfter, f.CutTimes = n/8+1, 3 },
	func(f *endpointtest.ResumableFaults, _ int64) { f.LoseMethod, f.LoseReplies = http.MethodPatch, 1 },
	func(f *endpointtest.ResumableFaults, _ int64) { f.LoseMethod, f.LoseReplies = http.MethodPost, 1 },
	func(f *endpointtest.ResumableFaults, _ int64) { f.LoseMethod, f.LoseReplies = http.MethodHead, 1 },
	func(f *endpointtest.ResumableFaults, n int64) {
		f.Status, f.StatusTimes, f.StatusAfter, f.Method = []int{429, 500, 502, 503}[n%4], 1, int(n%5), ""
	},
	func(f *endpointtest.ResumableFaults, n int64) { f.Locked = int(n % 3) },
	func(f *endpointtest.ResumableFaults, n int64) { f.KeepLess, f.KeepTimes = n/3+1, 2 },
	func(f *endpointtest.ResumableFaults, n int64) { f.Lie, f.LieTimes = -n, 1 },
	func(f *endpointtest.ResumableFaults, _ int64) { f.ForgetParts = true },
	func(f *endpointtest.ResumableFaults, _ int64) { f.NoInterim = !f.NoInterim },
}

// Whatever goes wrong, and how often, an upload that gets through has the content,
// and nothing was asked that the specification forbids.
func TestResumableUploadInAnyWeather(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		for seed := range uint64(24) {
			random := rand.New(rand.NewPCG(seed, 5))
			s := p.serve(t, endpointtest.ResumableOptions{})
			u := newSender(t, p.protocol, s, random.Int64N(3<<20)+1)
			u.d.Method = http.MethodPost
			u.d.PartSize = random.Int64N(400<<10) + 50<<10
			u.d.Connections = int(seed%2) * 3
			u.d.Outgoing.DigestHeaders = random.IntN(2) == 0
			answer := u.inWeather(t, s, random)
			kept := endpointtest.Stored{}
			for _, stored := range s.Uploads() {
				if strings.HasSuffix(answer.Shown.ActualURL, stored.Path) {
					kept = stored
				}
			}
			if !kept.Complete || kept.SHA256 != u.content.SHA256() {
				t.Errorf("seed %d: %+v of %d bytes", seed, kept, u.d.Size)
			}
			if v := s.Violations(); len(v) > 0 {
				t.Errorf("seed %d: %v", seed, v)
			}
		}
	})
}

// inWeather tries until there is an answer, each time in another weather. The
// node that tries may be another one each time: only the session is kept.
func (u *sender) inWeather(t *testing.T, s *endpointtest.Resumable, random *rand.Rand) *UploadAnswer {
	t.Helper()
	for try := range 500 {
		if try < 30 {
			s.Set(func(f *endpointtest.ResumableFaults) {
				weather[random.IntN(len(weather))](f, random.Int64N(u.d.PartSize)+1)
			})
		}
		if random.IntN(15) == 0 {
			s.Forget(http.StatusGone, "")
		}
		answer, f := u.once(t.Context())
		switch {
		case f == nil:
			return answer
		case f.Lost:
			u.d.Session = transfer.Session{Protocol: u.d.Session.Protocol}
		case f.Err.Code.Class() != transfer.Transient:
			t.Fatalf("%v after %d tries", f.Err, try)
		}
	}
	t.Fatal("it never got through")
	return nil
}
