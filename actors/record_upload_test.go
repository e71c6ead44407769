package actors

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/transfer"
)

// full gives every field a value unlike any other's, so that one which is not
// recorded shows.
func full(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(1_000_000+*n), 0).UTC()))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				full(v.Field(i), n)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		full(v.Index(0), n)
		full(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{fmt.Sprint("k", *n): fmt.Sprint("v", *n)}))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		full(v.Elem(), n)
	case reflect.String:
		v.SetString(fmt.Sprint("s", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(uint64(*n % 251))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Int64, reflect.Int:
		if v.Type() == reflect.TypeFor[time.Duration]() {
			v.SetInt(int64(*n) * int64(time.Millisecond))
			return
		}
		v.SetInt(int64(*n))
	}
}

// fullState is a state in which everything has a value that a record of its
// direction keeps.
func fullState(d transfer.Direction) transfer.State {
	var s transfer.State
	n := 0
	full(reflect.ValueOf(&s).Elem(), &n)
	s.Spec.Direction = d
	s.Traits, s.Resolving, s.Announcing = transfer.Traits{}, false, false
	s.Persisted, s.PersistedBytes = time.Time{}, 0
	s.Err.Err, s.Err.Op = nil, "op"
	for i := range s.History {
		s.History[i].Err.Err = nil
	}
	if d == transfer.Download {
		s.Spec.Outgoing, s.Session, s.Answer, s.AnswerSize = transfer.Outgoing{}, transfer.Session{}, nil, 0
	}
	return s
}

// TestEveryFieldIsRecorded writes states in which every field has a value: one
// that nobody thought of is missing from what is read back.
func TestEveryFieldIsRecorded(t *testing.T) {
	for _, d := range []transfer.Direction{transfer.Download, transfer.Upload} {
		state := fullState(d)
		rec := newRecord("a")
		state.Spec.ID = "a"
		raw, _, err := rec.encode(&state, &recordpb.Owner{Node: "n1", Incarnation: "i"}, 1, testSealer{})
		if err != nil {
			t.Fatal(err)
		}
		read, err := parseRecord(storage.Record{Key: transferKey("a"), Body: raw, Version: "v"}, testSealer{})
		if err != nil {
			t.Fatal(err)
		}
		got := decodeState(read.body, read.secret)
		if !reflect.DeepEqual(got.Spec, state.Spec) {
			t.Errorf("%s: read back\n%+v\nwritten\n%+v", d, got.Spec, state.Spec)
		}
		a, b := strings.Split(showDeep(got), "\n"), strings.Split(showDeep(state), "\n")
		for i := range b {
			if a[i] != b[i] {
				t.Errorf("%s: read back\n%s\nwritten\n%s", d, a[i], b[i])
			}
		}
	}
}

// showDeep is show without addresses.
func showDeep(s transfer.State) string {
	var out strings.Builder
	for _, a := range s.History {
		fmt.Fprintf(&out, "attempt: %+v ", *a.Err)
		a.Err = nil
		fmt.Fprintf(&out, "%+v\n", a)
	}
	fmt.Fprintf(&out, "error: %+v\n", *s.Err)
	s.History, s.Err = nil, nil
	return out.String() + show(s)
}

// TestUploadRecordsHideSecrets looks for what opens the far side in the bytes of
// records and in what other nodes are shown.
func TestUploadRecordsHideSecrets(t *testing.T) {
	state := fullState(transfer.Upload)
	state.Spec.ID = "a"
	state.Spec.Destination = "https://user:canary@far.example/put?canary"
	state.Spec.Outgoing.IdempotencyKey = "canary"
	state.Spec.Outgoing.Presigned = transfer.Presigned{
		PartURLs: []string{"https://far.example/1?canary"}, CompleteURL: "https://far.example/c?canary",
		AbortURL: "https://far.example/a?canary", ObjectURL: "https://far.example/o?canary",
	}
	state.Session.URL = "https://far.example/session?canary"
	state.Answer = []byte("canary")
	state.Garbage = []transfer.UploadRef{{Name: "tus", ID: "https://far.example/old?canary"}}
	raw, _, err := newRecord("a").encode(&state, &recordpb.Owner{Node: "n1"}, 1, testSealer{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "canary") {
		t.Error("a secret is in the record")
	}
	wire, err := proto.Marshal(wireSnapshot(&Snapshot{State: state, Node: "n1"}, testSealer{}, true))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(wire), "canary") {
		t.Error("a secret travels in the open")
	}
}

// TestUploadSnapshotTravels shows an upload on another node: how far it is, what
// it sends, its answer, and of its URLs what is no secret.
func TestUploadSnapshotTravels(t *testing.T) {
	state := fullState(transfer.Upload)
	state.Spec.ID = "a"
	state.Spec.Destination = "https://far.example/put?canary"
	state.Session.URL = "https://far.example/session?canary"
	for _, answer := range []bool{true, false} {
		got := snapshotFrom(wireSnapshot(&Snapshot{State: state, Node: "n1"}, testSealer{}, answer), testSealer{}).State
		if got.Done() != state.Done() || got.Size() != state.Size() || got.Session.Protocol != state.Session.Protocol {
			t.Errorf("%d of %d bytes with %s", got.Done(), got.Size(), got.Session.Protocol)
		}
		if got.Spec.Destination != "https://far.example/put" || got.Session.URL != "https://far.example/session" {
			t.Errorf("shown as %s and %s", got.Spec.Destination, got.Session.URL)
		}
		if (len(got.Answer) > 0) != answer || got.AnswerSize != state.AnswerSize {
			t.Errorf("%d bytes of an answer of %d", len(got.Answer), got.AnswerSize)
		}
	}
}

// TestManyPartsFit records the most parts that an upload may have, each with the
// longest name that is kept.
func TestManyPartsFit(t *testing.T) {
	state := transfer.State{Spec: transfer.Spec{ID: "a", Direction: transfer.Upload, Size: 1 << 50}, Answer: make([]byte, 64<<10)}
	for n := range transfer.MaxPresigned {
		state.Session.Parts = append(state.Session.Parts, transfer.SessionPart{
			Number: n + 1, Offset: 1<<50 + int64(n), Size: 1 << 40, Ref: strings.Repeat("x", 100), CRC64: 1 << 63,
		})
	}
	raw, _, err := newRecord("a").encode(&state, &recordpb.Owner{Node: "n1"}, 1, testSealer{})
	if err != nil {
		t.Fatal(err)
	}
	if most := recordReserve + transfer.MaxPresigned*partRecord; len(raw) > most {
		t.Errorf("the record has %d bytes, %d are reserved", len(raw), most)
	}
}

// TestTooMuchForARecord is refused when it is created.
func TestTooMuchForARecord(t *testing.T) {
	spec := transfer.Spec{ID: "a", Direction: transfer.Upload, Size: transfer.UnknownSize, Outgoing: transfer.Outgoing{Protocol: transfer.ProtocolS3}}
	url := "https://far.example/" + strings.Repeat("x", 1000)
	for range 1000 {
		spec.Outgoing.Presigned.PartURLs = append(spec.Outgoing.Presigned.PartURLs, url)
	}
	if err := checkRecord(&spec); err != nil {
		t.Errorf("a thousand URLs: %v", err)
	}
	for range 4 {
		spec.Outgoing.Presigned.PartURLs = append(spec.Outgoing.Presigned.PartURLs, spec.Outgoing.Presigned.PartURLs[:1000]...)
	}
	if err := checkRecord(&spec); err == nil || err.Code != transfer.CodePresigned {
		t.Errorf("five thousand URLs: %v", err)
	}
}

// TestUnknownSecretsSurvive keeps what a later version has sealed.
func TestUnknownSecretsSurvive(t *testing.T) {
	state := fullState(transfer.Upload)
	state.Spec.ID = "a"
	rec := newRecord("a")
	owner := &recordpb.Owner{Node: "n1", Incarnation: "i"}
	if _, _, err := rec.encode(&state, owner, 1, testSealer{}); err != nil {
		t.Fatal(err)
	}
	unknown := []byte{0xc2, 0x3e, 0x01, 'x'} // field 1000
	for _, m := range []proto.Message{rec.secret, rec.secret.Outgoing, rec.secret.Session} {
		m.ProtoReflect().SetUnknown(unknown)
	}
	state.Session.Offset++
	if _, _, err := rec.encode(&state, owner, 1, testSealer{}); err != nil {
		t.Fatal(err)
	}
	for _, m := range []proto.Message{rec.secret, rec.secret.Outgoing, rec.secret.Session} {
		if string(m.ProtoReflect().GetUnknown()) != string(unknown) {
			t.Errorf("%T lost what it does not know", m)
		}
	}
}

// sending makes any state one of an upload.
func drawSending(t *rapid.T, s *transfer.State) {
	s.Spec.Direction = transfer.Upload
	s.Spec.Outgoing = transfer.Outgoing{
		Protocol: transfer.ProtocolTus, Spooled: rapid.Bool().Draw(t, "spooled"), IdempotencyKey: anyWord.Draw(t, "key"),
		SourcePin: transfer.Pin{ETag: anyWord.Draw(t, "source pin"), Modified: anyTime.Draw(t, "source time")},
		Presigned: transfer.Presigned{PartURLs: rapid.SliceOfN(anyWord, 0, 3).Draw(t, "urls"), AbortURL: anyWord.Draw(t, "abort")},
	}
	if rapid.Bool().Draw(t, "form") {
		s.Spec.Outgoing.Form = transfer.Form{Subtype: "mixed", Boundary: anyWord.Draw(t, "boundary"), Parts: []transfer.FormPart{
			{Name: anyWord.Draw(t, "part"), Headers: anyHeaders.Draw(t, "part headers"), Source: anyWord.Draw(t, "part source")},
		}}
	}
	s.Session = transfer.Session{
		Protocol: transfer.Protocol(anyWord.Draw(t, "protocol")), URL: anyWord.Draw(t, "session"), Offset: rapid.Int64().Draw(t, "offset"),
		CRC64: rapid.Uint64().Draw(t, "session crc"), Expires: anyTime.Draw(t, "expires"), Sent: rapid.Bool().Draw(t, "sent"),
	}
	for n := range rapid.IntRange(0, 3).Draw(t, "session parts") {
		s.Session.Parts = append(s.Session.Parts, transfer.SessionPart{Number: n + 1, Ref: anyWord.Draw(t, "ref"), CRC64: rapid.Uint64().Draw(t, "part crc")})
	}
	s.SessionsLost, s.MaybeDuplicate = anyInt.Draw(t, "lost"), rapid.Bool().Draw(t, "duplicate")
	s.Answer, s.AnswerSize = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "answer"), anySize.Draw(t, "answer size")
}
