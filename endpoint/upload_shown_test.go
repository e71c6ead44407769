package endpoint

import (
	"net/http"
	"testing"
	"time"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// Where an upload is to be continued is shown to nobody: not in answers that
// refuse it either.
func TestSessionsAreNotShown(t *testing.T) {
	s := endpointtest.NewTus(t, endpointtest.ResumableOptions{})
	u := newTusSender(t, s, 1000)
	session, f := u.c.OpenSession(t.Context(), &u.d)
	if f != nil {
		t.Fatal(f.Err)
	}
	u.d.Session = session
	u.d.Session.Protocol = transfer.ProtocolTus
	s.Set(func(f *endpointtest.ResumableFaults) {
		f.Status, f.StatusTimes = http.StatusForbidden, endpointtest.Always
	})
	_, find := u.c.FindSession(t.Context(), &u.d)
	_, send := u.c.Send(t.Context(), &u.d, 0, u.progress())
	for name, f := range map[string]*Failure{"find": find, "send": send} {
		if f == nil || f.Answer == nil || f.Answer.Shown.StatusCode != http.StatusForbidden || f.Answer.Shown.ActualURL != s.URL() {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// Servers take longer to answer to content than to a request for some.
func TestAnswersToUploadsMayTakeLonger(t *testing.T) {
	c, err := New(Config{HeaderTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, upload := range []*http.Transport{c.uploads, c.fresh} {
		if upload.ResponseHeaderTimeout != defaultUploadTimeout || c.transport.ResponseHeaderTimeout != time.Second {
			t.Errorf("%v and %v", upload.ResponseHeaderTimeout, c.transport.ResponseHeaderTimeout)
		}
	}
}

// What is left at the origin of before is removed there, without the headers that
// belong to the origin of now.
func TestDiscardsAtAnotherOrigin(t *testing.T) {
	s := endpointtest.NewTus(t, endpointtest.ResumableOptions{})
	u := newTusSender(t, s, 1000)
	session, f := u.c.OpenSession(t.Context(), &u.d)
	if f != nil {
		t.Fatal(f.Err)
	}
	u.d.URL, u.d.Headers = "http://another.example/files/", []transfer.Header{{Name: "Authorization", Value: "Bearer S3CRET"}}
	if e := u.c.Discard(t.Context(), &u.d, session.URL); e != nil || len(s.Uploads()) > 0 {
		t.Errorf("%v, %d are left", e, len(s.Uploads()))
	}
	for _, r := range s.Requests() {
		if len(r.Header["Authorization"]) > 0 {
			t.Errorf("%s has the headers of another origin", r.Method)
		}
	}
}
