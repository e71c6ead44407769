package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"
	"time"

	"godwit/actors"
	"godwit/transfer"
)

// fakeEngine keeps transfers in memory and moves them with the real Apply, so
// that commands are refused as in the real system. Nothing is ever fetched.
type fakeEngine struct {
	mu    sync.Mutex
	snaps map[string]actors.Snapshot
	// changes carries what watches deliver.
	changes chan actors.Snapshot
	result  []byte
	// err, when set, is what every call fails with.
	err error
	// creates counts the calls of Create.
	creates int
	// spools counts what was spooled in full.
	spools int
}

func newFake() *fakeEngine {
	return &fakeEngine{snaps: make(map[string]actors.Snapshot), changes: make(chan actors.Snapshot, 16)}
}

var fakeEpoch = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

func (f *fakeEngine) Create(_ context.Context, spec transfer.Spec, start bool) (actors.Snapshot, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.creates++
	if f.err != nil {
		return actors.Snapshot{}, false, f.err
	}
	if old, ok := f.snaps[spec.ID]; ok {
		if !reflect.DeepEqual(old.State.Spec, spec) {
			return actors.Snapshot{}, false, &transfer.Error{Code: transfer.CodeIDConflict, Op: "create", Subject: spec.ID, Field: "id"}
		}
		return old, false, nil
	}
	st := transfer.State{Spec: spec, Phase: transfer.PhaseIdle, Created: fakeEpoch.Add(time.Duration(len(f.snaps)) * time.Second)}
	st.Updated = st.Created
	snap := actors.Snapshot{State: st, Node: "n1", Epoch: 1, ETag: "v1"}
	if start {
		snap.State, _, _ = transfer.Apply(st, transfer.Start{}, transfer.Context{Now: fakeEpoch})
	}
	f.snaps[spec.ID] = snap
	return snap, true, nil
}

func (f *fakeEngine) Command(ctx context.Context, id string, ev transfer.Event, etag string) (actors.Snapshot, error) {
	snap, err := f.Get(ctx, id)
	if err != nil {
		return snap, err
	}
	if etag != "" && etag != snap.ETag {
		return actors.Snapshot{}, &transfer.Error{Code: transfer.CodeStale, Op: "update", Subject: id}
	}
	st, _, e := transfer.Apply(snap.State, ev, transfer.Context{Now: fakeEpoch})
	if e != nil {
		return actors.Snapshot{}, e
	}
	if _, deleted := ev.(transfer.Purge); deleted {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.snaps, id)
		return snap, nil
	}
	snap.State = st
	snap.ETag += "+"
	f.mu.Lock()
	f.snaps[id] = snap
	f.mu.Unlock()
	return snap, nil
}

func (f *fakeEngine) Get(_ context.Context, id string) (actors.Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return actors.Snapshot{}, f.err
	}
	snap, ok := f.snaps[id]
	if !ok {
		return actors.Snapshot{}, &transfer.Error{Code: transfer.CodeNotFound, Op: "find transfer", Subject: id}
	}
	return snap, nil
}

func (f *fakeEngine) List(_ context.Context, q actors.Query) (actors.Page, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []actors.Snapshot
	for _, s := range f.snaps {
		after := s.State.Created.After(q.After.Created) ||
			s.State.Created.Equal(q.After.Created) && s.State.Spec.ID > q.After.ID
		acknowledged := q.Unacknowledged && !s.State.Acknowledged.IsZero()
		other := q.Group != "" && q.Group != s.State.Spec.Group || q.CompletionGroup != "" && q.CompletionGroup != s.State.Spec.CompletionGroup
		if after && !acknowledged && !other && (len(q.Statuses) == 0 || slices.Contains(q.Statuses, s.State.Phase.Status())) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b actors.Snapshot) int { return a.State.Created.Compare(b.State.Created) })
	page := actors.Page{Transfers: all}
	if len(all) > q.Limit {
		page.Transfers = all[:q.Limit]
		last := page.Transfers[q.Limit-1].State
		page.Next = &actors.Cursor{Created: last.Created, ID: last.Spec.ID}
	}
	return page, f.err
}

func (f *fakeEngine) Explain(ctx context.Context, id string) (actors.Snapshot, []string, error) {
	snap, err := f.Get(ctx, id)
	return snap, []string{"It waits for a slot."}, err
}

func (f *fakeEngine) Open(_ context.Context, id string, offset int64) (io.ReadCloser, error) {
	if offset > int64(len(f.result)) {
		return nil, &transfer.Error{Code: transfer.CodeNoResult, Op: "read", Subject: id}
	}
	return io.NopCloser(bytes.NewReader(f.result[offset:])), f.err
}

func (f *fakeEngine) Watch(context.Context, []string) Watch { return fakeWatch{f} }

type fakeWatch struct{ f *fakeEngine }

func (fakeWatch) Close() {}

func (w fakeWatch) Next(ctx context.Context) (actors.Snapshot, error) {
	select {
	case snap, ok := <-w.f.changes:
		if !ok {
			return snap, io.EOF
		}
		return snap, nil
	case <-ctx.Done():
		return actors.Snapshot{}, fmt.Errorf("watch: %w", ctx.Err())
	}
}
