package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "godwit/protos/godwit/v1"
)

// hiddenText holds what terminals act on, some of which JSON leaves as it is.
const hiddenText = "a\u009b31m\u0085\x7f\u2066\u2028\n\t\u00a0b: \"\\u009b"

func sample() *pb.Transfer {
	size := int64(2048)
	return &pb.Transfer{
		Id: "t1", Status: pb.Transfer_RUNNING, Source: &pb.Endpoint{Url: "https://h/x"},
		Destination: &pb.Endpoint{Url: "file:///srv/evil\x1b[31m\u202e.iso"},
		Progress:    &pb.Progress{BytesDone: 512, BytesInFlight: 1024, BytesTotal: &size},
		Owner:       &pb.Owner{Node: "n1", Epoch: 3}, Labels: map[string]string{"k": "1", "a": "yes"},
		CreateTime: timestamppb.New(time.Unix(1000, 0)), Attempts: 2, CancelReason: hiddenText,
	}
}

func TestJSONIsWhatTheAPISays(t *testing.T) {
	var got map[string]any
	text, err := indentJSON(encode(sample()))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	progress := got["progress"].(map[string]any)
	if progress["bytesDone"] != "512" || progress["restarts"] != float64(0) || got["status"] != "RUNNING" || got["createTime"] != "1970-01-01T00:16:40Z" {
		t.Errorf("%v", got)
	}
	if _, there := got["error"]; there {
		t.Error("an absent message is shown")
	}
	if s := compactJSON(sample()); strings.ContainsAny(s, "\n") || strings.Contains(s, `": `) {
		t.Errorf("not compact: %s", s)
	}
	if hidden := strings.IndexFunc(string(text)+compactJSON(sample()), acting); hidden >= 0 || got["cancelReason"] != hiddenText {
		t.Errorf("%q, a hidden character at %d:\n%s", got["cancelReason"], hidden, text)
	}
}

// What YAML says, read back, is what JSON says.
func TestYAMLIsTheSameDocument(t *testing.T) {
	text, err := asYAML(encode(sample()))
	if err != nil {
		t.Fatal(err)
	}
	var fromYAML, fromJSON any
	if err := yaml.Unmarshal(text, &fromYAML); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	if err := json.Unmarshal(encode(sample()), &fromJSON); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(fromJSON)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, want) || bytes.ContainsFunc(text, acting) {
		t.Errorf("YAML says\n%s\nJSON\n%s", again, want)
	}
	if !bytes.HasPrefix(text, []byte("id: t1\ndirection: ")) {
		t.Errorf("order or style is lost:\n%s", text)
	}
}

func TestTablesAreHarmlessAndAligned(t *testing.T) {
	a := &app{lookup: environment(nil)}
	var b bytes.Buffer
	other := sample()
	other.Id, other.Status, other.Progress = "a-longer-id", pb.Transfer_PAUSED, &pb.Progress{BytesDone: 5}
	other.PauseReasons = []pb.Transfer_PauseReason{pb.Transfer_APPLICATION, pb.Transfer_NO_NETWORK}
	other.Direction, other.Source, other.Destination = pb.Transfer_UPLOAD, other.GetDestination(), &pb.Endpoint{Url: "https://far/y"}
	a.listTable(&b, []*pb.Transfer{sample(), other}, time.Unix(1100, 0))
	want := `ID           STATUS                            PROGRESS  SIZE     NODE  AGE    DIRECTION  URL
t1           running                           50%       2.0 KiB  n1    1m40s  download   https://h/x
a-longer-id  paused (application, no network)  5 B       -        n1    1m40s  upload     https://far/y
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
	b.Reset()
	details(&b, sample(), time.Unix(1100, 0))
	if strings.ContainsAny(b.String(), "\x1b\u202e") || !strings.Contains(b.String(), `evil\x1b[31m\u202e.iso`) {
		t.Errorf("control characters pass:\n%q", b.String())
	}
	if !strings.Contains(b.String(), "labels       a=yes k=1\n") {
		t.Errorf("labels:\n%s", b.String())
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 12 * time.Second: "12s", 110 * time.Second: "1m50s", 200 * time.Minute: "3h20m", 102 * time.Hour: "4d6h",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
}

func TestFit(t *testing.T) {
	if got := fit("short", 8); got != "short   " {
		t.Errorf("%q", got)
	}
	if got := fit("a-very-long-name.tar.gz", 12); got != "a-very-…r.gz" {
		t.Errorf("%q", got)
	}
}
