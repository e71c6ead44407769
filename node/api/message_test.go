package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

var rewrite = flag.Bool("rewrite", false, "write golden files anew")

// full is a transfer that has everything to show.
func full() actors.Snapshot {
	st := transfer.State{
		Spec: transfer.Spec{
			ID: "01J9ZQ0000000000000000000A", Direction: transfer.Download, Method: "GET",
			Source: "https://example.com/f?token=CANARY", Mirrors: []string{"https://m.example/f?CANARY"},
			Destination: "s3://bucket/key", Headers: []transfer.Header{{Name: "Authorization", Value: "CANARY"}},
			Body: []byte("CANARY"), SHA256: "00", WantSHA256: true, Size: 3 << 20, IfExists: transfer.IfExistsSkip,
			Priority: transfer.PriorityDefault, Cost: transfer.CostDefault, PartSize: 1 << 20, Connections: 4,
			Group: "g", CompletionGroup: "c", AttentionTTL: time.Hour,
			Resolver:      transfer.Webhook{URL: "https://resolver.example/?CANARY", Secret: "CANARY"},
			Notifications: []transfer.Notification{{Channel: "log", Success: "{id} is there", TTL: time.Minute}},
			RateLimit:     1 << 20, Retries: 3, Recoverable: []int{503}, Labels: map[string]string{"team": "a"},
		},
		Phase:  transfer.PhasePaused,
		Pauses: []transfer.PauseReason{transfer.PauseApplication, transfer.PauseRecoverableError},
		Gen: transfer.Generation{
			Number: 1, Resumable: true,
			Plan: transfer.Plan{Size: 3 << 20, PartSize: 1 << 20},
		},
		Attempts: 1,
		Response: transfer.Response{
			ActualURL: "https://cdn.example/f?CANARY", StatusCode: 206,
			Headers: []transfer.Header{{Name: "Etag", Value: `"v1"`}},
		},
		Err:    &transfer.Error{Code: transfer.CodeStatus, Message: "the far side says 404", Status: 404},
		SHA256: "0123", CRC64: 0x0102030405060708, HasCRC64: true,
		AttentionDeadline: fakeEpoch.Add(time.Hour), Acknowledged: fakeEpoch,
		History: []transfer.Attempt{
			{Time: fakeEpoch, URL: "https://example.com/f", Node: "n1", Status: 503, Err: &transfer.Error{Code: transfer.CodeStatusRetry, Message: "busy"}},
			{Time: fakeEpoch, URL: "https://example.com/f", Node: "n2", Status: 206, Offset: 1 << 20},
		},
		Created: fakeEpoch, Updated: fakeEpoch.Add(time.Minute),
	}
	st.Gen.Ledger.Add(transfer.Part{Number: 1, Size: 1 << 20})
	return actors.Snapshot{State: st, Node: "n1", Epoch: 3, ETag: "etag", InFlight: 5, OnWire: 1<<20 + 5}
}

// fullUpload is an upload that has everything to show.
func fullUpload() actors.Snapshot {
	st := transfer.State{
		Spec: transfer.Spec{
			ID: "u", Direction: transfer.Upload, Method: "POST", Destination: "https://example.com/u?token=CANARY",
			Headers: []transfer.Header{{Name: "Authorization", Value: "CANARY"}}, Size: transfer.UnknownSize,
			Outgoing: transfer.Outgoing{
				Protocol: transfer.ProtocolAuto, Spooled: true, IdempotencyKey: "key", RepeatUnsafe: true, DigestHeaders: true, Expect: true,
				Form: transfer.Form{Subtype: "form-data", Boundary: "b", Parts: []transfer.FormPart{
					{Name: "text", Text: "CANARY", Headers: []transfer.Header{{Name: "X-Secret", Value: "CANARY"}}},
					{Name: "file", FileName: "f.bin", Source: "file:///srv/f", Pin: transfer.Pin{Size: 3 << 20}},
				}},
				Presigned: transfer.Presigned{
					PartURLs: []string{"https://s3.example/p?CANARY"}, CompleteURL: "https://s3.example/c?CANARY",
					AbortURL: "https://s3.example/a?CANARY", ObjectURL: "https://s3.example/o?CANARY",
				},
			},
		},
		Phase: transfer.PhaseRunning,
		Session: transfer.Session{
			Protocol: transfer.ProtocolTus, Reason: "it answered OPTIONS", URL: "https://example.com/u/CANARY",
			Offset: 1 << 20, Expires: fakeEpoch.Add(time.Hour),
			Parts: []transfer.SessionPart{{Number: 2, Offset: 1 << 20, Size: 10, Ref: "CANARY"}, {Number: 4, Offset: 2 << 20, Size: 10, Ref: "CANARY"}},
		},
		MaybeDuplicate: true,
		Response:       transfer.Response{ActualURL: "https://example.com/u?CANARY", StatusCode: 503},
		Answer:         []byte("CANARY"), AnswerSize: 1 << 20,
		Created: fakeEpoch, Updated: fakeEpoch,
	}
	return actors.Snapshot{State: st, Node: "n1", Epoch: 3, ETag: "etag", InFlight: 5, OnWire: 1<<20 + 25}
}

func transferJSON(t *testing.T, m proto.Message) []byte {
	t.Helper()
	raw, err := jsonCodec{}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(out.Bytes(), '\n')
}

func TestTransferAsJSON(t *testing.T) {
	golden := map[string]actors.Snapshot{
		"full.json":   full(),
		"upload.json": fullUpload(),
		"fresh.json":  {State: transfer.State{Phase: transfer.PhaseIdle, Spec: transfer.Spec{ID: "t", Size: transfer.UnknownSize, Direction: transfer.Download, Source: "http://h/", Destination: "file:///f"}}},
	}
	for name, snap := range golden {
		got := transferJSON(t, toMessage(snap))
		path := filepath.Join("testdata", name)
		if *rewrite {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%s", name, got)
		}
		if bytes.Contains(got, []byte("CANARY")) {
			t.Errorf("%s shows a secret", name)
		}
	}
}

// documented is the example that the documentation of the API gives. An answer
// must have all of it, with the same types.
const documented = `{"id":"01J","direction":"DOWNLOAD","status":"PAUSED","pauseReasons":["APPLICATION"],
 "source":{"url":""}, "destination":{"url":""}, "method":"GET",
 "progress":{"bytesDone":"0","bytesTotal":"0","bytesOnWire":"0","restarts":0,"generation":1,
             "ranges":[{"offset":"0","length":"1048576"}]},
 "owner":{"node":"n1","epoch":"3"}, "attempts":1, "group":"","completionGroup":"","priority":"DEFAULT",
 "costPolicy":"DEFAULT","response":{"actualUrl":"","statusCode":206,"headers":[{"name":"","value":""}],"resumable":true},
 "error":{"code":"http.status","message":"","retryable":false,"webErrorStatus":"NOT_FOUND"},
 "checksums":{"sha256":"hex","crc64nvme":"base64"}, "labels":{}, "createTime":"","updateTime":"","etag":""}`

func TestTransferHasTheDocumentedShape(t *testing.T) {
	var want, got any
	if err := json.Unmarshal([]byte(documented), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(transferJSON(t, toMessage(full())), &got); err != nil {
		t.Fatal(err)
	}
	sameShape(t, "transfer", want, got)
}

func sameShape(t *testing.T, path string, want, got any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is %T, want an object", path, got)
			return
		}
		for key, value := range want {
			if _, ok := object[key]; !ok {
				t.Errorf("%s has no %s", path, key)
				continue
			}
			sameShape(t, path+"."+key, value, object[key])
		}
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) == 0 {
			t.Errorf("%s is %v, want a list", path, got)
			return
		}
		sameShape(t, path+"[0]", want[0], list[0])
	case string:
		if _, ok := got.(string); !ok {
			t.Errorf("%s is %T, want a string", path, got)
		}
	case float64:
		if _, ok := got.(float64); !ok {
			t.Errorf("%s is %T, want a number", path, got)
		}
	case bool:
		if _, ok := got.(bool); !ok {
			t.Errorf("%s is %T, want a boolean", path, got)
		}
	}
}

func TestBytesTotal(t *testing.T) {
	size := func(v int64) *int64 { return &v }
	for name, tt := range map[string]struct {
		declared, planned int64
		generation        int
		want              *int64
	}{
		"nothing known":        {transfer.UnknownSize, 0, 0, nil},
		"declared":             {7, 0, 0, size(7)},
		"answered":             {transfer.UnknownSize, 9, 1, size(9)},
		"answered, no length":  {transfer.UnknownSize, transfer.UnknownSize, 1, nil},
		"empty content":        {transfer.UnknownSize, 0, 1, size(0)},
		"declared but changed": {7, transfer.UnknownSize, 1, nil},
	} {
		snap := actors.Snapshot{State: transfer.State{
			Spec: transfer.Spec{Size: tt.declared},
			Gen:  transfer.Generation{Number: tt.generation, Plan: transfer.Plan{Size: tt.planned}},
		}}
		got := progress(snap).BytesTotal
		if (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestBytesOnWireNeverFall(t *testing.T) {
	running := actors.Snapshot{OnWire: 9, State: transfer.State{OnWire: 5}}
	atRest := actors.Snapshot{State: transfer.State{OnWire: 9}}
	if a, b := progress(running).GetBytesOnWire(), progress(atRest).GetBytesOnWire(); a != 9 || b != 9 {
		t.Fatalf("running %d, at rest %d, want 9", a, b)
	}
}

func TestChecksumIsBigEndianBase64(t *testing.T) {
	got := checksums(&transfer.State{CRC64: 0x0102030405060708, HasCRC64: true}).GetCrc64Nvme()
	if got != "AQIDBAUGBwg=" {
		t.Fatalf("crc64nvme is %s", got)
	}
}

// TestSpecRoundTrip: what a user may see of a spec is what was asked for.
func TestSpecRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := &pb.Transfer{
			Id:          rapid.StringMatching(`[a-z][a-z0-9]{0,20}`).Draw(t, "id"),
			Source:      &pb.Endpoint{Url: "https://example.com/" + rapid.StringMatching(`[a-z]{0,9}`).Draw(t, "path")},
			Destination: &pb.Endpoint{Url: "file:///srv/" + rapid.StringMatching(`[a-z]{1,9}`).Draw(t, "file")},
			Priority:    pb.PriorityClass_Priority(rapid.Int32Range(1, 3).Draw(t, "priority")),
			CostPolicy:  pb.CostClass_CostPolicy(rapid.Int32Range(1, 3).Draw(t, "cost")),
			IfExists:    pb.ExistsPolicy_IfExists(rapid.Int32Range(1, 3).Draw(t, "exists")),
			Connections: rapid.Int32Range(0, 64).Draw(t, "connections"),
			LimitRate:   rapid.Int64Range(1<<10, 1<<40).Draw(t, "rate"),
			PartSize:    rapid.Int64Range(4<<10, 5<<30).Draw(t, "part"),
		}
		retries := rapid.Int32Range(0, 1000).Draw(t, "retries")
		in.Retries = &retries
		spec, e := toSpec(in)
		if e == nil {
			spec, e = transfer.Normalize(spec)
		}
		if e != nil {
			t.Fatal(e)
		}
		out := toMessage(actors.Snapshot{State: transfer.State{Spec: spec}})
		in.Direction, in.Method = pb.Transfer_DOWNLOAD, http.MethodGet
		out.Progress, out.Status = nil, 0
		if !proto.Equal(in, out) {
			t.Fatalf("in  %v\nout %v", in, out)
		}
	})
}

// TestUploadRoundTrip: the same of what belongs to uploads.
func TestUploadRoundTrip(t *testing.T) {
	in := &pb.Transfer{
		Id: "u", Direction: pb.Transfer_UPLOAD, Destination: &pb.Endpoint{Url: "https://example.com/u?CANARY"},
		Upload: &pb.Upload{
			Protocol: "put", IdempotencyKey: "key", RepeatUnsafe: true, DigestHeaders: true, ExpectContinue: true, Spooled: true,
			Form: &pb.Form{Subtype: "mixed", Boundary: "b", Parts: []*pb.FormPart{
				{Name: "a", Text: "CANARY", Headers: []*pb.Header{{Name: "X", Value: "CANARY"}}},
				{FileName: "f", Source: &pb.Endpoint{Url: "file:///srv/f"}},
			}},
			Presigned: &pb.Presigned{PartUrls: []string{"https://h/1"}, CompleteUrl: "https://h/c", AbortUrl: "https://h/a", ObjectUrl: "https://h/o"},
		},
	}
	spec, e := toSpec(in)
	if e != nil {
		t.Fatal(e)
	}
	want := transfer.Presigned{PartURLs: []string{"https://h/1"}, CompleteURL: "https://h/c", AbortURL: "https://h/a", ObjectURL: "https://h/o"}
	if got := spec.Outgoing.Presigned; !reflect.DeepEqual(got, want) {
		t.Errorf("presigned: %v", got)
	}
	if p := spec.Outgoing.Form.Parts; len(p) != 2 || p[0].Text != "CANARY" || len(p[0].Headers) != 1 || p[1].Source != "file:///srv/f" {
		t.Errorf("parts: %v", p)
	}
	out := toMessage(actors.Snapshot{State: transfer.State{Spec: spec}})
	in.Upload.Presigned, in.Upload.Form.Parts[0].Text, in.Upload.Form.Parts[0].Headers = nil, "", nil
	if !proto.Equal(in.GetUpload(), out.GetUpload()) || out.GetDestination().GetUrl() != "https://example.com/u" {
		t.Errorf("in  %v\nout %v", in, out)
	}
}

func TestSentRanges(t *testing.T) {
	snap := fullUpload()
	st := &snap.State
	if got := sentRanges(st); len(got) != 2 || got[0].GetLength() != 1<<20+10 || got[1].GetOffset() != 2<<20 {
		t.Errorf("on the way: %v", got)
	}
	st.Phase = transfer.PhaseCompleted
	if got := sentRanges(st); len(got) != 1 || got[0].GetLength() != st.Spec.ContentSize() {
		t.Errorf("completed: %v", got)
	}
	if got := sentRanges(&transfer.State{}); got != nil {
		t.Errorf("nothing yet: %v", got)
	}
}

func TestBinaryEnumsOutOfRange(t *testing.T) {
	m := newMessage()
	m.Priority = 99
	if _, e := toSpec(m); e == nil || e.Code != transfer.CodeEnum {
		t.Fatalf("%v", e)
	}
}
