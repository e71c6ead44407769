package actors

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/transfer"
)

// testSealer turns bytes around, so that what was not sealed shows.
type testSealer struct{}

func (testSealer) Seal(name string, p []byte) ([]byte, error) {
	return append([]byte("sealed for "+name+":"), flip(p)...), nil
}

func (testSealer) Open(name string, p []byte) ([]byte, error) {
	rest, ok := strings.CutPrefix(string(p), "sealed for "+name+":")
	if !ok {
		return nil, errors.New("the sealed fields cannot be opened")
	}
	return flip([]byte(rest)), nil
}

func flip(p []byte) []byte {
	out := make([]byte, len(p))
	for i, c := range p {
		out[i] = c ^ 0xff
	}
	return out
}

var (
	anyWord = rapid.StringMatching(`[a-zA-Z0-9 ./:"-]{0,12}`)
	anySize = rapid.OneOf(rapid.Just(transfer.UnknownSize), rapid.Int64Range(0, 1<<50))
	anyTime = rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(1, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC()
	})
	anyHeaders = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) transfer.Header {
		return transfer.Header{Name: anyWord.Draw(t, "name"), Value: anyWord.Draw(t, "value")}
	}), 0, 3)
	anyUpload = rapid.Custom(func(t *rapid.T) transfer.UploadRef {
		return transfer.UploadRef{Name: anyWord.Draw(t, "name"), ID: anyWord.Draw(t, "id")}
	})
	anyWait = rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.IntRange(0, 1<<30).Draw(t, "ms")) * time.Millisecond
	})
	anyInt = rapid.IntRange(0, 1<<30)
)

// anySpec leaves out what the record derives: none of it.
var anySpec = rapid.Custom(func(t *rapid.T) transfer.Spec {
	return transfer.Spec{
		ID: "a", Direction: transfer.Download, Source: anyWord.Draw(t, "source"),
		Mirrors: rapid.SliceOfN(anyWord, 0, 3).Draw(t, "mirrors"), Destination: anyWord.Draw(t, "destination"),
		Method: anyWord.Draw(t, "method"), Headers: anyHeaders.Draw(t, "headers"), Body: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "body"),
		SHA256: anyWord.Draw(t, "sha256"), WantSHA256: rapid.Bool().Draw(t, "want"), Size: anySize.Draw(t, "size"),
		IfExists: transfer.IfExistsSkip, Priority: transfer.PriorityHigh, Cost: transfer.CostAlways,
		PartSize: rapid.Int64().Draw(t, "part"), Connections: anyInt.Draw(t, "connections"), RateLimit: rapid.Int64().Draw(t, "rate"),
		Retries: anyInt.Draw(t, "retries"), Recoverable: rapid.SliceOfN(rapid.IntRange(400, 599), 0, 3).Draw(t, "recoverable"),
		Labels: rapid.MapOfN(anyWord, anyWord, 0, 3).Draw(t, "labels"),
		Group:  anyWord.Draw(t, "group"), CompletionGroup: anyWord.Draw(t, "completion group"),
		Resolver:     transfer.Webhook{URL: anyWord.Draw(t, "resolver"), Secret: anyWord.Draw(t, "resolver secret")},
		BodySource:   anyWord.Draw(t, "body source"),
		BodyPin:      transfer.Pin{ETag: anyWord.Draw(t, "pin"), Size: rapid.Int64().Draw(t, "pin size"), Modified: anyTime.Draw(t, "pin time")},
		AttentionTTL: anyWait.Draw(t, "attention"),
		Notifications: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) transfer.Notification {
			return transfer.Notification{
				Channel: anyWord.Draw(t, "channel"), Success: anyWord.Draw(t, "success"), Failure: anyWord.Draw(t, "failure"),
				Tag: anyWord.Draw(t, "tag"), TTL: anyWait.Draw(t, "ttl"),
			}
		}), 0, 2).Draw(t, "notifications"),
	}
})

var anyGeneration = rapid.Custom(func(t *rapid.T) transfer.Generation {
	g := transfer.Generation{
		Number: anyInt.Draw(t, "number"), Source: anyInt.Draw(t, "source"),
		Validator: transfer.Validator{ETag: anyWord.Draw(t, "etag"), LastModified: anyWord.Draw(t, "modified"), Date: anyTime.Draw(t, "date")},
		Resumable: rapid.Bool().Draw(t, "resumable"), Token: anyWord.Draw(t, "token"), Upload: anyUpload.Draw(t, "upload"),
		Hashed: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "hashed"), HashedBytes: rapid.Int64().Draw(t, "hashed bytes"),
	}
	if rapid.Bool().Draw(t, "unplanned") {
		return g
	}
	g.Plan = transfer.Plan{
		Size: anySize.Draw(t, "size"), PartSize: rapid.Int64Range(1, 1<<30).Draw(t, "part size"), Growing: rapid.Bool().Draw(t, "growing"),
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(1, 10000), 0, 8, rapid.ID).Draw(t, "parts") {
		offset, _ := g.Plan.Part(n)
		g.Ledger.Add(transfer.Part{
			Number: n, Offset: offset, Size: rapid.Int64Range(0, 1<<30).Draw(t, "size"),
			ETag: anyWord.Draw(t, "etag"), CRC64: rapid.Uint64().Draw(t, "crc"),
		})
	}
	return g
})

var anyHistory = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) transfer.Attempt {
	a := transfer.Attempt{
		Time: anyTime.Draw(t, "time"), URL: anyWord.Draw(t, "url"), Node: anyWord.Draw(t, "node"),
		Offset: rapid.Int64().Draw(t, "offset"), Status: anyInt.Draw(t, "status"),
	}
	if rapid.Bool().Draw(t, "failed") {
		a.Err = &transfer.Error{Code: transfer.CodeReset, Message: anyWord.Draw(t, "message")}
	}
	return a
}), 0, 3)

var anyState = rapid.Custom(func(t *rapid.T) transfer.State {
	s := transfer.State{
		Spec: anySpec.Draw(t, "spec"), Nonce: anyWord.Draw(t, "nonce"), Gen: anyGeneration.Draw(t, "generation"),
		Phase:  rapid.SampledFrom([]transfer.Phase{transfer.PhaseIdle, transfer.PhaseCompleting, transfer.PhaseFailed}).Draw(t, "phase"),
		Pauses: rapid.SliceOfN(rapid.SampledFrom([]transfer.PauseReason{transfer.PauseApplication, transfer.PauseNoNetwork}), 0, 2).Draw(t, "pauses"),
		Begins: anyInt.Draw(t, "begins"), MaybeBegun: rapid.Bool().Draw(t, "maybe"), SourceIndex: anyInt.Draw(t, "index"),
		SourcesTried: anyInt.Draw(t, "tried"), Restarts: anyInt.Draw(t, "restarts"), Changes: anyInt.Draw(t, "changes"),
		Attempts: anyInt.Draw(t, "attempts"), Failures: anyInt.Draw(t, "failures"), HighWater: rapid.Int64().Draw(t, "high"),
		NotBefore: anyTime.Draw(t, "not before"), Acknowledged: anyTime.Draw(t, "acknowledged"), Purging: rapid.Bool().Draw(t, "purging"), CancelWanted: rapid.Bool().Draw(t, "cancel wanted"),
		History: anyHistory.Draw(t, "history"), Outages: anyInt.Draw(t, "outages"), Resolves: anyInt.Draw(t, "resolves"),
		AttentionDeadline: anyTime.Draw(t, "deadline"),
		OnWire:            rapid.Int64().Draw(t, "on wire"),
		Response:          transfer.Response{ActualURL: anyWord.Draw(t, "actual"), StatusCode: anyInt.Draw(t, "status"), Headers: anyHeaders.Draw(t, "response")},
		SHA256:            anyWord.Draw(t, "sha256"), Skipped: rapid.Bool().Draw(t, "skipped"),
		Garbage:    rapid.SliceOfN(anyUpload, 0, 3).Draw(t, "garbage"),
		CanceledBy: anyWord.Draw(t, "by"), CancelReason: anyWord.Draw(t, "reason"),
		Created: anyTime.Draw(t, "created"), Updated: anyTime.Draw(t, "updated"), Finished: anyTime.Draw(t, "finished"),
	}
	if rapid.Bool().Draw(t, "has crc") {
		s.CRC64, s.HasCRC64 = rapid.Uint64().Draw(t, "crc"), true
	}
	if rapid.Bool().Draw(t, "has error") {
		s.Err = &transfer.Error{
			Code: transfer.CodeReset, Op: anyWord.Draw(t, "op"), Subject: anyWord.Draw(t, "subject"), Field: anyWord.Draw(t, "field"),
			Message: anyWord.Draw(t, "message"), Status: anyInt.Draw(t, "status"),
			RetryAfter: time.Duration(rapid.IntRange(0, 1<<20).Draw(t, "after")) * time.Millisecond,
		}
	}
	return s
})

// TestStateRoundTrip writes any state into a record, over an earlier one, and
// reads it back: nothing is lost, nothing of the earlier one is left.
func TestStateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec := newRecord("a")
		owner := &recordpb.Owner{Node: "n1", Incarnation: "i"}
		for range 2 {
			state := anyState.Draw(t, "state")
			if rapid.Bool().Draw(t, "upload") {
				drawSending(t, &state)
			}
			raw, env, err := rec.encode(&state, owner, 3, testSealer{})
			if err != nil {
				t.Fatal(err)
			}
			read, err := parseRecord(storage.Record{Key: transferKey("a"), Body: raw, Version: "v"}, testSealer{})
			if err != nil {
				t.Fatal(err)
			}
			got := decodeState(read.body, read.secret)
			if a, b := show(got), show(state); a != b {
				t.Fatalf("read back\n%s\nwritten\n%s", a, b)
			}
			if !sameSpec(&got.Spec, &state.Spec) {
				t.Fatal("the spec that was read back is another one")
			}
			if !proto.Equal(read.envelope.Owner, owner) || read.envelope.Epoch != 3 {
				t.Fatalf("read back owner %v, epoch %d", read.envelope.Owner, read.envelope.Epoch)
			}
			rec.wrote(env, "v")
		}
		if rec.envelope.Sequence != 2 {
			t.Fatalf("sequence %d after two writes", rec.envelope.Sequence)
		}
	})
}

// show prints a state so that nil and empty are the same.
func show(s transfer.State) string {
	fields := reflect.ValueOf(s)
	var out strings.Builder
	for i := range fields.NumField() {
		fmt.Fprintf(&out, "%s: %+v\n", fields.Type().Field(i).Name, fields.Field(i).Interface())
	}
	parts := s.Gen.Ledger.Parts()
	fmt.Fprintf(&out, "error: %#v parts: %+v", s.Err, parts)
	return strings.ReplaceAll(strings.ReplaceAll(out.String(), "<nil>", ""), "[]", "")
}

// TestRecordsHideSecrets looks for what a user's request carries in the bytes
// of its record.
func TestRecordsHideSecrets(t *testing.T) {
	state := transfer.State{Phase: transfer.PhaseIdle, Spec: transfer.Spec{
		ID: "a", Source: "https://user:canary1@h/p?token=canary2", Mirrors: []string{"https://m/?canary3"},
		Headers: []transfer.Header{{Name: "Authorization", Value: "canary4"}}, Body: []byte("canary5"), Size: transfer.UnknownSize,
	}}
	raw, _, err := newRecord("a").encode(&state, &recordpb.Owner{Node: "n1"}, 1, testSealer{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "canary") {
		t.Errorf("a secret is in the record: %q", raw)
	}
	moved := storage.Record{Key: transferKey("b"), Body: raw}
	if _, err := parseRecord(moved, testSealer{}); err == nil {
		t.Error("a record was read under another key")
	}
}

// TestNoTwoBodiesAreEqual writes the same state twice: an ETag may only be an
// MD5 of the body.
func TestNoTwoBodiesAreEqual(t *testing.T) {
	state := transfer.State{Spec: transfer.Spec{ID: "a"}}
	rec := newRecord("a")
	one, _, err := rec.encode(&state, &recordpb.Owner{Node: "n1"}, 1, testSealer{})
	if err != nil {
		t.Fatal(err)
	}
	two, _, err := rec.encode(&state, &recordpb.Owner{Node: "n1"}, 1, testSealer{})
	if err != nil {
		t.Fatal(err)
	}
	if string(one) == string(two) {
		t.Error("two writes have the same body")
	}
}

// FuzzParseRecord feeds arbitrary bytes: a record is read or refused, and the
// refusal tells nothing of what is in it.
func FuzzParseRecord(f *testing.F) {
	state := transfer.State{Phase: transfer.PhaseQueued, Spec: transfer.Spec{
		ID: "a", Source: "https://user:canary@h/p", Destination: "file:///canary", Size: 5,
	}}
	raw, _, err := newRecord("a").encode(&state, &recordpb.Owner{Node: "n1", Incarnation: "canary"}, 1, testSealer{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Add([]byte{})
	f.Add([]byte("canary"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rec, err := parseRecord(storage.Record{Key: transferKey("a"), Body: raw}, testSealer{})
		if err != nil {
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error tells what is in the record: %v", err)
			}
			return
		}
		got := decodeState(rec.body, rec.secret)
		e := entryOf(&got)
		if e.id != "a" {
			t.Errorf("the record of %q was taken for that of a", e.id)
		}
		if _, _, err := rec.encode(&got, rec.envelope.GetOwner(), rec.envelope.GetEpoch(), testSealer{}); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}

// TestImpossiblePlans refuses records whose checksum is right and whose sizes
// cannot be: to go on with one would publish less than there is.
func TestImpossiblePlans(t *testing.T) {
	for name, change := range map[string]func(*recordpb.Generation){
		"size":      func(g *recordpb.Generation) { g.Size = proto.Int64(-5) },
		"part size": func(g *recordpb.Generation) { g.PartSize = -1 },
		"part":      func(g *recordpb.Generation) { g.Parts = []*recordpb.Part{{Number: 1, Size: -1}} },
		"number":    func(g *recordpb.Generation) { g.Parts = []*recordpb.Part{{Number: -1, Size: 1}} },
	} {
		state := transfer.State{Spec: transfer.Spec{ID: "a"}, Gen: transfer.Generation{Number: 1, Plan: transfer.Plan{Size: 10, PartSize: 5}}}
		raw, _, err := newRecord("a").encode(&state, &recordpb.Owner{Node: "n1"}, 1, testSealer{})
		if err != nil {
			t.Fatal(err)
		}
		rec, err := parseRecord(storage.Record{Key: transferKey("a"), Body: raw}, testSealer{})
		if err != nil {
			t.Fatal(err)
		}
		change(rec.body.Generation)
		env := proto.Clone(rec.envelope).(*recordpb.Envelope)
		if env.Body, err = proto.Marshal(rec.body); err != nil {
			t.Fatal(err)
		}
		env.Checksum = xxhash.Sum64(env.Body)
		if raw, err = proto.Marshal(env); err != nil {
			t.Fatal(err)
		}
		if _, err := parseRecord(storage.Record{Key: transferKey("a"), Body: raw}, testSealer{}); err == nil {
			t.Errorf("%s: the record is taken", name)
		}
	}
}
