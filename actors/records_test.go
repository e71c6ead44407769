package actors_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
)

// rewrite changes a stored record behind the node's back.
func (b *bubble) rewrite(id string, change func(body []byte) []byte) {
	b.Helper()
	key := actors.TransferKey(id)
	rec, err := b.records.Get(b.Context(), key)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := b.records.CompareAndSwap(b.Context(), key, change(rec.Body), rec.Version); err != nil {
		b.Fatal(err)
	}
}

// envelope decodes, changes and encodes an envelope, with the right checksum.
func envelope(change func(env *recordpb.Envelope, body *recordpb.Transfer)) func([]byte) []byte {
	return func(raw []byte) []byte {
		var env recordpb.Envelope
		var body recordpb.Transfer
		if err := proto.Unmarshal(raw, &env); err != nil {
			panic(err)
		}
		if err := proto.Unmarshal(env.Body, &body); err != nil {
			panic(err)
		}
		change(&env, &body)
		env.Body = marshal(&body)
		env.Checksum = xxhash.Sum64(env.Body)
		return marshal(&env)
	}
}

func marshal(m proto.Message) []byte {
	out, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return out
}

// TestBadRecordsConcernNobodyElse damages one record in every way: the node
// starts, the transfer is listed as failed, and the others run.
func TestBadRecordsConcernNobodyElse(t *testing.T) {
	cases := map[string]func([]byte) []byte{
		"garbage":   func([]byte) []byte { return []byte("not a record at all") },
		"empty":     func([]byte) []byte { return nil },
		"truncated": func(raw []byte) []byte { return raw[:len(raw)/2] },
		"flipped":   func(raw []byte) []byte { raw[len(raw)-3] ^= 0x40; return raw },
		"format":    envelope(func(env *recordpb.Envelope, _ *recordpb.Transfer) { env.Format = 99 }),
		"format 0":  envelope(func(env *recordpb.Envelope, _ *recordpb.Transfer) { env.Format = 0 }),
		"epoch 0":   envelope(func(env *recordpb.Envelope, _ *recordpb.Transfer) { env.Epoch = 0 }),
		"no owner":  envelope(func(env *recordpb.Envelope, _ *recordpb.Transfer) { env.Owner = nil }),
		"wrong id":  envelope(func(_ *recordpb.Envelope, body *recordpb.Transfer) { body.Id = "other" }),
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 3, func(b *bubble) {
				sys := b.node()
				b.create(sys, b.spec("bad"), false)
				b.create(sys, b.spec("good"), false)
				sys.Abandon()
				b.rewrite("bad", damage)
				before, _ := b.records.Get(b.Context(), actors.TransferKey("bad"))

				sys = b.node()
				snap := b.want(sys, "bad", transfer.PhaseFailed)
				if snap.State.Err.Code != transfer.CodeQuarantined {
					b.Errorf("shown as %v, want %s", snap.State.Err, transfer.CodeQuarantined)
				}
				if strings.Contains(snap.State.Err.Error(), "origin.example") {
					b.Errorf("the error tells of the record: %v", snap.State.Err)
				}
				for _, ev := range []transfer.Event{transfer.Start{}, transfer.Cancel{}, transfer.Retry{}} {
					_, err := sys.Command(b.Context(), "bad", ev, "")
					b.code(err, transfer.CodeQuarantined)
				}
				b.command(sys, "good", transfer.Start{})
				b.completed(sys, "good")
				page, err := sys.List(b.Context(), actors.Query{Limit: 10})
				if err != nil || len(page.Transfers) != 2 {
					b.Errorf("%d transfers are listed (%v), want 2", len(page.Transfers), err)
				}
				after, _ := b.records.Get(b.Context(), actors.TransferKey("bad"))
				if !bytes.Equal(before.Body, after.Body) {
					b.Error("the damaged record was written")
				}
			})
		})
	}
}

// TestRecordOfAnotherNode leaves a transfer alone that another node owns, until
// that node has released it.
func TestRecordOfAnotherNode(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		sys := b.node()
		b.create(sys, b.spec("theirs"), true)
		b.create(sys, b.spec("ours"), false)
		b.completed(sys, "theirs")
		sys.Abandon()
		foreign := func(released bool) func([]byte) []byte {
			return envelope(func(env *recordpb.Envelope, body *recordpb.Transfer) {
				env.Owner = &recordpb.Owner{Node: "n2", Incarnation: "x", Released: released}
				body.Phase = string(transfer.PhaseQueued)
			})
		}
		b.rewrite("theirs", foreign(false))
		before, _ := b.records.Get(b.Context(), actors.TransferKey("theirs"))
		b.keepLease("n2", "x")

		sys = b.node()
		settle(time.Minute)
		if snap := b.want(sys, "theirs", transfer.PhaseQueued); snap.Node != "n2" {
			b.Errorf("shown as owned by %s, want n2", snap.Node)
		}
		_, err := sys.Command(b.Context(), "theirs", transfer.Cancel{}, "")
		b.code(err, transfer.CodeNotOwner)
		b.want(sys, "theirs", transfer.PhaseQueued)
		b.command(sys, "ours", transfer.Start{})
		after, _ := b.records.Get(b.Context(), actors.TransferKey("theirs"))
		if after.Version != before.Version {
			b.Error("a record of another node was written")
		}
		sys.Abandon()

		b.rewrite("theirs", foreign(true))
		sys = b.node()
		snap := b.await(sys, "theirs")
		if snap.Epoch != 2 || snap.Node != "n1" {
			b.Errorf("claimed by %s in epoch %d, want n1 in epoch 2", snap.Node, snap.Epoch)
		}
	})
}

// TestUnknownFieldsSurvive lets a record carry fields of a later version, in
// the envelope and at each level of the body: after a whole life under this
// version they are as they were, byte for byte.
func TestUnknownFieldsSurvive(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		sys := b.node()
		b.create(sys, b.spec("a"), false)
		sys.Abandon()
		unknown := func(n int) []byte {
			out := protowire.AppendTag(nil, 1000, protowire.BytesType)
			return protowire.AppendBytes(out, fmt.Appendf(nil, "from a later version %d", n))
		}
		b.rewrite("a", envelope(func(env *recordpb.Envelope, body *recordpb.Transfer) {
			env.ProtoReflect().SetUnknown(unknown(1))
			body.ProtoReflect().SetUnknown(unknown(2))
			body.Spec.ProtoReflect().SetUnknown(unknown(3))
		}))
		sys = b.node()
		b.command(sys, "a", transfer.Start{})
		b.completed(sys, "a")
		if err := sys.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
		rec, err := b.records.Get(b.Context(), actors.TransferKey("a"))
		if err != nil {
			b.Fatal(err)
		}
		envelope(func(env *recordpb.Envelope, body *recordpb.Transfer) {
			if body.Phase != string(transfer.PhaseCompleted) {
				b.Errorf("recorded as %s", body.Phase)
			}
			for i, m := range []proto.Message{env, body, body.Spec} {
				if got := m.ProtoReflect().GetUnknown(); !bytes.Equal(got, unknown(i+1)) {
					b.Errorf("unknown fields of %T are %q", m, got)
				}
			}
		})(rec.Body)
	})
}

// TestFencedByARecord has another owner take a running transfer: this one stops
// and changes nothing any more, neither record nor object.
func TestFencedByARecord(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize} }
		sys := b.node()
		b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Connections = 1 }), true)
		b.create(sys, b.spec("b", func(s *transfer.Spec) { s.Connections = 1 }), true)
		settle(1500 * time.Millisecond)
		b.keepLease("n2", "x")
		b.rewrite("a", envelope(func(env *recordpb.Envelope, _ *recordpb.Transfer) {
			env.Owner, env.Epoch = &recordpb.Owner{Node: "n2", Incarnation: "x"}, env.Epoch+1
		}))
		taken, _ := b.records.Get(b.Context(), actors.TransferKey("a"))
		uploads := b.objects.Uploads()
		_, err := sys.Command(b.Context(), "a", transfer.Cancel{}, "")
		b.code(err, transfer.CodeNotOwner)
		b.completed(sys, "b")
		settle(time.Hour)
		if now, _ := b.records.Get(b.Context(), actors.TransferKey("a")); now.Version != taken.Version {
			b.Error("the record of the new owner was written")
		}
		for _, up := range b.objects.Uploads() {
			uploads = slices.DeleteFunc(uploads, func(u string) bool { return u == up })
		}
		if len(uploads) > 1 || b.objects.Result("/results/a") != nil {
			b.Errorf("the fenced owner removed or published: %v", uploads)
		}
		if b.meter.count("fenced") == 0 {
			b.Error("no fenced write was counted")
		}
		if snap := b.get(sys, "a"); snap.Node != "n2" {
			b.Errorf("shown as owned by %s, want n2", snap.Node)
		}
	})
}
