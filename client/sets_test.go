package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
)

// sets is a server of groups and tasks. Each call is noted; then fail, if it is
// set, decides whether it fails.
type sets struct {
	godwitv1connect.UnimplementedCompletionServiceHandler
	godwitv1connect.UnimplementedGroupServiceHandler
	godwitv1connect.UnimplementedTaskServiceHandler
	fail func(name string) error

	mu    sync.Mutex
	calls []string
	// created and statuses are what the latest calls asked for.
	created  []*pb.CompletionGroup
	statuses []pb.CompletionGroup_Status
	// becomes are the statuses that a group has, one after another.
	becomes []pb.CompletionGroup_Status
}

func (s *sets) note(name string) error {
	s.mu.Lock()
	s.calls = append(s.calls, name)
	s.mu.Unlock()
	if s.fail == nil {
		return nil
	}
	return s.fail(name)
}

// heard are the calls so far.
func (s *sets) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func said[T any](s *sets, name string, m *T) (*connect.Response[T], error) {
	return answer(m, s.note(name))
}

func (s *sets) CreateGroup(_ context.Context, r *connect.Request[pb.CreateGroupRequest]) (*connect.Response[pb.Group], error) {
	return said(s, "create group", r.Msg.GetGroup())
}

func (s *sets) GetGroup(_ context.Context, r *connect.Request[pb.GetGroupRequest]) (*connect.Response[pb.Group], error) {
	return said(s, "get group", &pb.Group{Name: r.Msg.GetName()})
}

func (s *sets) UpdateGroup(_ context.Context, r *connect.Request[pb.UpdateGroupRequest]) (*connect.Response[pb.Group], error) {
	return said(s, "update group", &pb.Group{Name: r.Msg.GetName(), Limit: r.Msg.GetLimit()})
}

func (s *sets) DeleteGroup(context.Context, *connect.Request[pb.DeleteGroupRequest]) (*connect.Response[pb.DeleteGroupResponse], error) {
	return said(s, "delete group", &pb.DeleteGroupResponse{})
}

func (s *sets) PauseGroup(_ context.Context, r *connect.Request[pb.PauseGroupRequest]) (*connect.Response[pb.Group], error) {
	return said(s, "pause group", &pb.Group{Name: r.Msg.GetName(), Paused: true})
}

func (s *sets) ResumeGroup(_ context.Context, r *connect.Request[pb.ResumeGroupRequest]) (*connect.Response[pb.Group], error) {
	return said(s, "resume group", &pb.Group{Name: r.Msg.GetName()})
}

func (s *sets) MoveTransfer(_ context.Context, r *connect.Request[pb.MoveTransferRequest]) (*connect.Response[pb.Group], error) {
	return said(s, "move transfer", &pb.Group{Name: r.Msg.GetName(), Members: &pb.GroupMembers{Order: []string{r.Msg.GetId()}}})
}

// ListGroups has two pages of two.
func (s *sets) ListGroups(_ context.Context, r *connect.Request[pb.ListGroupsRequest]) (*connect.Response[pb.ListGroupsResponse], error) {
	if r.Msg.GetPageToken() == "" {
		return said(s, "list groups", &pb.ListGroupsResponse{Groups: []*pb.Group{{Name: "a"}, {Name: "b"}}, NextPageToken: "b"})
	}
	return said(s, "list groups", &pb.ListGroupsResponse{Groups: []*pb.Group{{Name: "c"}, {Name: "d"}}})
}

func (s *sets) CreateCompletionGroup(_ context.Context, r *connect.Request[pb.CreateCompletionGroupRequest]) (*connect.Response[pb.CompletionGroup], error) {
	s.mu.Lock()
	s.created = append(s.created, r.Msg.GetCompletionGroup())
	s.mu.Unlock()
	return said(s, "create completion group", r.Msg.GetCompletionGroup())
}

func (s *sets) GetCompletionGroup(_ context.Context, r *connect.Request[pb.GetCompletionGroupRequest]) (*connect.Response[pb.CompletionGroup], error) {
	g := &pb.CompletionGroup{Id: r.Msg.GetId()}
	s.mu.Lock()
	if len(s.becomes) > 0 {
		g.Status, s.becomes = s.becomes[0], s.becomes[1:]
	}
	s.mu.Unlock()
	return said(s, "get completion group", g)
}

func (s *sets) ListCompletionGroups(_ context.Context, r *connect.Request[pb.ListCompletionGroupsRequest]) (*connect.Response[pb.ListCompletionGroupsResponse], error) {
	s.mu.Lock()
	s.statuses = r.Msg.GetStatuses()
	s.mu.Unlock()
	return said(s, "list completion groups", &pb.ListCompletionGroupsResponse{CompletionGroups: []*pb.CompletionGroup{{Id: "c1"}}})
}

func (s *sets) AddTransfers(_ context.Context, r *connect.Request[pb.AddTransfersRequest]) (*connect.Response[pb.CompletionGroup], error) {
	return said(s, "add transfers", &pb.CompletionGroup{Id: r.Msg.GetId(), Members: &pb.CompletionMembers{WaitingOn: r.Msg.GetTransfers()}})
}

func (s *sets) EnableCompletionGroup(_ context.Context, r *connect.Request[pb.EnableCompletionGroupRequest]) (*connect.Response[pb.CompletionGroup], error) {
	return said(s, "enable completion group", &pb.CompletionGroup{Id: r.Msg.GetId(), Enabled: true})
}

func (s *sets) RetryCompletionGroup(_ context.Context, r *connect.Request[pb.RetryCompletionGroupRequest]) (*connect.Response[pb.CompletionGroup], error) {
	return said(s, "retry completion group", &pb.CompletionGroup{Id: "new", Parent: r.Msg.GetId()})
}

func (s *sets) DeleteCompletionGroup(context.Context, *connect.Request[pb.DeleteCompletionGroupRequest]) (*connect.Response[pb.DeleteCompletionGroupResponse], error) {
	return said(s, "delete completion group", &pb.DeleteCompletionGroupResponse{})
}

func (s *sets) GetTask(_ context.Context, r *connect.Request[pb.GetTaskRequest]) (*connect.Response[pb.Task], error) {
	return said(s, "get task", &pb.Task{Id: r.Msg.GetId()})
}

func (s *sets) ListTasks(context.Context, *connect.Request[pb.ListTasksRequest]) (*connect.Response[pb.ListTasksResponse], error) {
	return said(s, "list tasks", &pb.ListTasksResponse{Tasks: []*pb.Task{{Id: "k1"}}})
}

func (s *sets) RedeliverTask(_ context.Context, r *connect.Request[pb.RedeliverTaskRequest]) (*connect.Response[pb.Task], error) {
	return said(s, "redeliver task", &pb.Task{Id: r.Msg.GetId(), Status: pb.Task_PENDING})
}

func (s *sets) serve(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(godwitv1connect.NewCompletionServiceHandler(s))
	mux.Handle(godwitv1connect.NewGroupServiceHandler(s))
	mux.Handle(godwitv1connect.NewTaskServiceHandler(s))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// outcome is what a call gave, in a few words.
type outcome struct {
	text string
	err  error
}

func of(text string, err error) outcome { return outcome{text, err} }

// setCalls are all calls about groups and tasks, by the names that the server
// notes, and what they shall give.
func setCalls(ctx context.Context, c *client.Client) map[string]func() (got outcome, want string) {
	g := func(g *pb.Group, err error) outcome { return of(g.GetName(), err) }
	cg := func(g *pb.CompletionGroup, err error) outcome { return of(g.GetId(), err) }
	limit := int32(7)
	return map[string]func() (outcome, string){
		"create group": func() (outcome, string) { return g(c.CreateGroup(ctx, &pb.Group{Name: "g"})), "g" },
		"get group":    func() (outcome, string) { return g(c.Group(ctx, "g")), "g" },
		"update group": func() (outcome, string) {
			m, err := c.UpdateGroup(ctx, &pb.UpdateGroupRequest{Name: "g", Limit: &limit})
			return of(strconv.Itoa(int(m.GetLimit())), err), "7"
		},
		"delete group": func() (outcome, string) { return of("", c.DeleteGroup(ctx, "g")), "" },
		"pause group":  func() (outcome, string) { return g(c.PauseGroup(ctx, "g")), "g" },
		"resume group": func() (outcome, string) { return g(c.ResumeGroup(ctx, "g")), "g" },
		"move transfer": func() (outcome, string) {
			m, err := c.MoveTransfer(ctx, &pb.MoveTransferRequest{Name: "g", Id: "t1"})
			return of(m.GetMembers().GetOrder()[0], err), "t1"
		},
		"create completion group": func() (outcome, string) {
			return cg(c.CreateCompletionGroup(ctx, &pb.CompletionGroup{Id: "c"})), "c"
		},
		"get completion group": func() (outcome, string) { return cg(c.CompletionGroup(ctx, "c")), "c" },
		"add transfers": func() (outcome, string) {
			m, err := c.AddTransfers(ctx, "c", "t1", "t2")
			return of(m.GetMembers().GetWaitingOn()[1], err), "t2"
		},
		"enable completion group": func() (outcome, string) { return cg(c.EnableCompletionGroup(ctx, "c")), "c" },
		"delete completion group": func() (outcome, string) { return of("", c.DeleteCompletionGroup(ctx, "c")), "" },
		"get task": func() (outcome, string) {
			m, err := c.Task(ctx, "k")
			return of(m.GetId(), err), "k"
		},
	}
}

func TestSetsFailOver(t *testing.T) {
	broken := &sets{fail: func(string) error { return cut() }}
	s := &sets{}
	urls := []string{broken.serve(t), s.serve(t)}
	for name := range setCalls(t.Context(), nil) {
		c := connectTo(t, urls...)
		got, want := setCalls(t.Context(), c)[name]()
		if got.err != nil || got.text != want || !slices.Contains(s.heard(), name) || !slices.Contains(broken.heard(), name) {
			t.Errorf("%s: %q, %v", name, got.text, got.err)
		}
	}
}

// What must not be done twice goes on to another server only if it was not done.
func TestSetsDoneOnce(t *testing.T) {
	retry := func(c *client.Client) error { _, err := c.RetryCompletionGroup(t.Context(), "c"); return err }
	redeliver := func(c *client.Client) error { _, err := c.RedeliverTask(t.Context(), "k"); return err }
	update := func(c *client.Client) error {
		_, err := c.UpdateGroup(t.Context(), &pb.UpdateGroupRequest{Name: "g", Etag: "v1"})
		return err
	}
	for name, do := range map[string]func(*client.Client) error{
		"retry completion group": retry, "redeliver task": redeliver, "update group": update,
	} {
		broken, stopping, s := &sets{fail: func(string) error { return cut() }}, &sets{}, &sets{}
		stopping.fail = func(string) error { return refusal(connect.CodeUnavailable, "server.stopping", "bye", true) }
		if err := do(connectTo(t, broken.serve(t), s.serve(t))); client.CodeOf(err) != client.CodeUnreachable || len(s.heard()) != 0 {
			t.Errorf("%s: %v, then %v", name, err, s.heard())
		}
		if err := do(connectTo(t, dead(t), stopping.serve(t), s.serve(t))); err != nil || !slices.Equal(s.heard(), []string{name}) {
			t.Errorf("%s: %v, %v", name, err, s.heard())
		}
	}
}

func TestListsOfSets(t *testing.T) {
	s := &sets{}
	c := connectTo(t, dead(t), s.serve(t))
	names := ""
	for g, err := range c.Groups(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if names += g.GetName(); g.GetName() == "c" {
			break
		}
	}
	if names != "abc" {
		t.Errorf("groups %q", names)
	}
	for g, err := range c.CompletionGroups(t.Context(), pb.CompletionGroup_OPEN) {
		if err != nil || g.GetId() != "c1" || !slices.Equal(s.statuses, []pb.CompletionGroup_Status{pb.CompletionGroup_OPEN}) {
			t.Errorf("%v, %v, asked for %v", g, err, s.statuses)
		}
	}
	s.fail = func(string) error { return refusal(connect.CodeInvalidArgument, "page.token", "no", false) }
	n := 0
	for _, err := range c.Tasks(t.Context()) {
		if n++; client.CodeOf(err) != "page.token" || n > 1 {
			t.Errorf("tasks: %v", err)
		}
	}
}

// A lost answer does not make two groups.
func TestCompletionGroupsHaveIdsBeforeTheyAreSent(t *testing.T) {
	first := true
	s := &sets{}
	s.fail = func(string) error {
		if first {
			first = false
			return cut()
		}
		return nil
	}
	g, err := connectTo(t, s.serve(t)).CreateCompletionGroup(t.Context(), &pb.CompletionGroup{})
	if err != nil || len(s.created) != 2 || len(g.GetId()) != 26 || s.created[0].GetId() != s.created[1].GetId() {
		t.Errorf("%v, %v: %v", g, err, s.created)
	}
}

func TestWaitCompletionGroup(t *testing.T) {
	s := &sets{becomes: []pb.CompletionGroup_Status{pb.CompletionGroup_OPEN, pb.CompletionGroup_TRIGGERED, pb.CompletionGroup_FAILED}}
	calls := 0
	s.fail = func(string) error {
		if calls++; calls == 2 {
			return cut()
		}
		return nil
	}
	var seen []pb.CompletionGroup_Status
	last, err := connectTo(t, s.serve(t)).WaitCompletionGroup(t.Context(), "c", func(g *pb.CompletionGroup) { seen = append(seen, g.GetStatus()) })
	if err != nil || last.GetStatus() != pb.CompletionGroup_FAILED || len(seen) < 2 || !client.CompletionEnded(last.GetStatus()) {
		t.Errorf("%v, %v, saw %v", last, err, seen)
	}
}

func TestWaitCompletionGroupEnds(t *testing.T) {
	open := &sets{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := connectTo(t, open.serve(t)).WaitCompletionGroup(ctx, "c", func(*pb.CompletionGroup) { cancel() })
	if !errors.Is(err, context.Canceled) || client.CodeOf(err) != client.CodeInterrupted {
		t.Errorf("canceled: %v", err)
	}
	none := &sets{fail: func(string) error { return refusal(connect.CodeNotFound, "completion.not_found", "none", false) }}
	if _, err := connectTo(t, none.serve(t)).WaitCompletionGroup(t.Context(), "c", nil); client.CodeOf(err) != "completion.not_found" {
		t.Errorf("not there: %v", err)
	}
	c, err := client.New(client.Config{Servers: []string{dead(t)}, MinBackoff: 1, MaxBackoff: 1, ReconnectFor: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WaitCompletionGroup(t.Context(), "c", nil); client.CodeOf(err) != client.CodeUnreachable {
		t.Errorf("no server: %v", err)
	}
}
