package actors

import (
	"context"
	"io"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"godwit/actors/feed"
	"godwit/transfer"
)

// parallelReads is how many records one list reads at a time.
const parallelReads = 16

// sameSpec tells that two specs ask for the same, whatever their unset fields
// look like in memory.
func sameSpec(a, b *transfer.Spec) bool {
	return proto.Equal(encodeSpec(nil, a), encodeSpec(nil, b)) && proto.Equal(secretOfSpec(a), secretOfSpec(b))
}

// listHere returns the page of those transfers that this node has.
func (s *System) listHere(ctx context.Context, q Query) (part, error) {
	var out part
	for {
		answer, err := s.ask(ctx, s.deps.manager, &listRequest{query: q})
		if err != nil {
			return part{}, err
		}
		listed, ok := answer.(*listResult)
		if !ok {
			return part{}, transfer.Errorf(transfer.CodeInternal, "an answer of type %T", answer)
		}
		entries := listed.entries
		more := len(entries) > q.Limit
		entries = entries[:min(len(entries), q.Limit)]
		snaps, err := s.getAll(ctx, entries)
		if err != nil {
			return part{}, err
		}
		out.shards = listed.shards
		for i, snap := range snaps {
			if snap == nil || !matchesLabels(snap.State.Spec.Labels, q.Labels) {
				continue
			}
			out.snapshots = append(out.snapshots, *snap)
			if len(out.snapshots) == q.Limit && (more || i < len(snaps)-1) {
				out.more = true
				return out, nil
			}
		}
		if !more {
			return out, nil
		}
		last := entries[len(entries)-1]
		q.After = Cursor{Created: last.created, ID: last.id}
	}
}

// getAll reads the entries' transfers; one that is gone meanwhile is nil.
func (s *System) getAll(ctx context.Context, entries []entry) ([]*Snapshot, error) {
	out := make([]*Snapshot, len(entries))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for i, e := range entries {
		group.Go(func() error {
			res := s.local(ctx, &getRequest{id: e.id})
			switch {
			case res.err == nil:
				out[i] = &res.snapshot
			case res.err.Code != transfer.CodeNotFound:
				return res.err
			}
			return nil
		})
	}
	return out, group.Wait()
}

func matchesLabels(have, want map[string]string) bool {
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return true
}

// explainRequest asks for a transfer and why it does not run.
type explainRequest struct{ id string }

func (r *explainRequest) transferID() string { return r.id }

// Explain says why a transfer does not run, the binding constraint first.
func (s *System) Explain(ctx context.Context, id string) (Snapshot, []string, error) {
	res, err := s.request(ctx, &explainRequest{id: id})
	if err != nil {
		return Snapshot{}, nil, err
	}
	return res.snapshot, res.reasons, nil
}

// explainHere explains a transfer of this node.
func (s *System) explainHere(ctx context.Context, id string) *result {
	res := s.local(ctx, &getRequest{id: id})
	if res.err != nil {
		return res
	}
	waiting := ""
	switch state := &res.snapshot.State; {
	case state.Phase.Terminal():
	case res.snapshot.Node != s.deps.cfg.Node:
		waiting = "node " + res.snapshot.Node + " had it and has neither released it nor been proven to have ended; its lease must run out first"
	case state.Phase == transfer.PhaseQueued:
		answer, err := s.ask(ctx, s.deps.slots, &getRequest{id: id})
		if err != nil {
			return &result{err: asTransferError(err)}
		}
		if why, ok := answer.(*result); ok && len(why.reasons) > 0 {
			waiting = why.reasons[0]
		}
		if waiting == "" && state.Spec.Group != "" {
			waiting = "it waits for its turn in the transfer group " + state.Spec.Group
		}
	}
	return &result{snapshot: res.snapshot, reasons: reasons(&res.snapshot.State, waiting)}
}

func reasons(s *transfer.State, waiting string) []string {
	var out []string
	if waiting != "" && s.Phase != transfer.PhaseQueued {
		out = append(out, waiting)
	}
	switch s.Phase {
	case transfer.PhaseIdle:
		out = append(out, "it was created without being started; start it")
	case transfer.PhaseQueued:
		if waiting == "" {
			waiting = "it is about to run"
		}
		out = append(out, waiting)
	case transfer.PhasePaused:
		for _, p := range s.Pauses {
			out = append(out, pauseWords[p])
		}
		if at := s.AttentionDeadline; !at.IsZero() {
			out = append(out, "it fails at "+at.UTC().Format(time.RFC3339)+" unless somebody attends to it")
		}
	case transfer.PhaseRunning:
		if s.Spec.Direction == transfer.Upload {
			out = append(out, sending(s))
		} else {
			out = append(out, "it is running")
		}
	case transfer.PhaseVerifying:
		out = append(out, "it is running: every byte is there and the digest is being computed")
	case transfer.PhaseCompleting:
		out = append(out, "it is running: the result is being published")
	case transfer.PhaseCompleted:
		out = append(out, "it has completed")
	case transfer.PhaseCanceled:
		out = append(out, "it was canceled")
	case transfer.PhaseFailed:
		out = append(out, failedFor(s.Err))
	}
	if s.Err != nil && s.Phase != transfer.PhaseCompleted {
		out = append(out, "last failure: "+s.Err.Error())
	}
	return out
}

// failedFor says what a failed transfer needs.
func failedFor(e *transfer.Error) string {
	if e != nil && e.Code == transfer.CodeMaybeDuplicate {
		return "it has failed; look whether the upload arrived: a retry sends it again"
	}
	return "it has failed; retry it once the cause is gone"
}

var pauseWords = map[transfer.PauseReason]string{
	transfer.PauseApplication:      "it was paused by a user; resume it",
	transfer.PauseCostedNetwork:    "its cost policy does not allow the network at hand",
	transfer.PauseNoNetwork:        "there is no network; it looks again by itself",
	transfer.PauseRecoverableError: "it met a declared recoverable error; mend the cause and resume it",
	transfer.PauseSystemPolicy:     "the node is short of resources",
}

// lookAgainEvery bounds how long a watcher may go without what happened while
// nobody told it: the messages between nodes are hints.
const lookAgainEvery = 5 * time.Second

// Watch delivers transfers as they are and whenever they change, whichever
// node runs them.
type Watch struct {
	system *System
	reader *feed.Reader[Snapshot]
	// first are the ids whose present state is still to be delivered.
	first []string
	// open are those that are not terminal yet; nil when all are watched.
	open map[string]struct{}
	all  bool
	list []Snapshot
	next *Cursor
	// seen is when what was last delivered of each transfer was taken: what comes
	// from several sides may come late. Of all transfers only those that have not
	// ended are remembered.
	seen map[string]moment
	// again tells that something may have been missed.
	again chan struct{}
	timer *time.Ticker
}

// Watch follows the named transfers, or all if there are none, without an end.
// It must be closed.
func (s *System) Watch(_ context.Context, ids []string) *Watch {
	w := &Watch{
		system: s, reader: s.mirror.all.Subscribe(ids...), first: ids, all: len(ids) == 0, next: &Cursor{},
		again: make(chan struct{}, 1), seen: map[string]moment{}, timer: time.NewTicker(lookAgainEvery),
	}
	if !w.all {
		w.open = make(map[string]struct{}, len(ids))
		for _, id := range ids {
			w.open[id] = struct{}{}
		}
	}
	if w.all || s.deps.cfg.Peers == nil {
		w.timer.Stop()
	}
	if s.deps.cfg.Peers == nil {
		// Everything that happens is told to the reader.
		return w
	}
	s.mirror.join(w)
	return w
}

// Next waits for the next snapshot. It returns io.EOF when all the named
// transfers are terminal and were delivered as such.
func (w *Watch) Next(ctx context.Context) (Snapshot, error) {
	for {
		snap, again, err := w.once(ctx)
		switch {
		case err != nil:
			return Snapshot{}, err
		case again:
			w.lookAgain()
		case w.saw(&snap):
			return snap, nil
		}
	}
}

// once waits for a snapshot, or until everything must be looked at again.
func (w *Watch) once(ctx context.Context) (snap Snapshot, again bool, err error) {
	if len(w.first) > 0 {
		id := w.first[0]
		w.first = w.first[1:]
		snap, err := w.system.Get(ctx, id)
		return snap, false, err
	}
	if w.all {
		if snap, ok, err := w.present(ctx); ok || err != nil {
			return snap, false, err
		}
	} else if len(w.open) == 0 {
		return Snapshot{}, false, io.EOF
	}
	for {
		if snap, ok := w.reader.Poll(); ok {
			return snap, false, nil
		}
		select {
		case <-w.reader.Ready():
		case <-w.again:
			return Snapshot{}, true, nil
		case <-w.timer.C:
			return Snapshot{}, true, nil
		case <-ctx.Done():
			return Snapshot{}, false, asTransferError(context.Cause(ctx))
		}
	}
}

// lookAgain reads what is watched once more. What has ended was delivered.
func (w *Watch) lookAgain() {
	if w.all {
		w.list, w.next = nil, &Cursor{}
		return
	}
	w.first = slices.Sorted(maps.Keys(w.open))
}

// present delivers what exists at the start, page by page.
func (w *Watch) present(ctx context.Context) (Snapshot, bool, error) {
	for len(w.list) == 0 {
		if w.next == nil {
			return Snapshot{}, false, nil
		}
		page, err := w.system.List(ctx, Query{After: *w.next, Limit: 100})
		if err != nil {
			return Snapshot{}, false, err
		}
		w.list, w.next = page.Transfers, page.Next
	}
	snap := w.list[0]
	w.list = w.list[1:]
	return snap, true, nil
}

// saw takes note of a snapshot, and tells whether it is news.
func (w *Watch) saw(snap *Snapshot) bool {
	id, now := snap.State.Spec.ID, snap.moment()
	if last, ok := w.seen[id]; ok && now.before(last) {
		return false
	}
	w.seen[id] = now
	if snap.State.Phase.Terminal() {
		delete(w.open, id)
		if w.all {
			delete(w.seen, id)
		}
	}
	return true
}

// Close ends the watch.
func (w *Watch) Close() {
	w.timer.Stop()
	w.reader.Close()
	w.system.mirror.leave(w)
}
