package state

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"godwit/actors"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/storage/storagetest"
)

// world is a state store with some records.
type world struct {
	t       testing.TB
	records storage.RecordStore
}

func newWorld(t testing.TB) *world {
	w := &world{t, storagetest.NewMemory()}
	w.raw(actors.ClusterKey, marshal(t, &recordpb.Cluster{Id: "c1", Shards: actors.Shards, CreateTime: timestamppb.New(time.Unix(1, 0))}))
	return w
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	out, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) raw(key string, body []byte) {
	w.t.Helper()
	if _, err := w.records.Create(w.t.Context(), key, body); err != nil {
		w.t.Fatal(err)
	}
}

// envelope is a record of epoch 7 whose owner lives, as far as anybody knows.
func envelope(body []byte) *recordpb.Envelope {
	return &recordpb.Envelope{
		Format: 1, WriteId: []byte("write"), Epoch: 7, Sequence: 40, Owner: &recordpb.Owner{Node: "n1", Incarnation: "i1"},
		Checksum: xxhash.Sum64(body), Body: body,
	}
}

func (w *world) put(kind, id string, m proto.Message) {
	w.t.Helper()
	w.raw(keyIn(kind, id), marshal(w.t, envelope(marshal(w.t, m))))
}

func (w *world) lease(node string, released bool) {
	w.t.Helper()
	w.raw(actors.LeasePrefix+node, marshal(w.t, &recordpb.Lease{Node: node, Incarnation: "i1", Released: released}))
}

// content is all that a store holds.
func content(t testing.TB, records storage.RecordStore) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := eachRecord(t.Context(), records, "", func(string) bool { return true }, func(one stored) error {
		out[one.Key] = one.Body
		return one.lost
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// anyWorld is a store with random records of all kinds, some with fields of a
// later version.
func anyWorld(t testing.TB, r *rand.Rand) *world {
	w := newWorld(t)
	w.lease("n1", r.IntN(2) == 0)
	w.raw(probePrefix+"x", []byte("probe"))
	for n := range r.IntN(60) {
		id := fmt.Sprintf("id-%d-%d", n, r.Int32())
		unknown := protowire.AppendString(protowire.AppendTag(nil, 900, protowire.BytesType), id)
		messages := map[string]proto.Message{
			kindTransfer: &recordpb.Transfer{Id: id, Phase: "RUNNING", Sealed: bytes.Repeat([]byte{1}, r.IntN(5000))}, kindCompletion: &recordpb.CompletionGroup{Id: id},
			kindGroup: &recordpb.Group{Name: id}, kindTask: &recordpb.Task{Id: id},
		}
		kind := slices.Sorted(maps.Keys(messages))[r.IntN(len(messages))]
		m := messages[kind]
		if r.IntN(2) == 0 {
			m.ProtoReflect().SetUnknown(unknown)
		}
		env := envelope(marshal(t, m))
		env.Epoch = r.Uint64N(1<<40) + 1
		if r.IntN(2) == 0 {
			env.ProtoReflect().SetUnknown(unknown)
		}
		w.raw(keyIn(kind, id), marshal(t, env))
	}
	if r.IntN(2) == 0 {
		w.raw("later/kind/of.record", []byte("whatever it means"))
	}
	return w
}
