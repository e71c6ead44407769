package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"godwit/chaos/history"
	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

const (
	// watchEvery and probeEvery are how often transfers and results are looked at.
	watchEvery = 500 * time.Millisecond
	probeEvery = 200 * time.Millisecond
	// secondLook is when what has ended is looked at once more, before it is
	// deleted.
	secondLook = 20 * time.Second
	// nudgeAfter is how long the harness sits out the wait of a task for its next
	// attempt.
	nudgeAfter = 2 * time.Second
)

// watch looks at transfers and completion groups as their users see them, and
// at the results of those that have ended.
func (l *mixLoad) watch(ctx context.Context) {
	for idle(ctx, watchEvery) == nil {
		l.look(ctx)
		l.lookAtSets(ctx)
	}
}

// look lists transfers at some node.
func (l *mixLoad) look(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	found, err := anywhere(asking, l.m.c, func(ctx context.Context, n *Node) ([]*pb.Transfer, error) {
		var found []*pb.Transfer
		for t, err := range n.List(ctx, &pb.ListTransfersRequest{PageSize: pageSize}) {
			if err != nil {
				return nil, err
			}
			found = append(found, t)
		}
		return found, nil
	})
	if err != nil {
		return // the next one
	}
	for _, t := range found {
		l.mu.Lock()
		j := l.jobs[t.GetId()]
		l.mu.Unlock()
		if j != nil {
			l.saw(ctx, j, t)
		}
	}
}

// saw notes what a transfer is like, and looks at the result of one that has
// ended.
func (l *mixLoad) saw(ctx context.Context, j *mixJob, t *pb.Transfer) {
	shown := shownTransfer(t)
	j.mu.Lock()
	changed := shown != j.shown
	final := j.final
	j.shown, j.last, j.known, j.gone = shown, t.GetStatus(), true, false
	j.mu.Unlock()
	if final {
		return
	}
	ended := client.Terminal(t.GetStatus())
	if changed && !ended {
		l.m.rec.Add(history.Event{Transfer: &shown})
	}
	if ended {
		l.finish(ctx, j, shown)
	}
}

// shownTransfer is what the API shows of a transfer.
func shownTransfer(t *pb.Transfer) history.Transfer {
	return history.Transfer{
		ID: t.GetId(), Status: t.GetStatus().String(), Owner: t.GetOwner().GetNode(), Epoch: uint64(t.GetOwner().GetEpoch()),
		Generation: uint64(t.GetProgress().GetGeneration()), Done: t.GetProgress().GetBytesDone(), Wire: t.GetProgress().GetBytesOnWire(),
		Code:  t.GetError().GetCode(),
		Waits: t.GetStatus() != pb.Transfer_RUNNING,
	}
}

// finish looks at what a transfer left, and removes it so that the disk does not
// fill. A while later it looks once more and forgets the transfer.
func (l *mixLoad) finish(ctx context.Context, j *mixJob, shown history.Transfer) {
	shown.Final = true
	var look history.Look
	// What a far side has taken of an upload, a cancel does not take back.
	if j.purpose != mixUpload || shown.Status == pb.Transfer_COMPLETED.String() {
		look = l.lookAt(j, true)
		l.m.rec.Add(history.Event{Look: &look})
	}
	l.m.rec.Add(history.Event{Transfer: &shown})
	if look.There && look.Wrong == "" {
		if err := l.remove(j); err != nil {
			l.m.fail(fmt.Errorf("remove the result of %s: %w", j.id, err))
		}
	}
	j.mu.Lock()
	j.final = true
	status := j.last
	j.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended[status]++
	if look.There && look.Wrong == "" {
		l.verified++
		l.bytes += look.Size
	}
	if !l.stopped {
		l.working.Go(func() { l.forget(ctx, j) })
	}
}

// forget looks whether a result that was removed is there again, and deletes the
// transfer.
func (l *mixLoad) forget(ctx context.Context, j *mixJob) {
	select {
	case <-time.After(secondLook):
	case <-l.stopping: // there is a last look
		return
	case <-ctx.Done():
		return
	}
	l.lookAgain(j)
	// A member belongs to its group until that has ended.
	for l.belongs(j) {
		if idle(ctx, time.Second) != nil {
			return
		}
	}
	_, err := say(ctx, l, history.Call{Op: "delete", ID: j.id}, func(ctx context.Context, n *Node) (struct{}, error) {
		return struct{}{}, n.Delete(ctx, j.id)
	})
	if err != nil && ctx.Err() != nil {
		return
	}
	l.m.origin.forget(j.id)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.jobs, j.id)
}

func (l *mixLoad) belongs(j *mixJob) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sets[j.completion]
	return s != nil && !s.ended && !l.stopped
}

// lookAgain looks for a result that must not be there any more.
func (l *mixLoad) lookAgain(j *mixJob) {
	if j.purpose == mixUpload {
		return // a request that was thought lost may be carried out late
	}
	if look := l.lookAt(j, false); look.There {
		look.Wrong = "it is there again after it was removed"
		l.m.rec.Add(history.Event{Look: &look})
	}
}

// lookAt reads a result.
func (l *mixLoad) lookAt(j *mixJob, final bool) history.Look {
	look := history.Look{ID: j.id, Final: final}
	if j.purpose == mixUpload {
		look.Size, look.Wrong, look.There = l.m.far.look(j)
		look.Generation = int(j.content.Generation)
		return look
	}
	r, size, err := l.store(j).open(j.id)
	if errors.Is(err, fs.ErrNotExist) {
		return look
	}
	look.There = true
	if err != nil {
		look.Wrong = err.Error()
		return look
	}
	defer r.Close() //nolint:errcheck // it was only read
	look.Size = size
	look.Generation, look.Wrong = j.verify(r, size)
	return look
}

// store is where the result of a download is.
func (l *mixLoad) store(j *mixJob) mixResults {
	if j.file {
		return folderResults{filesBelow(l.m.opts.Folder)}
	}
	return l.m.results
}

func (l *mixLoad) remove(j *mixJob) error {
	if j.purpose == mixUpload {
		return l.m.far.remove(j)
	}
	return l.store(j).remove(j.id)
}

// probe opens results all the time, as others do who wait for them. One that is
// there must be whole at once.
func (l *mixLoad) probe(ctx context.Context) {
	for idle(ctx, probeEvery) == nil {
		for _, j := range l.all() {
			j.mu.Lock()
			skip := j.final || j.there || j.purpose == mixUpload
			j.mu.Unlock()
			if skip || ctx.Err() != nil {
				continue
			}
			look := l.lookAt(j, false)
			j.mu.Lock()
			final := j.final // it was removed meanwhile
			j.there = look.There
			j.mu.Unlock()
			if look.There && !final {
				l.m.rec.Add(history.Event{Look: &look})
			}
		}
	}
}

// lookAtSets looks at completion groups that have not ended, and asks for
// attempts of tasks that would wait for long.
func (l *mixLoad) lookAtSets(ctx context.Context) {
	l.mu.Lock()
	var open []*mixSet
	for _, s := range l.sets {
		if !s.ended {
			open = append(open, s)
		}
	}
	l.mu.Unlock()
	slices.SortFunc(open, func(a, b *mixSet) int { return slices.Compare([]byte(a.id), []byte(b.id)) })
	for _, s := range open {
		asking, cancel := context.WithTimeout(ctx, 3*time.Second)
		g, err := anywhere(asking, l.m.c, func(ctx context.Context, n *Node) (*pb.CompletionGroup, error) { return n.CompletionGroup(ctx, s.id) })
		if err == nil {
			l.sawSet(asking, s, g)
		}
		cancel()
	}
}

func (l *mixLoad) sawSet(ctx context.Context, s *mixSet, g *pb.CompletionGroup) {
	shown := history.Group{
		ID: s.id, Status: g.GetStatus().String(), Task: g.GetTask().GetId(),
		TaskStatus: g.GetTask().GetStatus().String(), Attempts: int(g.GetTask().GetAttempts()),
	}
	ended := client.CompletionEnded(g.GetStatus())
	l.mu.Lock()
	was := s.shown
	s.shown, s.ended = shown, ended
	l.mu.Unlock()
	if shown.Status != was.Status || shown.Task != was.Task || shown.TaskStatus != was.TaskStatus || shown.Attempts != was.Attempts {
		shown.Members, shown.Final = s.members, ended
		l.m.rec.Add(history.Event{Group: &shown})
	}
	if shown.Task == "" || ended {
		return
	}
	t, err := anywhere(ctx, l.m.c, func(ctx context.Context, n *Node) (*pb.Task, error) { return n.Task(ctx, shown.Task) })
	if err == nil && t.GetStatus() == pb.Task_PENDING && time.Until(t.GetNextAttemptTime().AsTime()) > nudgeAfter {
		// What comes of it is seen later.
		_, _ = anywhere(ctx, l.m.c, func(ctx context.Context, n *Node) (*pb.Task, error) { return n.RedeliverTask(ctx, shown.Task) })
	}
}

// await waits until all has ended, or ctx has. Groups that could not be enabled
// while faults struck are enabled, and what was left paused goes on.
func (l *mixLoad) await(ctx context.Context) {
	for idle(ctx, watchEvery) == nil {
		l.mu.Lock()
		var late []*mixSet
		open := 0
		for _, s := range l.sets {
			if !s.enabled {
				late = append(late, s)
			}
			if !s.ended {
				open++
			}
		}
		l.mu.Unlock()
		for _, s := range late {
			l.enable(ctx, s)
		}
		for _, j := range l.all() {
			j.mu.Lock()
			paused := !j.final && (j.last == pb.Transfer_PAUSED || j.last == pb.Transfer_IDLE && j.completion == "")
			j.mu.Unlock()
			if paused {
				_, _ = say(ctx, l, history.Call{Op: "resume", ID: j.id}, func(ctx context.Context, n *Node) (*pb.Transfer, error) {
					return n.Resume(ctx, j.id)
				})
			}
		}
		if ids := l.open(); len(ids) == 0 && open == 0 {
			return
		} else {
			l.m.opts.Logf("%d transfers and %d groups have not ended: %.200v", len(ids), open, ids)
		}
		_ = idle(ctx, 2*time.Second)
	}
}

// lastLooks looks at everything once more, at the end. Transfers that were not
// answered for may exist all the same.
func (l *mixLoad) lastLooks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for _, j := range l.all() {
		t, err := say(ctx, l, history.Call{Op: "get", ID: j.id}, func(ctx context.Context, n *Node) (*pb.Transfer, error) { return n.Get(ctx, j.id) })
		j.mu.Lock()
		final := j.final
		j.mu.Unlock()
		if err != nil {
			continue // the checkers miss what was accepted
		}
		shown := shownTransfer(t)
		shown.Final = true
		if !final {
			look := l.lookAt(j, true)
			l.m.rec.Add(history.Event{Look: &look})
		} else {
			l.lookAgain(j)
		}
		l.m.rec.Add(history.Event{Transfer: &shown})
	}
}
