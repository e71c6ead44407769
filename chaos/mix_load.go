package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"godwit/chaos/history"
	"godwit/client"
	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

const (
	// mixPart is the part size of all transfers, and mixConnections how many
	// connections one may have.
	mixPart        = 5 * mib
	mixConnections = 2
	// mixWaste is what one fault may make one transfer fetch again: the parts in
	// flight, and what lies in buffers.
	mixWaste = mixConnections*mixPart + 4*mib
	// mixMemory is the most that a node may have resident, in bytes, and mixStreams
	// the most connections to the origin.
	mixMemory  = 512 * mib
	mixStreams = 96
	// callPatience bounds how long one call is tried again at other nodes.
	callPatience = 30 * time.Second
)

// purpose is what a transfer of a mix is for.
type purpose string

const (
	mixDownload purpose = "download"
	mixUpload   purpose = "upload"
	// condemned has an origin that knows nothing of it, or that nobody can believe.
	mixCondemned purpose = "condemned"
)

// mixJob is a transfer of a mix. Its fields do not change but for those below
// mu.
type mixJob struct {
	id      string
	purpose purpose
	content endpointtest.Content
	whole   bool
	// expect is the code that one fails with that is condemned.
	expect string
	// file tells that its result is a file, not an object.
	file              bool
	group, completion string
	// idle: it waits to be started.
	idle bool

	mu sync.Mutex // guards what follows
	// known tells that a node has accepted it.
	known bool
	// last is the last status that was seen, final that it has ended and was looked
	// at, gone that nobody accepted it.
	last        pb.Transfer_Status
	shown       history.Transfer
	final, gone bool
	// there tells that its result was seen.
	there bool
}

// mixLoad keeps a cluster busy.
type mixLoad struct {
	m    *mix
	dice *mathrand.Rand
	ops  *mathrand.Rand

	mu       sync.Mutex // guards what follows
	jobs     map[string]*mixJob
	sets     map[string]*mixSet
	serial   int
	stopped  bool
	ended    map[pb.Transfer_Status]int
	bytes    int64
	sum      int
	verified int
	working  sync.WaitGroup
	slots    chan struct{}
	// stopping is closed when stopped is set.
	stopping chan struct{}
}

// mixSet is a completion group.
type mixSet struct {
	id      string
	members []string
	// enabled and ended tell how far it is.
	enabled, ended bool
	shown          history.Group
}

func newMixLoad(m *mix) *mixLoad {
	return &mixLoad{
		m:    m,
		dice: mathrand.New(mathrand.NewPCG(m.opts.Seed, 11)), ops: mathrand.New(mathrand.NewPCG(m.opts.Seed, 12)),
		jobs: map[string]*mixJob{}, sets: map[string]*mixSet{}, ended: map[pb.Transfer_Status]int{}, slots: make(chan struct{}, submitters),
		stopping: make(chan struct{}),
	}
}

// stop ends the making of new transfers.
func (l *mixLoad) stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	close(l.stopping)
	l.working.Wait()
}

// all are the transfers that are not done with, in the order of their ids.
func (l *mixLoad) all() []*mixJob {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []*mixJob
	for _, j := range l.jobs {
		list = append(list, j)
	}
	slices.SortFunc(list, func(a, b *mixJob) int { return slices.Compare([]byte(a.id), []byte(b.id)) })
	return list
}

// open are the ids of transfers that have not ended, as far as is known.
func (l *mixLoad) open() []string {
	var ids []string
	for _, j := range l.all() {
		j.mu.Lock()
		if !j.final && !j.gone {
			ids = append(ids, j.id)
		}
		j.mu.Unlock()
	}
	return ids
}

// run makes transfers, and does to some of them what users do.
func (l *mixLoad) run(ctx context.Context) {
	for n := 0; idle(ctx, 5*glance) == nil; n++ {
		l.mu.Lock()
		stopped := l.stopped
		l.mu.Unlock()
		if stopped {
			return
		}
		if len(l.open()) < l.m.opts.Transfers {
			l.another(ctx)
		}
		if n%10 == 0 {
			l.meddle(ctx)
		}
	}
}

// another makes one more transfer, or a set of them.
func (l *mixLoad) another(ctx context.Context) {
	switch at := l.dice.IntN(100); {
	case at < 10:
		l.completion(ctx)
		return
	case at < 22:
		j := l.job(mixDownload)
		j.group = fmt.Sprintf("queue-%d", l.dice.IntN(3))
		l.start(ctx, j)
	case at < 34:
		l.start(ctx, l.job(mixUpload))
	case at < 40:
		l.start(ctx, l.job(mixCondemned))
	default:
		l.start(ctx, l.job(mixDownload))
	}
}

// job decides what the next transfer is like.
func (l *mixLoad) job(p purpose) *mixJob {
	l.mu.Lock()
	l.serial++
	id := fmt.Sprintf("m%06d", l.serial)
	l.mu.Unlock()
	size := l.m.opts.Size/4 + l.dice.Int64N(l.m.opts.Size*3/4) + 1
	j := &mixJob{id: id, purpose: p, file: l.m.proxy == nil || l.dice.IntN(2) == 0}
	switch {
	case p == mixCondemned && l.dice.IntN(3) == 0:
		j.expect = "http.encoding"
		l.m.origin.compress(id, endpointtest.Content{Seed: uint64(l.serial), Generation: 1, Size: mib})
	case p == mixCondemned:
		j.expect = "http.status"
	case p == mixUpload:
		j.content = l.m.far.sources[l.dice.IntN(len(l.m.far.sources))]
	case p == mixDownload:
		j.whole = l.dice.IntN(10) == 0
		if j.whole {
			size = min(size, 2*mib) // each interruption costs everything
		}
		j.content = endpointtest.Content{Seed: l.m.opts.Seed<<20 + uint64(l.serial), Generation: 1, Size: size}
		l.m.origin.add(id, j.content, j.whole)
	}
	return j
}

// start submits a transfer, beside others.
func (l *mixLoad) start(ctx context.Context, j *mixJob) {
	l.mu.Lock()
	l.jobs[j.id] = j
	l.sum++
	l.mu.Unlock()
	l.working.Go(func() {
		l.slots <- struct{}{}
		defer func() { <-l.slots }()
		l.submit(ctx, j)
	})
}

// submit creates a transfer at one node after the other until one answers.
func (l *mixLoad) submit(ctx context.Context, j *mixJob) {
	size := j.content.Size
	if j.purpose == mixCondemned {
		size = -1
	}
	t, err := say(ctx, l, history.Call{
		Op: "create", ID: j.id, Completion: j.completion, Size: size, Expect: j.expect, Whole: j.whole,
	}, func(ctx context.Context, n *Node) (*pb.Transfer, error) { return n.Create(ctx, l.request(j), !j.idle) })
	j.mu.Lock()
	defer j.mu.Unlock()
	j.known, j.gone = err == nil, err != nil
	_ = t
}

// request is a transfer as it is asked for.
func (l *mixLoad) request(j *mixJob) *pb.Transfer {
	retries := int32(1000) // faults are not to be a reason to give up
	t := &pb.Transfer{
		Id: j.id, PartSize: mixPart, Connections: mixConnections, Group: j.group, CompletionGroup: j.completion, Retries: &retries,
	}
	if j.purpose == mixUpload {
		l.m.far.describe(j, t)
		return t
	}
	t.Source = &pb.Endpoint{Url: l.m.origin.url(j.id)}
	t.Destination = &pb.Endpoint{Url: "s3://results/" + j.id}
	if j.file {
		t.Destination.Url = "file://" + l.file(j)
	}
	return t
}

// file is where the result of a transfer to a file is.
func (l *mixLoad) file(j *mixJob) string { return filepath.Join(filesBelow(l.m.opts.Folder), j.id) }

// say makes a call of the API, at one node after the other until one answers or
// says no, and writes each try down.
func say[T any](ctx context.Context, l *mixLoad, call history.Call, ask func(context.Context, *Node) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	for {
		var none T
		for _, n := range l.m.c.Live() {
			e := history.Event{At: l.m.rec.Now(), Node: n.Name, Life: n.Life()}
			answer, err := ask(ctx, n)
			c := call
			c.Outcome, c.Code = outcomeOfCall(call.Op, err)
			if t, ok := any(answer).(*pb.Transfer); ok && err == nil {
				c.Status = t.GetStatus().String()
			}
			e.End, e.Call = l.m.rec.Now(), &c
			l.m.rec.Add(e)
			if c.Outcome != history.Unknown || c.Code == "transfer.not_found" {
				return answer, err
			}
		}
		if err := idle(ctx, 5*glance); err != nil {
			return none, err
		}
	}
}

// outcomeOfCall tells what is known of a call that ended with this error.
func outcomeOfCall(call string, err error) (history.Outcome, string) {
	if err == nil {
		return history.OK, ""
	}
	var refused *client.Error
	if !errors.As(err, &refused) {
		return history.Unknown, ""
	}
	// Who deletes is told so, too, if it was done by a try whose answer was lost.
	gone := call == "delete" && refused.Code == "transfer.not_found"
	if gone || refused.Retryable || refused.Err != nil || refused.Code == client.CodeInternal {
		return history.Unknown, refused.Code
	}
	return history.Refused, refused.Code
}

// completion makes a completion group of a few transfers and enables it.
func (l *mixLoad) completion(ctx context.Context) {
	first := l.job(mixDownload)
	s := &mixSet{id: "g" + first.id[1:]}
	jobs := []*mixJob{first}
	for range 1 + l.dice.IntN(3) {
		jobs = append(jobs, l.job([]purpose{mixDownload, mixDownload, mixDownload, mixCondemned}[l.dice.IntN(4)]))
	}
	for _, j := range jobs {
		j.completion, j.idle = s.id, l.dice.IntN(3) == 0
		s.members = append(s.members, j.id)
	}
	l.mu.Lock()
	l.sum += len(jobs)
	for _, j := range jobs {
		l.jobs[j.id] = j
	}
	l.mu.Unlock()
	hook := l.m.hooks.add(s.id)
	l.working.Go(func() {
		l.slots <- struct{}{}
		defer func() { <-l.slots }()
		_, err := say(ctx, l, history.Call{Op: "completion.create", ID: s.id}, func(ctx context.Context, n *Node) (*pb.CompletionGroup, error) {
			return n.CreateCompletionGroup(ctx, &pb.CompletionGroup{Id: s.id, Webhook: hook})
		})
		if err == nil {
			l.mu.Lock()
			l.sets[s.id] = s
			l.mu.Unlock()
		}
		for _, j := range jobs {
			l.submit(ctx, j)
		}
		if err == nil {
			l.enable(ctx, s)
		}
	})
}

// enable closes a completion group to further members.
func (l *mixLoad) enable(ctx context.Context, s *mixSet) {
	l.m.hooks.expect(s.id)
	_, err := say(ctx, l, history.Call{Op: "completion.enable", ID: s.id}, func(ctx context.Context, n *Node) (*pb.CompletionGroup, error) {
		return n.EnableCompletionGroup(ctx, s.id)
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	s.enabled = err == nil
}

// meddle cancels, or pauses and resumes, a transfer that has not ended.
func (l *mixLoad) meddle(ctx context.Context) {
	ids := l.open()
	if len(ids) == 0 {
		return
	}
	id, at, wait := ids[l.ops.IntN(len(ids))], l.ops.IntN(100), time.Duration(l.ops.IntN(4000))*time.Millisecond
	op := func(name string, do func(*Node, context.Context) (*pb.Transfer, error)) {
		_, _ = say(ctx, l, history.Call{Op: name, ID: id}, func(ctx context.Context, n *Node) (*pb.Transfer, error) { return do(n, ctx) })
	}
	l.working.Go(func() {
		switch {
		case at < 8:
			op("cancel", func(n *Node, ctx context.Context) (*pb.Transfer, error) { return n.Cancel(ctx, id, "the mix does") })
		case at < 25:
			op("pause", func(n *Node, ctx context.Context) (*pb.Transfer, error) { return n.Client.Pause(ctx, id) })
			_ = idle(ctx, wait)
			op("resume", func(n *Node, ctx context.Context) (*pb.Transfer, error) { return n.Client.Resume(ctx, id) })
		}
	})
}

// verify reads a result to its end and says which generation it is, and what is
// wrong with it.
func (j *mixJob) verify(r io.Reader, size int64) (generation int, wrong string) {
	var first [endpointtest.BlockSize]byte
	head, err := io.ReadFull(r, first[:min(j.content.Size, endpointtest.BlockSize)])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return 0, err.Error()
	}
	c := j.content
	c.Generation = endpointtest.GenerationIn(first[:head])
	if err := c.Verify(io.MultiReader(newBytes(first[:head]), r)); err != nil {
		return int(c.Generation), fmt.Sprintf("%v (%d bytes)", err, size)
	}
	return int(c.Generation), ""
}
