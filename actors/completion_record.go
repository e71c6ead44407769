package actors

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/task"
)

// encodeCompletion writes a state into a record body, leaving fields that this
// version does not know as they are.
func encodeCompletion(b *recordpb.CompletionGroup, s *completion.State, sealer Sealer) error {
	encodeOpenCompletion(b, s)
	if s.Spec.Task == nil {
		b.Sealed = nil
		return nil
	}
	if len(b.Sealed) > 0 {
		return nil // a task is never changed
	}
	var err error
	b.Sealed, err = sealTask(s.Spec.Task, address{kindCompletion, s.Spec.ID}.key(), sealer)
	return err
}

// encodeOpenCompletion is encodeCompletion without what is sealed.
func encodeOpenCompletion(b *recordpb.CompletionGroup, s *completion.State) {
	spec := &s.Spec
	b.Id, b.Phase, b.Policy, b.Quorum = spec.ID, string(s.Phase), string(spec.Policy), int32(spec.Quorum)
	b.Deadline, b.AutoEnable, b.StartOnEnable = stamp(spec.Deadline), stamp(s.AutoEnable), spec.StartOnEnable
	b.AutoEnableAfterMs = spec.AutoEnableAfter.Milliseconds()
	b.Labels, b.Parent = maps.Clone(spec.Labels), spec.Parent
	b.Adopting = slices.Clone(s.Adopting)
	b.Notifications = encodeNotifications(spec.Notifications)
	b.Members, b.Unsuccessful, b.SealedMembers = nil, nil, s.Sealed
	if s.Sealed {
		b.Members = slices.Sorted(maps.Keys(s.Members))
	}
	for _, id := range s.Unsuccessful {
		if i, found := slices.BinarySearch(b.Members, id); found {
			b.Unsuccessful = append(b.Unsuccessful, uint32(i))
		}
	}
	b.Completed, b.Failed, b.Canceled = int32(s.Completed), int32(s.Failed), int32(s.Canceled)
	b.Task = s.TaskID
	if t := spec.Task; t != nil {
		b.TaskKind, b.TaskTarget = string(t.Kind), t.Target()
	}
	b.Created, b.Enabled, b.Finished = stamp(s.Created), stamp(s.Enabled), stamp(s.Finished)
	b.Error = encodeError(s.Err)
}

// decodeCompletion is the inverse of encodeCompletion. How members ended is not
// in a record.
func decodeCompletion(b *recordpb.CompletionGroup, sealer Sealer) (completion.State, error) {
	s := decodeOpenCompletion(b)
	if len(b.GetSealed()) > 0 {
		spec, err := openTask(b.GetSealed(), address{kindCompletion, b.GetId()}.key(), sealer)
		if err != nil {
			return s, err
		}
		s.Spec.Task = spec
	}
	return s, nil
}

func decodeOpenCompletion(b *recordpb.CompletionGroup) completion.State {
	s := completion.State{
		Spec: completion.Spec{
			ID: b.GetId(), Policy: completion.Policy(b.GetPolicy()), Quorum: int(b.GetQuorum()), Deadline: fromStamp(b.GetDeadline()),
			AutoEnableAfter: time.Duration(b.GetAutoEnableAfterMs()) * time.Millisecond,
			StartOnEnable:   b.GetStartOnEnable(), Labels: maps.Clone(b.GetLabels()), Parent: b.GetParent(),
			Notifications: decodeNotifications(b.GetNotifications()),
		},
		Phase: completion.Phase(b.GetPhase()), AutoEnable: fromStamp(b.GetAutoEnable()), Adopting: slices.Clone(b.GetAdopting()),
		Members: map[string]transfer.Phase{}, Sealed: b.GetSealedMembers(),
		Completed: int(b.GetCompleted()), Failed: int(b.GetFailed()), Canceled: int(b.GetCanceled()),
		TaskID:  b.GetTask(),
		Created: fromStamp(b.GetCreated()), Enabled: fromStamp(b.GetEnabled()), Finished: fromStamp(b.GetFinished()),
		Err: decodeError(b.GetError()),
	}
	for _, id := range b.GetMembers() {
		s.Members[id] = ""
	}
	for _, i := range b.GetUnsuccessful() {
		if members := b.GetMembers(); int(i) < len(members) {
			s.Unsuccessful = append(s.Unsuccessful, members[i])
		}
	}
	if t := b.GetTaskKind(); t != "" {
		s.Spec.Task = openTaskSpec(t, b.GetTaskTarget())
	}
	return s
}

func sameCompletion(a, b *completion.Spec) bool {
	x, y := &recordpb.CompletionGroup{}, &recordpb.CompletionGroup{}
	encodeOpenCompletion(x, &completion.State{Spec: *a})
	encodeOpenCompletion(y, &completion.State{Spec: *b})
	return proto.Equal(x, y) && sameTask(a.Task, b.Task)
}

// sealTask encrypts what a task does; the key of its record binds it there.
func sealTask(t *task.Spec, key string, sealer Sealer) ([]byte, error) {
	plain, err := proto.Marshal(encodeTaskSpec(t))
	if err != nil {
		return nil, fmt.Errorf("encode the task of %s: %w", key, err)
	}
	return sealer.Seal(key, plain)
}

func openTask(sealed []byte, key string, sealer Sealer) (*task.Spec, error) {
	plain, err := sealer.Open(key, sealed)
	if err != nil {
		return nil, fmt.Errorf("open the task of %s: do all nodes have the same secrets key? %w", key, err)
	}
	b := &recordpb.TaskSpec{}
	if err := proto.Unmarshal(plain, b); err != nil {
		return nil, errors.New("the task of " + key + " is not readable")
	}
	return decodeTaskSpec(b), nil
}

func encodeTaskSpec(t *task.Spec) *recordpb.TaskSpec {
	out := &recordpb.TaskSpec{
		Kind: string(t.Kind), Url: t.URL, Secret: t.Secret, Command: t.Command,
		Text: t.Text, Channel: t.Channel, Tag: t.Tag, Expires: stamp(t.Expires),
	}
	if t.Template != nil {
		out.Template, out.TemplateSecret = encodeSpec(nil, t.Template), secretOfSpec(t.Template)
	}
	return out
}

func decodeTaskSpec(b *recordpb.TaskSpec) *task.Spec {
	out := &task.Spec{
		Kind: task.Kind(b.GetKind()), URL: b.GetUrl(), Secret: b.GetSecret(), Command: b.GetCommand(),
		Text: b.GetText(), Channel: b.GetChannel(), Tag: b.GetTag(), Expires: fromStamp(b.GetExpires()),
	}
	if b.GetTemplate() != nil {
		spec := decodeSpec(b.GetTemplate(), b.GetTemplateSecret())
		out.Template = &spec
	}
	return out
}

func sameTask(a, b *task.Spec) bool {
	if a == nil || b == nil {
		return a == b
	}
	if withoutSecret(a) {
		given := *a
		given.Secret = b.Secret
		a = &given
	}
	return proto.Equal(encodeTaskSpec(a), encodeTaskSpec(b))
}

// openTaskSpec is a task as far as it may be shown.
func openTaskSpec(kind, target string) *task.Spec {
	t := &task.Spec{Kind: task.Kind(kind)}
	switch t.Kind {
	case task.Webhook:
		t.URL = target
	case task.Exec:
		t.Command = target
	case task.Notification:
		t.Channel = target
	}
	return t
}
