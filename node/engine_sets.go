package node

import (
	"context"

	"godwit/actors"
	"godwit/node/api"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/group"
	"godwit/transfer/task"
)

var _ api.Sets = (*lateEngine)(nil)

// sets is the system as the keeper of groups and tasks.
func (e *lateEngine) sets() (*actors.System, error) { return e.get() }

// admitTask refuses what a task would be refused for certainly.
func (e *lateEngine) admitTask(spec *task.Spec) *transfer.Error {
	switch {
	case spec == nil:
	case spec.Kind == task.Webhook:
		return e.admitWebhook(spec.URL)
	case spec.Template != nil:
		refused := e.admit(*spec.Template)
		if refused != nil {
			refused.Field = "submit.transfer." + refused.Field
		}
		return refused
	}
	return nil
}

func (e *lateEngine) CreateCompletion(ctx context.Context, spec completion.Spec) (actors.Completion, bool, error) {
	s, err := e.sets()
	if err != nil {
		return actors.Completion{}, false, err
	}
	if e := e.admitTask(spec.Task); e != nil {
		return actors.Completion{}, false, e
	}
	return s.CreateCompletion(ctx, spec)
}

func (e *lateEngine) Completion(ctx context.Context, id string) (actors.Completion, error) {
	s, err := e.sets()
	if err != nil {
		return actors.Completion{}, err
	}
	return s.Completion(ctx, id)
}

func (e *lateEngine) Completions(ctx context.Context, after string, limit int) ([]actors.Completion, bool, error) {
	s, err := e.sets()
	if err != nil {
		return nil, false, err
	}
	return s.Completions(ctx, after, limit)
}

func (e *lateEngine) EnableCompletion(ctx context.Context, id string) (actors.Completion, error) {
	s, err := e.sets()
	if err != nil {
		return actors.Completion{}, err
	}
	return s.EnableCompletion(ctx, id)
}

func (e *lateEngine) AddToCompletion(ctx context.Context, id string, transfers []string) (actors.Completion, error) {
	s, err := e.sets()
	if err != nil {
		return actors.Completion{}, err
	}
	return s.AddToCompletion(ctx, id, transfers)
}

func (e *lateEngine) RetryCompletion(ctx context.Context, id string) (actors.Completion, error) {
	s, err := e.sets()
	if err != nil {
		return actors.Completion{}, err
	}
	return s.RetryCompletion(ctx, id)
}

func (e *lateEngine) DeleteCompletion(ctx context.Context, id string) error {
	s, err := e.sets()
	if err != nil {
		return err
	}
	return s.DeleteCompletion(ctx, id)
}

func (e *lateEngine) CreateGroup(ctx context.Context, spec group.Spec) (actors.Group, bool, error) {
	s, err := e.sets()
	if err != nil {
		return actors.Group{}, false, err
	}
	return s.CreateGroup(ctx, spec)
}

func (e *lateEngine) Group(ctx context.Context, name string) (actors.Group, error) {
	s, err := e.sets()
	if err != nil {
		return actors.Group{}, err
	}
	return s.Group(ctx, name)
}

func (e *lateEngine) Groups(ctx context.Context, after string, limit int) ([]actors.Group, bool, error) {
	s, err := e.sets()
	if err != nil {
		return nil, false, err
	}
	return s.Groups(ctx, after, limit)
}

func (e *lateEngine) ChangeGroup(ctx context.Context, name string, change group.Change, etag string) (actors.Group, error) {
	s, err := e.sets()
	if err != nil {
		return actors.Group{}, err
	}
	return s.ChangeGroup(ctx, name, change, etag)
}

func (e *lateEngine) DeleteGroup(ctx context.Context, name string) error {
	s, err := e.sets()
	if err != nil {
		return err
	}
	return s.DeleteGroup(ctx, name)
}

func (e *lateEngine) Task(ctx context.Context, id string) (actors.Task, error) {
	s, err := e.sets()
	if err != nil {
		return actors.Task{}, err
	}
	return s.Task(ctx, id)
}

func (e *lateEngine) Tasks(ctx context.Context, after string, limit int) ([]actors.Task, bool, error) {
	s, err := e.sets()
	if err != nil {
		return nil, false, err
	}
	return s.Tasks(ctx, after, limit)
}

func (e *lateEngine) RedeliverTask(ctx context.Context, id string) (actors.Task, error) {
	s, err := e.sets()
	if err != nil {
		return actors.Task{}, err
	}
	return s.RedeliverTask(ctx, id)
}
