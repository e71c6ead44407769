package api

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"godwit/actors"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/group"
	"godwit/transfer/task"
)

// fakeSets keeps groups and tasks in memory. Members are only counted and
// nothing ever fires.
type fakeSets struct {
	mu          sync.Mutex
	completions map[string]actors.Completion
	groups      map[string]actors.Group
	tasks       map[string]actors.Task
	// moves are those that arrived, creates counts the specs.
	moves   []group.Move
	creates int
}

func newFakeSets() *fakeSets {
	return &fakeSets{completions: map[string]actors.Completion{}, groups: map[string]actors.Group{}, tasks: map[string]actors.Task{}}
}

func (f *fakeSets) CreateCompletion(_ context.Context, spec completion.Spec) (actors.Completion, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.creates++
	unsigned := spec.Task != nil && spec.Task.Kind == task.Webhook && spec.Task.Secret == ""
	old, there := f.completions[spec.ID]
	switch {
	case !there && unsigned:
		return actors.Completion{}, false, &transfer.Error{Code: transfer.CodeCompletionNotFound, Subject: spec.ID}
	case !there:
		c := actors.Completion{
			State: completion.State{Spec: spec, Phase: completion.PhaseOpen, Created: fakeEpoch}, ETag: "v1",
		}
		f.completions[spec.ID] = c
		return c, true, nil
	}
	was := old.State.Spec
	if unsigned {
		signed := *spec.Task
		signed.Secret = was.Task.Secret
		spec.Task = &signed
	}
	if !reflect.DeepEqual(was, spec) {
		return actors.Completion{}, false, &transfer.Error{Code: transfer.CodeIDConflict, Subject: spec.ID, Field: "id"}
	}
	return old, false, nil
}

func (f *fakeSets) changeCompletion(id string, with func(*actors.Completion) *transfer.Error) (actors.Completion, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, there := f.completions[id]
	if !there {
		return c, &transfer.Error{Code: transfer.CodeCompletionNotFound, Op: "find completion group", Subject: id}
	}
	if e := with(&c); e != nil {
		return actors.Completion{}, e
	}
	f.completions[id] = c
	return c, nil
}

func (f *fakeSets) Completion(_ context.Context, id string) (actors.Completion, error) {
	return f.changeCompletion(id, func(*actors.Completion) *transfer.Error { return nil })
}

func (f *fakeSets) Completions(_ context.Context, after string, limit int) ([]actors.Completion, bool, error) {
	return pageOf(f, f.completions, after, limit)
}

func (f *fakeSets) EnableCompletion(_ context.Context, id string) (actors.Completion, error) {
	return f.changeCompletion(id, func(c *actors.Completion) *transfer.Error {
		c.State.Phase = completion.PhaseEnabled
		return nil
	})
}

func (f *fakeSets) AddToCompletion(_ context.Context, id string, transfers []string) (actors.Completion, error) {
	return f.changeCompletion(id, func(c *actors.Completion) *transfer.Error {
		if c.State.Phase != completion.PhaseOpen {
			return &transfer.Error{Code: transfer.CodeCompletionEnabled, Subject: id}
		}
		for _, member := range transfers {
			if member == "none" {
				return &transfer.Error{Code: transfer.CodeNotFound, Op: "find transfer", Subject: member, Field: "transfers"}
			}
			if !slices.Contains(c.WaitingOn, member) {
				c.WaitingOn = append(c.WaitingOn, member)
			}
		}
		c.Total = len(c.WaitingOn)
		return nil
	})
}

func (f *fakeSets) RetryCompletion(_ context.Context, id string) (actors.Completion, error) {
	return f.changeCompletion(id, func(c *actors.Completion) *transfer.Error {
		if !c.State.Phase.Ended() {
			return &transfer.Error{Code: transfer.CodeState, Subject: id}
		}
		c.State.Spec.Parent = id
		return nil
	})
}

func (f *fakeSets) DeleteCompletion(ctx context.Context, id string) error {
	_, err := f.Completion(ctx, id)
	delete(f.completions, id)
	return err
}

func (f *fakeSets) CreateGroup(_ context.Context, spec group.Spec) (actors.Group, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.creates++
	if old, there := f.groups[spec.Name]; there {
		if !reflect.DeepEqual(old.State.Spec, spec) {
			return actors.Group{}, false, &transfer.Error{Code: transfer.CodeIDConflict, Subject: spec.Name, Field: "name"}
		}
		return old, false, nil
	}
	g := actors.Group{State: group.State{Spec: spec, Created: fakeEpoch, Updated: fakeEpoch}, ETag: "v1"}
	f.groups[spec.Name] = g
	return g, true, nil
}

func (f *fakeSets) ChangeGroup(_ context.Context, name string, change group.Change, etag string) (actors.Group, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g, there := f.groups[name]
	switch {
	case !there:
		return g, &transfer.Error{Code: transfer.CodeGroupNotFound, Op: "find group", Subject: name}
	case etag != "" && etag != g.ETag:
		return g, &transfer.Error{Code: transfer.CodeStale, Op: "update", Subject: name}
	}
	spec := &g.State.Spec
	set(&spec.Behavior, change.Behavior)
	set(&spec.Limit, change.Limit)
	set(&spec.StrictOrder, change.StrictOrder)
	set(&g.State.Paused, change.Paused)
	if change.Move != nil {
		f.moves = append(f.moves, *change.Move)
	}
	if change != (group.Change{}) {
		g.ETag += "+"
		g.State.Updated = g.State.Updated.Add(time.Second)
	}
	f.groups[name] = g
	return g, nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (f *fakeSets) Group(ctx context.Context, name string) (actors.Group, error) {
	return f.ChangeGroup(ctx, name, group.Change{}, "")
}

func (f *fakeSets) Groups(_ context.Context, after string, limit int) ([]actors.Group, bool, error) {
	return pageOf(f, f.groups, after, limit)
}

func (f *fakeSets) DeleteGroup(ctx context.Context, name string) error {
	_, err := f.Group(ctx, name)
	delete(f.groups, name)
	return err
}

func (f *fakeSets) Task(_ context.Context, id string) (actors.Task, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, there := f.tasks[id]
	if !there {
		return t, &transfer.Error{Code: transfer.CodeTaskNotFound, Op: "find task", Subject: id}
	}
	return t, nil
}

func (f *fakeSets) Tasks(_ context.Context, after string, limit int) ([]actors.Task, bool, error) {
	return pageOf(f, f.tasks, after, limit)
}

func (f *fakeSets) RedeliverTask(ctx context.Context, id string) (actors.Task, error) {
	t, err := f.Task(ctx, id)
	if err == nil && !t.State.Phase.Ended() {
		err = &transfer.Error{Code: transfer.CodeState, Subject: id}
	}
	t.State.Phase = task.PhasePending
	return t, err
}

// pageOf gives at most three entries at a time, whatever the limit.
func pageOf[T any](f *fakeSets, all map[string]T, after string, limit int) (page []T, more bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name <= after {
			continue
		}
		if len(page) == min(limit, 3) {
			return page, true, nil
		}
		page = append(page, all[name])
	}
	return page, false, nil
}
