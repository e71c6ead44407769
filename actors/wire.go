package actors

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	clusterpb "godwit/protos/godwit/cluster/v1"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
)

// Between nodes a transfer travels in the form of its record: secrets are
// sealed under the key that all nodes have, and never part of what is shown.

// sealTransfer is the form in which a new transfer travels to its owner.
func sealTransfer(s *transfer.State, sealer Sealer) (*recordpb.Transfer, error) {
	out := &recordpb.Transfer{}
	encodeState(out, s)
	var err error
	out.Sealed, err = sealSecret(secretOf(s), s.Spec.ID, sealer)
	return out, err
}

// openTransfer is the inverse of sealTransfer.
func openTransfer(t *recordpb.Transfer, sealer Sealer) (transfer.State, error) {
	if t.GetId() == "" {
		return transfer.State{}, errors.New("the request names no transfer")
	}
	secret, err := openSecret(t.GetSealed(), t.GetId(), sealer)
	if err != nil {
		return transfer.State{}, err
	}
	return decodeState(t, secret), nil
}

func sealSecret(secret *recordpb.Secret, id string, sealer Sealer) ([]byte, error) {
	plain, err := proto.Marshal(secret)
	if err != nil {
		return nil, fmt.Errorf("encode secrets of %s: %w", id, err)
	}
	return sealer.Seal(transferKey(id), plain)
}

func openSecret(sealed []byte, id string, sealer Sealer) (*recordpb.Secret, error) {
	plain, err := sealer.Open(transferKey(id), sealed)
	if err != nil {
		return nil, fmt.Errorf("open secrets of %s: do all nodes have the same secrets key? %w", id, err)
	}
	secret := &recordpb.Secret{}
	if err := proto.Unmarshal(plain, secret); err != nil {
		return nil, fmt.Errorf("open secrets of %s: not readable", id)
	}
	return secret, nil
}

// wireCommand is the form of a command.
func wireCommand(r *commandRequest, sealer Sealer) (*clusterpb.CommandCall, error) {
	c := &clusterpb.CommandCall{Id: r.id, Etag: r.etag}
	switch ev := r.event.(type) {
	case transfer.Start:
		c.Command = &clusterpb.CommandCall_Start{Start: &clusterpb.Start{}}
	case transfer.Pause:
		c.Command = &clusterpb.CommandCall_Pause{Pause: &clusterpb.Pause{}}
	case transfer.Resume:
		c.Command = &clusterpb.CommandCall_Resume{Resume: &clusterpb.Resume{}}
	case transfer.Acknowledge:
		c.Command = &clusterpb.CommandCall_Acknowledge{Acknowledge: &clusterpb.Acknowledge{}}
	case transfer.Purge:
		c.Command = &clusterpb.CommandCall_Delete{Delete: &clusterpb.Delete{}}
	case transfer.Retry:
		c.Command = &clusterpb.CommandCall_Retry{Retry: &clusterpb.Retry{}}
	case transfer.Cancel:
		c.Command = &clusterpb.CommandCall_Cancel{Cancel: &clusterpb.Cancel{By: ev.By, Reason: ev.Reason}}
	case transfer.Update:
		update, err := wireUpdate(r.id, &ev, sealer)
		if err != nil {
			return nil, err
		}
		c.Command = &clusterpb.CommandCall_Update{Update: update}
	default:
		return nil, fmt.Errorf("%T is no command", r.event)
	}
	return c, nil
}

func wireUpdate(id string, ev *transfer.Update, sealer Sealer) (*clusterpb.Update, error) {
	u := &clusterpb.Update{
		HasSource: ev.Source != nil, HasHeaders: ev.Headers != nil,
		SetHeaders: len(ev.SetHeaders) > 0, AppendHeaders: len(ev.AppendHeaders) > 0, RemoveHeaders: ev.RemoveHeaders,
		Priority: (*string)(ev.Priority), Cost: (*string)(ev.Cost), RateLimit: ev.RateLimit,
		Group: ev.Group, CompletionGroup: ev.CompletionGroup,
	}
	secret := &recordpb.Secret{Headers: encodeHeaders(ev.SetHeaders)}
	if ev.Source != nil {
		secret.Source = *ev.Source
	}
	if ev.Headers != nil {
		secret.Headers = encodeHeaders(*ev.Headers)
	}
	var err error
	if u.Sealed, err = sealSecret(secret, id, sealer); err != nil || !u.AppendHeaders {
		return u, err
	}
	u.SealedAppend, err = sealSecret(&recordpb.Secret{Headers: encodeHeaders(ev.AppendHeaders)}, id, sealer)
	return u, err
}

// commandEvent is the inverse of wireCommand.
func commandEvent(c *clusterpb.CommandCall, sealer Sealer) (transfer.Event, error) {
	switch cmd := c.GetCommand().(type) {
	case *clusterpb.CommandCall_Start:
		return transfer.Start{}, nil
	case *clusterpb.CommandCall_Pause:
		return transfer.Pause{}, nil
	case *clusterpb.CommandCall_Resume:
		return transfer.Resume{}, nil
	case *clusterpb.CommandCall_Acknowledge:
		return transfer.Acknowledge{}, nil
	case *clusterpb.CommandCall_Delete:
		return transfer.Purge{}, nil
	case *clusterpb.CommandCall_Retry:
		return transfer.Retry{}, nil
	case *clusterpb.CommandCall_Cancel:
		return transfer.Cancel{By: cmd.Cancel.GetBy(), Reason: cmd.Cancel.GetReason()}, nil
	case *clusterpb.CommandCall_Update:
		return updateEvent(c.GetId(), cmd.Update, sealer)
	}
	return nil, errors.New("this version does not know the command")
}

func updateEvent(id string, u *clusterpb.Update, sealer Sealer) (transfer.Event, error) {
	secret, err := openSecret(u.GetSealed(), id, sealer)
	if err != nil {
		return nil, err
	}
	ev := transfer.Update{
		Priority: (*transfer.Priority)(u.Priority), Cost: (*transfer.CostPolicy)(u.Cost), RateLimit: u.RateLimit,
		Group: u.Group, CompletionGroup: u.CompletionGroup,
		RemoveHeaders: u.GetRemoveHeaders(),
	}
	if u.GetHasSource() {
		ev.Source = &secret.Source
	}
	switch headers := decodeHeaders(secret.GetHeaders()); {
	case u.GetHasHeaders():
		ev.Headers = &headers
	case u.GetSetHeaders():
		ev.SetHeaders = headers
	}
	if u.GetAppendHeaders() {
		more, err := openSecret(u.GetSealedAppend(), id, sealer)
		if err != nil {
			return nil, err
		}
		ev.AppendHeaders = decodeHeaders(more.GetHeaders())
	}
	return ev, nil
}

// wireSnapshot is what users may see of a transfer. What of an upload is sealed
// even so includes the answer of its far side, if that is wanted.
func wireSnapshot(s *Snapshot, sealer Sealer, answer bool) *clusterpb.Snapshot {
	state := s.State
	ranges := state.Gen.Ledger.Ranges()
	state.Gen.Ledger, state.Gen.Hashed = transfer.Ledger{}, nil
	out := &clusterpb.Snapshot{
		Transfer: &recordpb.Transfer{}, Source: shownURL(state.Spec.Source),
		Node: s.Node, Epoch: s.Epoch, Sequence: s.Sequence, Etag: s.ETag, InFlight: s.InFlight, OnWire: s.OnWire,
	}
	if url := state.Spec.Resolver.URL; url != "" {
		out.Resolver = transfer.RedactURL(url)
	}
	encodeState(out.Transfer, &state)
	if state.Spec.Direction == transfer.Upload {
		// One that cannot be sealed is shown without it.
		out.Transfer.Sealed, _ = sealSecret(shownSecret(&state, answer), state.Spec.ID, sealer)
	}
	for _, m := range state.Spec.Mirrors {
		out.Mirrors = append(out.Mirrors, transfer.RedactURL(m))
	}
	for _, r := range ranges {
		out.Ranges = append(out.Ranges, &clusterpb.Range{Offset: r.Offset, Length: r.Length})
	}
	return out
}

// snapshotFrom is the inverse of wireSnapshot, as far as there is one: each
// range stands as one part.
func snapshotFrom(w *clusterpb.Snapshot, sealer Sealer) Snapshot {
	secret := &recordpb.Secret{}
	if sealed := w.GetTransfer().GetSealed(); len(sealed) > 0 {
		if opened, err := openSecret(sealed, w.GetTransfer().GetId(), sealer); err == nil {
			secret = opened
		}
	}
	secret.Source, secret.Mirrors, secret.ResolverUrl = w.GetSource(), w.GetMirrors(), w.GetResolver()
	out := Snapshot{
		State: decodeState(w.GetTransfer(), secret),
		Node:  w.GetNode(), Epoch: w.GetEpoch(), Sequence: w.GetSequence(), ETag: w.GetEtag(), InFlight: w.GetInFlight(), OnWire: w.GetOnWire(),
	}
	for i, r := range w.GetRanges() {
		out.State.Gen.Ledger.Add(transfer.Part{Number: i + 1, Offset: r.GetOffset(), Size: r.GetLength()})
	}
	return out
}

func wireResult(r *result, sealer Sealer) *clusterpb.Result {
	out := &clusterpb.Result{Created: r.created, Reasons: r.reasons, Holder: r.holder}
	if r.err != nil {
		out.Error = encodeError(r.err)
		out.Elsewhere = errors.Is(r.err, errElsewhere)
		return out
	}
	out.Snapshot = wireSnapshot(&r.snapshot, sealer, true)
	return out
}

func resultFrom(w *clusterpb.Result, sealer Sealer) *result {
	out := &result{created: w.GetCreated(), reasons: w.GetReasons(), holder: w.GetHolder()}
	switch err := decodeError(w.GetError()); {
	case err == nil:
		out.snapshot = snapshotFrom(w.GetSnapshot(), sealer)
	case w.GetElsewhere():
		err.Err = errElsewhere
		out.err = err
	default:
		out.err = err
	}
	return out
}
