//go:build history

package node

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
)

// historyWrite is one line of a history. An attempt has two: one before the
// store is asked, with the outcome "begun", and one after. An attempt without
// the second is one whose node died, and may have happened.
type historyWrite struct {
	Time time.Time `json:"time"`
	// Mono is CLOCK_MONOTONIC in nanoseconds: nobody can set it.
	Mono int64  `json:"mono"`
	Node string `json:"node"`
	// Attempt is the same in both lines, and in no others.
	Attempt string `json:"attempt"`
	// Op is "create", "cas" or "delete".
	Op  string `json:"op"`
	Key string `json:"key"`
	// Old is the version to be replaced, New the one that took its place.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
	// Outcome is "begun", "ok", "lost", "unknown" or "error"; after an error
	// nothing was written.
	Outcome string `json:"outcome"`
	// Kind is the store's word for a failure.
	Kind string `json:"kind,omitempty"`
	// What follows is what the envelope says, if the body is one.
	WriteID     string `json:"writeId,omitempty"`
	Epoch       uint64 `json:"epoch,omitempty"`
	Sequence    uint64 `json:"sequence,omitempty"`
	Owner       string `json:"owner,omitempty"`
	Incarnation string `json:"incarnation,omitempty"`
	Released    bool   `json:"released,omitempty"`
	// Phase is that of a transfer, a completion group or a task.
	Phase string `json:"phase,omitempty"`
	// Generation, Restarts and Upload say of what content a transfer has stored
	// Done bytes.
	Generation int32  `json:"generation,omitempty"`
	Restarts   int32  `json:"restarts,omitempty"`
	Upload     string `json:"upload,omitempty"`
	Done       int64  `json:"done,omitempty"`
	// Members and Policy are those of a completion group, Group is that of a task.
	Members []string `json:"members,omitempty"`
	Policy  string   `json:"policy,omitempty"`
	Group   string   `json:"group,omitempty"`
	// Future tells that a later version has written to the record, and that what
	// it wrote is still in the envelope and in the body.
	Future bool `json:"future,omitempty"`
}

// recordHistory appends every write of the store to the file that
// GODWIT_HISTORY_FILE names. It panics when it cannot: a history with holes
// proves nothing.
func recordHistory(store storage.RecordStore, node string) storage.RecordStore {
	path := os.Getenv("GODWIT_HISTORY_FILE")
	if path == "" {
		return store
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(fmt.Errorf("open the history: %w", err))
	}
	return &recordedStore{RecordStore: store, node: node, life: ulid.Make().String(), file: file}
}

// recordedStore is a store whose writes are written down. The file stays open
// for as long as the process lives.
type recordedStore struct {
	storage.RecordStore
	node, life string
	attempts   atomic.Uint64

	mu   sync.Mutex // held while writing, so that lines stay whole
	file *os.File
}

func (s *recordedStore) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	w := s.begin("create", key, "", body)
	version, err := s.RecordStore.Create(ctx, key, body)
	s.end(w, version, err)
	return version, err
}

func (s *recordedStore) CompareAndSwap(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
	w := s.begin("cas", key, old, body)
	version, err := s.RecordStore.CompareAndSwap(ctx, key, body, old)
	s.end(w, version, err)
	return version, err
}

func (s *recordedStore) Delete(ctx context.Context, key string, old storage.Version) error {
	w := s.begin("delete", key, old, nil)
	err := s.RecordStore.Delete(ctx, key, old)
	s.end(w, "", err)
	return err
}

func (s *recordedStore) begin(op, key string, old storage.Version, body []byte) historyWrite {
	w := historyWrite{
		Node: s.node, Attempt: fmt.Sprintf("%s-%d", s.life, s.attempts.Add(1)),
		Op: op, Key: key, Old: string(old), Outcome: "begun",
	}
	w.describe(body)
	s.append(w)
	return w
}

func (s *recordedStore) end(w historyWrite, version storage.Version, err error) {
	w.New, w.Outcome, w.Kind = string(version), outcomeOf(err), string(storage.KindOf(err))
	s.append(w)
}

func (s *recordedStore) append(w historyWrite) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Time, w.Mono = time.Now(), monotonic()
	line, err := json.Marshal(w)
	if err == nil {
		_, err = s.file.Write(append(line, '\n'))
	}
	if err != nil {
		panic(fmt.Errorf("append to the history: %w", err))
	}
}

// describe reads the envelope, if the body is one.
func (w *historyWrite) describe(body []byte) {
	var env recordpb.Envelope
	if proto.Unmarshal(body, &env) != nil || env.Format == 0 || xxhash.Sum64(env.Body) != env.Checksum {
		return
	}
	w.WriteID, w.Epoch, w.Sequence = hex.EncodeToString(env.WriteId), env.Epoch, env.Sequence
	w.Future = strings.Count(string(body), "written by a later version") == 2
	w.Owner, w.Incarnation, w.Released = env.GetOwner().GetNode(), env.GetOwner().GetIncarnation(), env.GetOwner().GetReleased()
	switch {
	case strings.Contains(w.Key, "/t/"):
		w.describeTransfer(env.Body)
	case strings.Contains(w.Key, "/g/"):
		var g recordpb.CompletionGroup
		if proto.Unmarshal(env.Body, &g) == nil {
			w.Phase, w.Policy, w.Members = g.Phase, g.Policy, g.Members
		}
	case strings.Contains(w.Key, "/k/"):
		var k recordpb.Task
		if proto.Unmarshal(env.Body, &k) == nil {
			w.Phase, w.Group = k.Phase, k.CompletionGroup
		}
	}
}

func (w *historyWrite) describeTransfer(body []byte) {
	var t recordpb.Transfer
	if proto.Unmarshal(body, &t) != nil {
		return
	}
	g := t.GetGeneration()
	w.Phase, w.Restarts, w.Generation = t.Phase, t.Restarts, g.GetNumber()
	w.Upload = g.GetUpload().GetName() + g.GetUpload().GetId()
	for _, part := range g.GetParts() {
		w.Done += part.GetSize()
	}
}

// outcomeOf tells what is known of a write: whether it happened, that another
// one came before it, nothing, or that it did not happen.
func outcomeOf(err error) string {
	if err == nil {
		return "ok"
	}
	switch storage.KindOf(err) {
	case storage.ErrExists, storage.ErrMismatch, storage.ErrNotFound:
		return "lost"
	case storage.ErrUnavailable, storage.ErrDenied, storage.ErrFull, storage.ErrInvalid, storage.ErrUnsupported:
		return "error"
	}
	return "unknown"
}
