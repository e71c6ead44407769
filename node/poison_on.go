//go:build history

package node

import (
	"context"
	"os"
	"path"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/cespare/xxhash/v2"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
)

// poisonRecords writes other records than the node wants to, for the transfers
// that the file named by GODWIT_POISON_FILE lists, each in a line with what is to
// be wrong with its record:
//
//	garbage  it is no record
//	torn     the second half is missing
//	flipped  one byte of the body is another
//	format   it is of a later version than any
//	absurd   it is whole, and says what cannot be
//
// The id of the last one is in the file of that name with ".done" behind it.
func poisonRecords(store storage.RecordStore) storage.RecordStore {
	file := os.Getenv("GODWIT_POISON_FILE")
	if file == "" {
		return store
	}
	return &poisonedStore{RecordStore: store, file: file}
}

type poisonedStore struct {
	storage.RecordStore
	file string
}

// CompareAndSwap poisons records that are there: transfers are accepted as they are.
func (s *poisonedStore) CompareAndSwap(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
	kind := s.wanted(key)
	if kind == "" {
		return s.RecordStore.CompareAndSwap(ctx, key, body, old)
	}
	version, err := s.RecordStore.CompareAndSwap(ctx, key, poison(body, kind), old)
	if err == nil {
		err = os.WriteFile(s.file+".done", []byte(path.Base(key)), 0o600)
	}
	return version, err
}

func (s *poisonedStore) wanted(key string) string {
	if !strings.Contains(key, "/t/") {
		return ""
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		return "" // nothing is to be poisoned now
	}
	for line := range strings.Lines(string(text)) {
		if id, kind, _ := strings.Cut(strings.TrimSpace(line), " "); id == path.Base(key) {
			return kind
		}
	}
	return ""
}

func poison(body []byte, kind string) []byte {
	var env recordpb.Envelope
	if proto.Unmarshal(body, &env) != nil {
		return body
	}
	switch kind {
	case "garbage":
		return []byte("this is no record of a transfer")
	case "torn":
		return body[:len(body)/2]
	case "flipped":
		env.Body[len(env.Body)/2] ^= 0x10
	case "format":
		env.Format += 1000
	case "absurd":
		var t recordpb.Transfer
		if proto.Unmarshal(env.Body, &t) != nil {
			return body
		}
		absurd(&t)
		env.Body, _ = proto.Marshal(&t)
		env.Checksum = xxhash.Sum64(env.Body)
	}
	body, _ = proto.Marshal(&env)
	return body
}

// absurd makes a record say of its plan and of what is stored what no plan has.
func absurd(t *recordpb.Transfer) {
	t.Attempts, t.Failures, t.SourceIndex = -3, -7, 1<<30
	t.HighWater = -1 << 62
	if g := t.GetGeneration(); g != nil {
		g.Size, g.PartSize = proto.Int64(-5), -1
	}
}
