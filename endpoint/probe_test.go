package endpoint

import (
	"net/http"
	"testing"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

func TestProbe(t *testing.T) {
	tus := http.Header{"Tus-Version": {"1.0.0,0.2.2"}, "Tus-Resumable": {"1.0.0"}, "Tus-Extension": {"expiration, creation"}}
	const one = ": the content is sent in one PUT request"
	for name, tc := range map[string]struct {
		method string
		status int
		header http.Header
		want   transfer.Protocol
		reason string
		asked  int
	}{
		"POST":           {"POST", 200, tus, transfer.ProtocolPost, "the method is POST", 0},
		"PATCH":          {"PATCH", 200, tus, transfer.ProtocolPut, "the method is PATCH", 0},
		"tus":            {"PUT", 204, tus, transfer.ProtocolTus, "the server offers tus 1.0.0 with creation", 1},
		"tus, no method": {"", 200, tus, transfer.ProtocolTus, "the server offers tus 1.0.0 with creation", 1},
		"tus, resumable only": {
			"PUT", 204,
			http.Header{"Tus-Resumable": {"1.0.0"}, "Tus-Extension": {"creation"}},
			transfer.ProtocolTus, "the server offers tus 1.0.0 with creation", 1,
		},
		"tus without creation": {"PUT", 204, http.Header{"Tus-Version": {"1.0.0"}}, transfer.ProtocolPut, "OPTIONS offers no protocol that resumes" + one, 1},
		"tus of another version": {
			"PUT", 204,
			http.Header{"Tus-Version": {"0.2.2"}, "Tus-Extension": {"creation"}},
			transfer.ProtocolPut, "OPTIONS offers no protocol that resumes" + one, 1,
		},
		"ietf": {
			"PUT", 200,
			http.Header{"Upload-Limit": {"min-size=0"}},
			transfer.ProtocolIETF, "the server offers resumable uploads with an Upload-Limit", 1,
		},
		"ietf, malformed": {"PUT", 200, http.Header{"Upload-Limit": {"min-size"}}, transfer.ProtocolPut, "OPTIONS offers no protocol that resumes" + one, 1},
		"nothing":         {"PUT", 200, nil, transfer.ProtocolPut, "OPTIONS offers no protocol that resumes" + one, 1},
		"405":             {"PUT", 405, tus, transfer.ProtocolPut, "OPTIONS answered 405" + one, 1},
		"500":             {"PUT", 500, nil, transfer.ProtocolPut, "OPTIONS answered 500" + one, 1},
		"another origin": {
			"PUT", 307,
			http.Header{"Location": {"http://example.org/"}},
			transfer.ProtocolPut, "OPTIONS was answered with something else than what it asks for" + one, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := endpointtest.New(t, endpointtest.Options{})
			o.Handle("/in", interim{status: tc.status, header: tc.header})
			d := &Upload{URL: o.URL("/in"), Method: tc.method, Size: 1000}
			choice, f := newClient(t, o).Probe(t.Context(), d)
			if f != nil {
				t.Fatal(f.Err)
			}
			if choice.Protocol != tc.want || choice.Reason != tc.reason {
				t.Errorf("%+v", choice)
			}
			requests := o.Requests()
			if len(requests) != tc.asked {
				t.Errorf("%d requests", len(requests))
			}
			for _, r := range requests {
				if r.Method != http.MethodOptions || len(r.Body) > 0 {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// A far side that may answer otherwise in a while is asked again then.
func TestProbeThatFails(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{})
	for _, status := range []int{429, 502, 503, 504} {
		o.Handle("/in", interim{status: status, header: http.Header{"Retry-After": {"3"}}})
		_, f := newClient(t, o).Probe(t.Context(), &Upload{URL: o.URL("/in"), Method: http.MethodPut})
		if f == nil || f.Err.Code != transfer.CodeStatusRetry || f.Err.RetryAfter == 0 {
			t.Errorf("%d: %+v", status, f)
		}
	}
	o.Close()
	_, f := newClient(t, o).Probe(t.Context(), &Upload{URL: o.URL("/in"), Method: http.MethodPut})
	if f == nil || f.Err.Code.Class() != transfer.Transient {
		t.Errorf("%+v", f)
	}
}

func TestProbeFindsTheServersOfTheTests(t *testing.T) {
	everySpeech(t, func(t *testing.T, p speech) {
		s := p.serve(t, endpointtest.ResumableOptions{})
		u := newSender(t, p.protocol, s, 1000)
		choice, f := u.c.Probe(t.Context(), &u.d)
		if f != nil || choice.Protocol != p.protocol || len(s.Uploads()) > 0 || len(s.Violations()) > 0 {
			t.Errorf("%+v %+v %v", choice, f, s.Violations())
		}
	})
}
