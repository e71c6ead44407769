package endpoint

import (
	"net/http"
	"testing"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// What the far side says of the upload that it has made of parts.
func TestTusPartsPutTogetherAreJudged(t *testing.T) {
	for name, tc := range map[string]struct {
		made, head interim
		want       transfer.Code
	}{
		"another length": {
			interim{status: 201, header: location("/made")},
			interim{status: 200, header: http.Header{"Upload-Length": {"1999"}}},
			transfer.CodeUploadIncomplete,
		},
		"its length":   {interim{status: 201, header: location("/made")}, interim{status: 200, header: http.Header{"Upload-Length": {"2000"}}}, ""},
		"not told":     {interim{status: 201, header: location("/made")}, interim{status: 200}, ""},
		"not answered": {interim{status: 201, header: location("/made")}, interim{status: 500}, ""},
		"no place":     {interim{status: 201}, interim{}, transfer.CodeUploadProtocol},
		"elsewhere":    {interim{status: 201, header: location("http://example.org/made")}, interim{}, transfer.CodeRedirectBody},
	} {
		t.Run(name, func(t *testing.T) {
			o := endpointtest.New(t, endpointtest.Options{})
			o.Handle("/in", tc.made)
			o.Handle("/made", tc.head)
			d := &Upload{URL: o.URL("/in"), Size: 2000, Session: transfer.Session{
				Protocol: transfer.ProtocolTus, Concatenate: true, PartSize: 1000,
				Parts: []transfer.SessionPart{{Number: 1, Size: 1000, Ref: o.URL("/1?a=b")}, {Number: 2, Offset: 1000, Size: 1000, Ref: o.URL("/2")}},
			}}
			answer, f := newClient(t, o).Send(t.Context(), d, 0, Progress{})
			switch {
			case f == nil:
				if tc.want != "" || answer.Shown.ActualURL != o.URL("/made") {
					t.Errorf("%+v", answer)
				}
			case f.Err.Code != tc.want:
				t.Errorf("%v", f.Err)
			}
			if got := o.Requests()[0].Header.Get("Upload-Concat"); got != "final;/1?a=b /2" {
				t.Errorf("%q", got)
			}
		})
	}
}

// An upload that needs nothing more is asked, and believed only if it says so.
func TestTusWithNothingLeftToSend(t *testing.T) {
	for name, tc := range map[string]struct {
		answer interim
		want   transfer.Code
	}{
		"complete": {interim{status: 200, header: http.Header{"Upload-Offset": {"1000"}}}, ""},
		"not":      {interim{status: 200, header: http.Header{"Upload-Offset": {"999"}}}, transfer.CodeUploadOffset},
		"gone":     {interim{status: 404}, transfer.CodeSessionLost},
	} {
		o := endpointtest.New(t, endpointtest.Options{})
		o.Handle("/u", tc.answer)
		d := &Upload{URL: o.URL("/in"), Size: 1000, Session: transfer.Session{Protocol: transfer.ProtocolTus, URL: o.URL("/u")}}
		answer, f := newClient(t, o).Send(t.Context(), d, 1000, Progress{})
		if (f == nil) != (tc.want == "") || f != nil && f.Err.Code != tc.want || f == nil && answer.Shown.StatusCode != 200 {
			t.Errorf("%s: %+v %+v", name, answer, f)
		}
	}
}

// Answers to bytes that were sent which are not what they should be.
func TestAnswersToAppends(t *testing.T) {
	for name, tc := range map[string]struct {
		protocol transfer.Protocol
		answer   interim
		want     transfer.Code
	}{
		"tus, no offset":       {transfer.ProtocolTus, interim{status: 204}, transfer.CodeUploadProtocol},
		"tus, no number":       {transfer.ProtocolTus, interim{status: 204, header: http.Header{"Upload-Offset": {"1e3"}}}, transfer.CodeUploadProtocol},
		"tus, conflict":        {transfer.ProtocolTus, interim{status: 409}, transfer.CodeUploadOffset},
		"tus, version":         {transfer.ProtocolTus, interim{status: 412}, transfer.CodeUploadProtocol},
		"tus, checksum":        {transfer.ProtocolTus, interim{status: 460}, transfer.CodeUploadChecksum},
		"ietf, complete early": {transfer.ProtocolIETF, interim{status: 200, header: http.Header{"Upload-Complete": {"?1"}}}, transfer.CodeUploadIncomplete},
		"ietf, offset":         {transfer.ProtocolIETF, interim{status: 409, header: http.Header{"Upload-Offset": {"7"}}}, transfer.CodeUploadOffset},
		"ietf, other conflict": {transfer.ProtocolIETF, interim{status: 409}, transfer.CodeStatus},
		"ietf, other problem": {transfer.ProtocolIETF, interim{
			status: 400, header: http.Header{"Content-Type": {"application/problem+json"}}, body: "{",
		}, transfer.CodeStatus},
		"ietf, more than sent": {transfer.ProtocolIETF, interim{status: 204, header: http.Header{"Upload-Offset": {"501"}}}, transfer.CodeUploadProtocol},
	} {
		o := endpointtest.New(t, endpointtest.Options{})
		o.Handle("/u", tc.answer)
		u := &sender{c: newClient(t, o), content: endpointtest.Content{Size: 1000}}
		u.d = Upload{URL: o.URL("/in"), Size: 1000, PartSize: 500, Session: transfer.Session{Protocol: tc.protocol, URL: o.URL("/u")}, Open: u.open}
		if _, f := u.c.Send(t.Context(), &u.d, 0, u.progress()); f == nil || f.Err.Code != tc.want || !f.Sent || f.Answer == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
