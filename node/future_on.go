//go:build future

package node

import (
	"bytes"
	"context"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
)

// futureField is the number of the field that a later version of the program has
// in all messages of records, and futureText what it says.
const (
	futureField protowire.Number = 15_000
	futureText                   = "written by a later version"
)

// futureRecords is a store that a later version writes to: each record has a
// field that this version does not know, beside its body and in it.
func futureRecords(store storage.RecordStore) storage.RecordStore { return futureStore{store} }

// futureVersion tells a later version from the one that it was made of.
func futureVersion(version string) string { return version + "-future" }

type futureStore struct{ storage.RecordStore }

func (s futureStore) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	return s.RecordStore.Create(ctx, key, ahead(body))
}

func (s futureStore) CompareAndSwap(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
	return s.RecordStore.CompareAndSwap(ctx, key, ahead(body), old)
}

// ahead adds what this version does not know to a record.
func ahead(body []byte) []byte {
	var env recordpb.Envelope
	if proto.Unmarshal(body, &env) != nil || env.Format == 0 || xxhash.Sum64(env.Body) != env.Checksum {
		return body
	}
	env.Body = withFuture(env.Body)
	env.Checksum = xxhash.Sum64(env.Body)
	body, err := proto.Marshal(&env)
	if err != nil {
		return nil // no store takes it
	}
	return withFuture(body)
}

// withFuture appends the field to a message, unless it is there.
func withFuture(message []byte) []byte {
	field := protowire.AppendString(protowire.AppendTag(nil, futureField, protowire.BytesType), futureText)
	if hasField(message) {
		return message
	}
	return append(bytes.Clone(message), field...)
}

// hasField tells whether a message has the field already.
func hasField(message []byte) bool {
	for len(message) > 0 {
		number, _, n := protowire.ConsumeField(message)
		if n < 0 || number == futureField {
			return n > 0
		}
		message = message[n:]
	}
	return false
}
