package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "godwit/protos/godwit/v1"
)

func partOf(name, file, text, source, kind string) *pb.FormPart {
	p := &pb.FormPart{Name: name, FileName: file, Text: text}
	if source != "" {
		p.Source = &pb.Endpoint{Url: source}
	}
	if kind != "" {
		p.Headers = []*pb.Header{{Name: "Content-Type", Value: kind}}
	}
	return p
}

func TestParsePart(t *testing.T) {
	const binary = "application/octet-stream"
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("from a file;type=no"), 0o600); err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]*pb.FormPart{
		"a=b":                                   partOf("a", "", "b", "", ""),
		"a=":                                    partOf("a", "", "", "", ""),
		"a=b=c;d":                               partOf("a", "", "b=c;d", "", ""),
		"=b":                                    partOf("", "", "b", "", ""),
		`a={"x":1};type=application/json`:       partOf("a", "", `{"x":1}`, "", "application/json"),
		`a="b"`:                                 partOf("a", "", `"b"`, "", ""),
		"a=@/d/x.bin":                           partOf("a", "x.bin", "", "file:///d/x.bin", binary),
		"a=@s3://bucket/k/y":                    partOf("a", "y", "", "s3://bucket/k/y", binary),
		"a=@/d/x;type=image/png":                partOf("a", "x", "", "file:///d/x", "image/png"),
		"a=@/d/x;type=image/png;filename=p.png": partOf("a", "p.png", "", "file:///d/x", "image/png"),
		`a=@/d/x;filename="p;q.png";type=image/p`: partOf("a", "p;q.png", "", "file:///d/x", "image/p"),
		`a=@"/d/x;type=y";type=z`:                 partOf("a", "x;type=y", "", "file:///d/x;type=y", "z"),
		"a=<" + text:                              partOf("a", "", "from a file;type=no", "", ""),
		"a=<-;type=text/html":                     partOf("a", "", "from stdin", "", "text/html"),
	} {
		got, err := parsePart(arg, strings.NewReader("from stdin"), false)
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("%s: %v (%v)", arg, got, err)
		}
	}
	for _, arg := range []string{
		"sesame", "a=@", "a=@-", "a=sesame;type=", "a=sesame;type=x;type=y", `a=@"sesame`, `a=@"x"sesame`, "a=@ftp://sesame/",
	} {
		if got, err := parsePart(arg, strings.NewReader(""), false); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v (%v)", arg, got, err)
		}
	}
	if _, err := parsePart("a=<-", strings.NewReader("\xff"), false); err == nil {
		t.Error("what is no text passes for one")
	}
}

// request parses a command line of put without carrying it out.
func request(t *testing.T, args ...string) (*pb.Transfer, *putCommand, error) {
	t.Helper()
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, lookup: environment(nil)}
	cmd := &cobra.Command{Use: "put"}
	p := &putCommand{job: job{a: a}}
	p.spec.add(cmd)
	p.add(cmd)
	if err := cmd.Flags().Parse(args); err != nil {
		t.Fatal(err)
	}
	got, err := p.request(cmd.Flags().Args())
	return got, p, err
}

func TestPutRequest(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err == nil {
		err = os.WriteFile("x.bin", nil, 0o600)
	}
	if err == nil {
		err = os.WriteFile("signed.json", []byte(`{"partUrls":["http://h/1"],"completeUrl":"http://h/c"}`), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := request(t, "x.bin", "http://h/x", "--protocol", "s3-presigned", "--presigned", "signed.json", "--part-size", "16M",
		"--idempotency-key", "k", "--repeat-unsafe", "--digest-headers", "--expect", "-X", "PATCH", "--limit-rate", "1M")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.GetId(), "t") {
		t.Errorf("id %q", got.GetId())
	}
	got.Id = ""
	want := &pb.Transfer{
		Direction: pb.Transfer_UPLOAD, Source: &pb.Endpoint{Url: "file://" + here + "/x.bin"}, Destination: &pb.Endpoint{Url: "http://h/x"},
		Method: "PATCH", PartSize: 16 << 20, LimitRate: 1 << 20,
		Upload: &pb.Upload{
			Protocol: "s3-presigned", IdempotencyKey: "k", RepeatUnsafe: true, DigestHeaders: true, ExpectContinue: true,
			Presigned: &pb.Presigned{PartUrls: []string{"http://h/1"}, CompleteUrl: "http://h/c"},
		},
	}
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	// Files of another machine are not looked at.
	if got, _, err = request(t, "missing.bin", "http://h/x", "--server", "http://s"); err != nil || got.GetSource().GetUrl() != "file://"+here+"/missing.bin" {
		t.Errorf("%v (%v)", got, err)
	}
	got, p, err := request(t, "-", "http://h/x")
	if err != nil || !p.once || got.GetId() != "" || got.GetSource() != nil {
		t.Errorf("standard input: %v (%v)", got, err)
	}
}

func TestPutIDs(t *testing.T) {
	server := []string{"--server", "http://s", "http://h/x"}
	id := func(args ...string) string {
		got, _, err := request(t, append(args, server...)...)
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		return got.GetId()
	}
	forms := [][]string{
		{"/a"},
		{"/b"},
		{"s3://bucket/a"},
		{"--form", "a=b"},
		{"--form", "a=c"},
		{"--form", "a=b", "--form", "a=b"},
		{"--form", "a=@/b"},
		{"--form", "ab="},
		{"--form", "a=b;type=x"},
		{"--form", "a=b;filename=x"},
		{"--form", "a=b", "--form-related"},
	}
	seen := map[string][]string{}
	for _, args := range forms {
		first := id(args...)
		if first != id(args...) {
			t.Errorf("%q: the id is not the same again", args)
		}
		if other, taken := seen[first]; taken {
			t.Errorf("%q and %q have one id", args, other)
		}
		seen[first] = args
	}
	if id("/a") != id("/./a") || id("/a", "--id", "x") != "x" {
		t.Error("an id does not follow from what is meant")
	}
}

func TestSourceChanged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	noted := time.Now().Add(-time.Hour)
	source := &pb.Endpoint{Url: "file://" + file}
	upload := func(size int64, u *pb.Upload) *pb.Transfer {
		return &pb.Transfer{Direction: pb.Transfer_UPLOAD, Source: source, Upload: u, Progress: &pb.Progress{BytesTotal: &size}}
	}
	at := timestamppb.New(noted)
	whole := upload(7, &pb.Upload{SourceTime: at})
	form := upload(100, &pb.Upload{Form: &pb.Form{Parts: []*pb.FormPart{{Text: "x"}, {Source: source, SourceTime: at}}}})
	form.Source = nil
	local, remote := &session{node: &membership{}}, &session{}
	for name, tc := range map[string]struct {
		s       *session
		t       *pb.Transfer
		written time.Time
		want    bool
	}{
		"as noted":           {local, whole, noted, false},
		"since":              {local, whole, noted.Add(time.Minute), true},
		"before":             {local, whole, noted.Add(-time.Minute), true},
		"with another size":  {local, upload(6, whole.GetUpload()), noted, true},
		"when is not known":  {local, upload(6, nil), noted.Add(time.Minute), false},
		"as noted of a form": {local, form, noted, false},
		"since of a form":    {local, form, noted.Add(time.Minute), true},
		"of the server":      {remote, whole, noted.Add(time.Minute), false},
		"of a download":      {local, &pb.Transfer{Source: source}, noted, false},
	} {
		if err := os.Chtimes(file, tc.written, tc.written); err != nil {
			t.Fatal(err)
		}
		if got := tc.s.sourceChanged(tc.t); got != tc.want {
			t.Errorf("written to %s: %v", name, got)
		}
	}
}

// A command that waits for standard input can be interrupted.
func TestInterruptible(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	go cancel(errInterrupted)
	if _, err := io.ReadAll(interruptible{ctx: ctx, r: r}); !errors.Is(err, errInterrupted) {
		t.Errorf("%v", err)
	}
	text, err := io.ReadAll(interruptible{ctx: t.Context(), r: strings.NewReader("text")})
	if err != nil || string(text) != "text" {
		t.Errorf("%q (%v)", text, err)
	}
}

func TestUploadInWords(t *testing.T) {
	up := &pb.Transfer{
		Direction: pb.Transfer_UPLOAD, Status: pb.Transfer_COMPLETED, Destination: &pb.Endpoint{Url: "http://h/files/"},
		Progress: &pb.Progress{BytesDone: 5}, Response: &pb.Response{StatusCode: 201, BodyBytes: 70 << 10, BodyTruncated: true},
		Upload: &pb.Upload{
			Protocol: "auto", ChosenProtocol: "tus", ChosenReason: "it says so", MaybeDuplicate: true, ExpireTime: timestamppb.New(time.Unix(0, 0)),
			Form: &pb.Form{Parts: []*pb.FormPart{{Name: "a"}, {Name: "f", Source: &pb.Endpoint{Url: "file:///d/x"}}}},
		},
	}
	var b strings.Builder
	details(&b, up, time.Unix(0, 0))
	for _, want := range []string{
		"upload\n", "a form: a, f=@file:///d/x\n", "tus, because it says so\n", "the first 70.0 KiB, see godwit transfer cat\n",
		"1970-01-01T00:00:00Z\n", "may have arrived twice  yes\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, b.String())
		}
	}
	if got := summary(up, time.Second, 5); !strings.HasPrefix(got, "http://h/files/  5 B  answer 201  1.0s") || !strings.HasSuffix(got, "  may have arrived twice") {
		t.Error(got)
	}
	j := &job{target: target{dataDir: "/my data"}}
	b.Reset()
	up.Id = "x"
	if j.whereTheAnswerIs(&b, up); b.String() != "The answer has 70.0 KiB: godwit transfer cat x --data-dir '/my data'\n" {
		t.Error(b.String())
	}
}

// Reading is told of every five seconds, or in place on a terminal, which is left
// empty.
func TestKeeping(t *testing.T) {
	for _, tc := range []struct {
		inPlace bool
		step    time.Duration
		want    string
	}{
		{false, 4 * time.Second, "standard input:        8 B kept, to be sent when it ends\nstandard input:       12 B kept, to be sent when it ends\n"},
		{
			true, 150 * time.Millisecond, "standard input:        8 B kept, to be sent when it ends\r" +
				"standard input:       12 B kept, to be sent when it ends\r" + strings.Repeat(" ", 62) + "\r",
		},
		{true, time.Millisecond, ""},
	} {
		var out strings.Builder
		now := time.Unix(0, 0)
		k := &keeping{r: strings.NewReader("12345678abcd"), w: &out, inPlace: tc.inPlace, began: now, now: func() time.Time {
			now = now.Add(tc.step)
			return now
		}}
		for p := make([]byte, 4); ; {
			if _, err := k.Read(p); err != nil {
				break
			}
		}
		k.end()
		if got := out.String(); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}

func TestCutOff(t *testing.T) {
	running := func(method, protocol string, change func(*pb.Upload)) *pb.Transfer {
		u := &pb.Upload{ChosenProtocol: protocol}
		if change != nil {
			change(u)
		}
		return &pb.Transfer{Direction: pb.Transfer_UPLOAD, Status: pb.Transfer_RUNNING, Method: method, Upload: u}
	}
	queued := running("POST", "post", nil)
	queued.Status = pb.Transfer_QUEUED
	for name, tc := range map[string]struct {
		t    *pb.Transfer
		want bool
	}{
		"POST":            {running("POST", "post", nil), true},
		"PATCH":           {running("PATCH", "put", nil), true},
		"PUT":             {running("PUT", "put", nil), false},
		"with a key":      {running("POST", "post", func(u *pb.Upload) { u.IdempotencyKey = "k" }), false},
		"may be repeated": {running("POST", "post", func(u *pb.Upload) { u.RepeatUnsafe = true }), false},
		"tus":             {running("POST", "tus", nil), false},
		"not begun":       {queued, false},
		"a download":      {&pb.Transfer{Status: pb.Transfer_RUNNING, Method: "POST"}, false},
		"a batch":         {nil, false},
	} {
		if got := cutOff(tc.t); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
