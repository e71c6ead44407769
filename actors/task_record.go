package actors

import (
	"slices"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer/task"
)

// encodeTask writes a state into a record body, leaving fields that this version
// does not know as they are.
func encodeTask(b *recordpb.Task, s *task.State, sealer Sealer) error {
	encodeOpenTask(b, s)
	if len(b.Sealed) > 0 && s.Spec.Expires.IsZero() == (b.Expires == nil) {
		return nil // what a task does is never changed
	}
	b.Expires = stamp(s.Spec.Expires)
	var err error
	b.Sealed, err = sealTask(&s.Spec, address{kindTask, s.ID}.key(), sealer)
	return err
}

// encodeOpenTask is encodeTask without what is sealed.
func encodeOpenTask(b *recordpb.Task, s *task.State) {
	b.Id, b.Phase, b.Kind, b.Target = s.ID, string(s.Phase), string(s.Spec.Kind), s.Spec.Target()
	b.CompletionGroup, b.Transfer = s.CompletionGroup, s.Transfer
	b.Attempts, b.Planned = int32(s.Attempts), int32(s.Planned)
	b.History = make([]*recordpb.TaskAttempt, len(s.History))
	for i, a := range s.History {
		b.History[i] = &recordpb.TaskAttempt{
			Start: stamp(a.Start), End: stamp(a.End), Node: a.Node, Status: int32(a.Status), Output: a.Output, Error: encodeError(a.Err),
		}
		if exit := int32(a.Exit); a.HasExit {
			b.History[i].ExitCode = &exit
		}
	}
	b.NotBefore = stamp(s.NotBefore)
	b.Created, b.Updated, b.Finished = stamp(s.Created), stamp(s.Updated), stamp(s.Finished)
	b.Error = encodeError(s.Err)
	b.Submitted = slices.Clone(s.Submitted)
}

// decodeTask is the inverse of encodeTask.
func decodeTask(b *recordpb.Task, sealer Sealer) (task.State, error) {
	s := decodeOpenTask(b)
	spec, err := openTask(b.GetSealed(), address{kindTask, b.GetId()}.key(), sealer)
	if err != nil {
		return s, err
	}
	s.Spec = *spec
	return s, nil
}

func decodeOpenTask(b *recordpb.Task) task.State {
	s := task.State{
		ID: b.GetId(), Spec: *openTaskSpec(b.GetKind(), b.GetTarget()), Phase: task.Phase(b.GetPhase()),
		CompletionGroup: b.GetCompletionGroup(), Transfer: b.GetTransfer(),
		Attempts: int(b.GetAttempts()), Planned: int(b.GetPlanned()),
		NotBefore: fromStamp(b.GetNotBefore()), Created: fromStamp(b.GetCreated()), Updated: fromStamp(b.GetUpdated()), Finished: fromStamp(b.GetFinished()),
		Err: decodeError(b.GetError()), Submitted: slices.Clone(b.GetSubmitted()),
	}
	for _, a := range b.GetHistory() {
		s.History = append(s.History, task.Attempt{
			Start: fromStamp(a.GetStart()), End: fromStamp(a.GetEnd()), Node: a.GetNode(), Status: int(a.GetStatus()),
			Exit: int(a.GetExitCode()), HasExit: a.ExitCode != nil, Output: a.GetOutput(), Err: decodeError(a.GetError()),
		})
	}
	return s
}
