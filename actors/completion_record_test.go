package actors

import (
	"fmt"
	"strings"
	"testing"
	"time"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/task"
)

// openSealer seals nothing.
type openSealer struct{}

func (openSealer) Seal(_ string, plain []byte) ([]byte, error)  { return plain, nil }
func (openSealer) Open(_ string, sealed []byte) ([]byte, error) { return sealed, nil }

// TestLargestCompletionGroup writes a group of as many members as there may be,
// all of which have failed.
func TestLargestCompletionGroup(t *testing.T) {
	s := completion.State{
		Spec: completion.Spec{
			ID: "g", Policy: completion.AllFinished, Labels: map[string]string{"a": "b"}, AutoEnableAfter: time.Minute,
			Task: &task.Spec{Kind: task.Webhook, URL: "https://h/?secret", Secret: "whsec_x"},
		},
		Phase: completion.PhaseTriggered, Sealed: true, Members: map[string]transfer.Phase{}, TaskID: "task_g", Failed: completion.MaxMembers,
	}
	for i := range completion.MaxMembers {
		id := fmt.Sprintf("%s%06d", strings.Repeat("x", 22), i)
		s.Members[id] = transfer.PhaseFailed
		s.Unsuccessful = append(s.Unsuccessful, id)
	}
	b := &recordpb.CompletionGroup{}
	if err := encodeCompletion(b, &s, openSealer{}); err != nil {
		t.Fatal(err)
	}
	rec := &entityRecord{key: "k", envelope: &recordpb.Envelope{}}
	raw, _, err := rec.encode(b, &Config{Node: "n", Incarnation: "i"})
	if err != nil || len(raw) > storage.MaxRecordSize {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	got, err := decodeCompletion(b, openSealer{})
	if err != nil || len(got.Members) != len(s.Members) || len(got.Unsuccessful) != len(s.Unsuccessful) ||
		got.Unsuccessful[7] != s.Unsuccessful[7] || got.Spec.Task.URL != s.Spec.Task.URL {
		t.Fatalf("%d members, %d unsuccessful, %v", len(got.Members), len(got.Unsuccessful), err)
	}
}
