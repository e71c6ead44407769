package transfer

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func goodUpload() Spec {
	return Spec{
		ID: "a", Direction: Upload, Source: "file:///d/x", Destination: "http://h/x", Size: UnknownSize, Retries: DefaultRetries,
	}
}

func goodForm() Spec {
	s := goodUpload()
	s.Source = ""
	s.Outgoing.Form.Parts = []FormPart{{Name: "a", Text: "1"}, {Name: "f", FileName: "x.bin", Source: "file:///d//x"}}
	return s
}

func goodPresigned() Spec {
	s := goodUpload()
	s.Outgoing.Protocol = ProtocolS3
	s.Outgoing.Presigned = Presigned{PartURLs: []string{"http://H/1", "http://h/2"}, CompleteURL: "http://h:80/c"}
	return s
}

func TestNormalizeUploadRefuses(t *testing.T) {
	for _, tc := range []struct {
		row    string
		from   func() Spec
		change func(*Spec)
		field  string
		code   Code
	}{
		{"no source", goodUpload, func(s *Spec) { s.Source = "" }, "source", CodeDestInvalid},
		{"source is a URL", goodUpload, func(s *Spec) { s.Source = "http://h/" + canary }, "source", CodeDestInvalid},
		{"destination is a file", goodUpload, func(s *Spec) { s.Destination = "file:///d/x" }, "destination", CodeURLScheme},
		{"source and form", goodForm, func(s *Spec) { s.Source = "file:///d/x" }, "source", CodeForm},
		{"skip", goodUpload, func(s *Spec) { s.IfExists = IfExistsSkip }, "if_exists", CodeField},
		{"overwrite", goodUpload, func(s *Spec) { s.IfExists = IfExistsOverwrite }, "if_exists", CodeField},
		{"mirrors", goodUpload, func(s *Spec) { s.Mirrors = []string{"http://h/"} }, "mirrors", CodeField},
		{"body", goodUpload, func(s *Spec) { s.Body = []byte(canary) }, "body", CodeBody},
		{"body source", goodUpload, func(s *Spec) { s.BodySource = "file:///d/x" }, "bodySource", CodeBody},
		{"protocol", goodUpload, func(s *Spec) { s.Outgoing.Protocol = "ftp" }, "upload.protocol", CodeEnum},
		{"get", goodUpload, func(s *Spec) { s.Method = "GET" }, "method", CodeMethod},
		{"head", goodUpload, func(s *Spec) { s.Method = "HEAD" }, "method", CodeMethod},
		{"put with POST", goodUpload, func(s *Spec) { s.Method, s.Outgoing.Protocol = "POST", ProtocolPut }, "method", CodeMethod},
		{"form by tus", goodForm, func(s *Spec) { s.Outgoing.Protocol = ProtocolTus }, "upload.protocol", CodeForm},
		{"form by ranges", goodForm, func(s *Spec) { s.Outgoing.Protocol = ProtocolRange }, "upload.protocol", CodeForm},
		{"subtype", goodForm, func(s *Spec) { s.Outgoing.Form.Subtype = "alternative" }, formField, CodeForm},
		{"subtype without parts", goodUpload, func(s *Spec) { s.Outgoing.Form.Subtype = "mixed" }, formField, CodeForm},
		{"boundary too long", goodForm, func(s *Spec) { s.Outgoing.Form.Boundary = strings.Repeat("b", 71) }, formField, CodeForm},
		{"boundary ends in space", goodForm, func(s *Spec) { s.Outgoing.Form.Boundary = "b " }, formField, CodeForm},
		{"boundary with a quote", goodForm, func(s *Spec) { s.Outgoing.Form.Boundary = `b"` }, formField, CodeForm},
		{"boundary in a text", goodForm, func(s *Spec) {
			s.Outgoing.Form.Boundary, s.Outgoing.Form.Parts[0].Text = "bbb", canary+"--bbb"
		}, formField, CodeForm},
		{"parts", goodForm, func(s *Spec) { s.Outgoing.Form.Parts = slices.Repeat(s.Outgoing.Form.Parts, 501) }, formField, CodeForm},
		{"no name", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[0].Name = "" }, formField, CodeForm},
		{"name with a line", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[0].Name = canary + "\r\n" }, formField, CodeForm},
		{"name no UTF-8", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[0].Name = canary + "\xff" }, formField, CodeForm},
		{"name too long", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[0].Name = strings.Repeat("n", 1025) }, formField, CodeForm},
		{"file name with a slash", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[1].FileName = "a/b" }, formField, CodeForm},
		{"file name with a backslash", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[1].FileName = `a\b` }, formField, CodeForm},
		{"text and source", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[1].Text = canary }, formField, CodeForm},
		{"source climbs", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[1].Source = "file:///d/../x" }, formField, CodePathEscape},
		{"part header", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[0].Headers = []Header{{"X", canary + "\n"}} }, formField, CodeForm},
		{"part length", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[0].Headers = []Header{{"Content-Length", "1"}} }, formField, CodeForm},
		{"part disposition", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[0].Headers = []Header{{"content-disposition", "x"}} }, formField, CodeForm},
		{"part encoding", goodForm, func(s *Spec) {
			s.Outgoing.Form.Parts[0].Headers = []Header{{"Content-Transfer-Encoding", "x"}}
		}, formField, CodeForm},
		{"part headers", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[0].Headers = repeatHeaders(17) }, formField, CodeForm},
		{"texts", goodForm, func(s *Spec) { s.Outgoing.Form.Parts[0].Text = strings.Repeat("t", 1<<20) }, formField, CodeForm},
		{"form's content type", goodForm, func(s *Spec) { s.Headers = []Header{{"Content-Type", "text/plain"}} }, "headers", CodeHeaderResrvd},
		{"range header", goodUpload, func(s *Spec) { s.Headers = []Header{{"content-range", "x"}} }, "headers", CodeHeaderResrvd},
		{"upload header", goodUpload, func(s *Spec) { s.Headers = []Header{{"Upload-Offset", "0"}} }, "headers", CodeHeaderResrvd},
		{"tus header", goodUpload, func(s *Spec) { s.Headers = []Header{{"tus-resumable", "0"}} }, "headers", CodeHeaderResrvd},
		{"key header", goodUpload, func(s *Spec) { s.Headers = []Header{{"Idempotency-Key", canary}} }, "headers", CodeHeaderResrvd},
		{"length header", goodUpload, func(s *Spec) { s.Headers = []Header{{"Content-Length", "0"}} }, "headers", CodeHeaderResrvd},
		{"key too long", goodUpload, func(s *Spec) { s.Outgoing.IdempotencyKey = strings.Repeat("k", 256) }, "upload.idempotencyKey", CodeKeyHeader},
		{"key with a space", goodUpload, func(s *Spec) { s.Outgoing.IdempotencyKey = canary + " " }, "upload.idempotencyKey", CodeKeyHeader},
		{"key outside ASCII", goodUpload, func(s *Spec) { s.Outgoing.IdempotencyKey = canary + "é" }, "upload.idempotencyKey", CodeKeyHeader},
		{"part size", goodUpload, func(s *Spec) { s.PartSize = 4095 }, "part_size", CodePartSize},
		{"part size for signed URLs", goodPresigned, func(s *Spec) { s.PartSize = 5<<20 - 1 }, "part_size", CodePartSize},
		{"part size of gcs", goodUpload, func(s *Spec) { s.Outgoing.Protocol, s.PartSize = ProtocolGCS, 256<<10+4 }, "part_size", CodePartSize},
		{"signed URLs for put", goodPresigned, func(s *Spec) { s.Outgoing.Protocol = ProtocolPut }, "upload.presigned", CodePresigned},
		{"no complete URL", goodPresigned, func(s *Spec) { s.Outgoing.Presigned.CompleteURL = "" }, "upload.presigned", CodePresigned},
		{"no part URLs", goodPresigned, func(s *Spec) { s.Outgoing.Presigned.PartURLs = nil }, "upload.presigned", CodePresigned},
		{"part URLs", goodPresigned, func(s *Spec) {
			s.Outgoing.Presigned.PartURLs = slices.Repeat([]string{"http://h/"}, 1001)
		}, "upload.presigned", CodePresigned},
		{"bad part URL", goodPresigned, func(s *Spec) { s.Outgoing.Presigned.PartURLs[1] = "ftp://" + canary }, "upload.presigned", CodePresigned},
		{"bad abort URL", goodPresigned, func(s *Spec) { s.Outgoing.Presigned.AbortURL = canary }, "upload.presigned", CodePresigned},
		{"upload of a download", goodSpec, func(s *Spec) { s.Outgoing.Expect = true }, "upload", CodeField},
	} {
		t.Run(tc.row, func(t *testing.T) {
			spec := tc.from()
			tc.change(&spec)
			got, err := Normalize(spec)
			if err == nil || err.Code != tc.code || err.Field != tc.field {
				t.Fatalf("got %+v and %+v, want %s of %s", got, err, tc.code, tc.field)
			}
			if text := err.Error(); strings.Contains(text, canary) || strings.ContainsFunc(text, unprintable) {
				t.Fatalf("the error repeats its input: %q", text)
			}
		})
	}
}

func TestUploadProtocolAndMethod(t *testing.T) {
	for _, tc := range []struct {
		protocol   Protocol
		method     string
		form       bool
		want       Protocol
		wantMethod string
	}{
		{"", "", false, ProtocolAuto, "PUT"},
		{ProtocolAuto, "PUT", false, ProtocolAuto, "PUT"},
		{ProtocolAuto, "POST", false, ProtocolPost, "POST"},
		{ProtocolAuto, "PATCH", false, ProtocolPost, "PATCH"},
		{ProtocolAuto, "DELETE", false, ProtocolPut, "DELETE"},
		{"", "", true, ProtocolPost, "POST"},
		{"", "PUT", true, ProtocolPut, "PUT"},
		{ProtocolPut, "", true, ProtocolPut, "PUT"},
		{ProtocolPost, "", false, ProtocolPost, "POST"},
		{ProtocolPost, "PUT", false, ProtocolPost, "PUT"},
		{ProtocolTus, "", false, ProtocolTus, "PUT"},
		{ProtocolIETF, "POST", false, ProtocolIETF, "POST"},
	} {
		in := goodUpload()
		if tc.form {
			in = goodForm()
		}
		in.Outgoing.Protocol, in.Method = tc.protocol, tc.method
		got, err := Normalize(in)
		if err != nil || got.Outgoing.Protocol != tc.want || got.Method != tc.wantMethod {
			t.Errorf("%q with %q (form: %v): %q with %q (%v)", tc.protocol, tc.method, tc.form, got.Outgoing.Protocol, got.Method, err)
		}
	}
}

func TestNormalizeUploadAccepts(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"limits": func(s *Spec) {
			*s = goodForm()
			s.Outgoing.Form.Boundary = "b '()+_,-./:=?" + strings.Repeat("b", 56)
			s.Outgoing.Form.Parts = slices.Repeat(s.Outgoing.Form.Parts, 500)
			s.Outgoing.IdempotencyKey = strings.Repeat("~", 255)
		},
		"related without a name": func(s *Spec) {
			*s = goodForm()
			s.Outgoing.Form.Subtype = "related"
			s.Outgoing.Form.Parts[0] = FormPart{Headers: []Header{{"content-id", "<a>"}}}
		},
		"content type": func(s *Spec) {
			s.Headers = []Header{{"Content-Type", "text/plain"}, {"Content-Encoding", "gzip"}, {"Upload-Metadata", "a YQ=="}}
		},
		"s3 source": func(s *Spec) { s.Source, s.PartSize = "s3://bucket/k", 4096 },
		"signed":    func(s *Spec) { *s = goodPresigned() },
		"gcs":       func(s *Spec) { s.Outgoing.Protocol, s.PartSize = ProtocolGCS, 512<<10 },
	} {
		in := goodUpload()
		change(&in)
		got, err := Normalize(in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if again, err := Normalize(got); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s: the canonical form is not stable: %+v (%v)", name, again, err)
		}
	}
}

func TestNormalizeUploadLeavesItsArgument(t *testing.T) {
	form, signed := goodForm(), goodPresigned()
	form.Outgoing.Form.Parts[0].Headers = []Header{{"x-a", " v "}}
	f, err := Normalize(form)
	s, err2 := Normalize(signed)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	if p := f.Outgoing.Form.Parts; p[0].Headers[0] != (Header{"X-A", "v"}) || p[1].Source != "file:///d/x" || f.Outgoing.Form.Subtype != formData {
		t.Errorf("%+v", f.Outgoing.Form)
	}
	if p := s.Outgoing.Presigned; p.PartURLs[0] != "http://h/1" || p.CompleteURL != "http://h/c" || p.AbortURL != "" {
		t.Errorf("%+v", p)
	}
	if form.Outgoing.Form.Parts[0].Headers[0].Name != "x-a" || form.Outgoing.Form.Parts[1].Source != "file:///d//x" || signed.Outgoing.Presigned.PartURLs[0] != "http://H/1" {
		t.Error("the argument was changed")
	}
}

func TestPartURL(t *testing.T) {
	for _, destination := range []string{"http://h/x?n={part}", "http://h/x?n=%7Bpart%7D", "http://h/x?n=%7bpart%7d"} {
		s := goodPresigned()
		s.Destination, s.Outgoing.Presigned.PartURLs = destination, nil
		got, err := Normalize(s)
		if err != nil || got.Destination != "http://h/x?n={part}" || got.Outgoing.Presigned.PartURL(got.Destination, 17) != "http://h/x?n=17" {
			t.Errorf("%s: %s, part 17 at %s (%v)", destination, got.Destination, got.Outgoing.Presigned.PartURL(got.Destination, 17), err)
		}
	}
	s := goodPresigned()
	if s.Outgoing.Presigned.PartURL(s.Destination, 2) != "http://h/2" || s.Outgoing.Presigned.PartURL(s.Destination, 3) != "" || s.Outgoing.Presigned.PartURL(s.Destination, 0) != "" {
		t.Error("the URLs of parts are not in order")
	}
}

func TestCheckPresigned(t *testing.T) {
	for _, tc := range []struct {
		size, part int64
		urls       int
		ok         bool
	}{
		{0, 0, 1, true},
		{1, 0, 1, true},
		{5 << 20, 0, 1, true},
		{5<<20 + 1, 0, 1, true},
		{10 << 20, 5 << 20, 2, true},
		{10<<20 + 1, 5 << 20, 2, false},
		{5<<30 + 1, 0, 1, false},
		{5 << 30, 0, 1, true},
		{10000 * 5 << 20, 5 << 20, 0, true},
		{10000*5<<20 + 1, 5 << 20, 0, false},
		{10000*5<<20 + 1, 0, 0, true},
	} {
		s := goodPresigned()
		s.PartSize, s.Outgoing.SourcePin.Size = tc.part, tc.size
		s.Outgoing.Presigned.PartURLs = slices.Repeat([]string{"http://h/"}, tc.urls)
		err := CheckPresigned(&s)
		if (err == nil) != tc.ok || err != nil && err.Code != CodePresigned {
			t.Errorf("%d bytes in parts of %d at %d URLs: %v", tc.size, tc.part, tc.urls, err)
		}
	}
	s := goodUpload()
	if err := CheckPresigned(&s); err != nil {
		t.Error(err)
	}
}

func FuzzNormalizeUpload(f *testing.F) {
	f.Add("file:///d/x", "http://h/{part}", "PUT", "auto", "", "", "", "", "")
	f.Add("", "http://h/x", http.MethodPost, "", "a", "x.bin", "text", "boundary", "Content-Type")
	f.Add("s3://bucket/key", "https://h/%7Bpart%7D", "", "s3-presigned", "", "", "", "", "Upload-Offset")
	f.Fuzz(func(t *testing.T, source, destination, method, protocol, name, file, text, boundary, header string) {
		s := Spec{ID: "a", Direction: Upload, Source: source, Destination: destination, Method: method, Size: UnknownSize}
		s.Outgoing.Protocol = Protocol(protocol)
		s.Outgoing.Form.Boundary = boundary
		if name != "" {
			s.Outgoing.Form.Parts = []FormPart{{Name: name, FileName: file, Text: text}}
		}
		if header != "" {
			s.Headers = []Header{{Name: header, Value: text}}
		}
		if s.Outgoing.Protocol == ProtocolS3 {
			s.Outgoing.Presigned.CompleteURL = destination
		}
		got, err := Normalize(s)
		if err != nil {
			if strings.ContainsFunc(err.Error(), unprintable) {
				t.Fatalf("%q", err.Error())
			}
			return
		}
		if again, err := Normalize(got); err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("%+v becomes %+v (%v)", got, again, err)
		}
		for _, segment := range got.Content() {
			head, _, _ := strings.Cut(string(segment.Text), "\r\n\r\n")
			if name != "" && strings.Count(head, "\r\n") != 1 {
				t.Fatalf("a name has made a line of its own: %q", head)
			}
		}
	})
}
