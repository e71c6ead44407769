package node

import (
	"fmt"
	"slices"
	"testing"

	"godwit/client"
	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

var parityGroups = []parityLine{
	{"made twice, listed and deleted", parityGroupLife},
	{"more groups than there may be are refused", parityGroupQuota},
	{"serial order, over a restart of the node", paritySerial},
	{"a paused head does not block", parityPausedHead},
	{"play from here", parityPlayFromHere},
	{"a transfer may be moved, and a group be paused", parityMove},
	{"a transfer goes to other sets later", parityRegroup},
}

// queue makes a serialized group "q" of so many members t0, t1, …, the first of
// which is held by the tap.
func (p *parity) queue(o *endpointtest.Origin, members int) (*tap, []string) {
	p.Helper()
	tap := turnOn(o, "/t0", 300<<10)
	must(p.c.CreateGroup(p.ctx, &pb.Group{Name: "q", Behavior: pb.Group_SERIALIZED}))(p)
	var ids []string
	for i := range members {
		id := fmt.Sprint("t", i)
		spec := p.spec(id, o.URL("/"+id))
		spec.Group = "q"
		p.create(spec)
		ids = append(ids, id)
	}
	p.stored("t0", parityPart)
	return tap, ids
}

// asked are the paths that an origin was asked for, without repetitions in a row.
func asked(o *endpointtest.Origin) (paths []string) {
	for _, r := range o.Requests() {
		paths = append(paths, r.Path)
	}
	return slices.Compact(paths)
}

// running wants nobody of the group but one to run.
func (p *parity) running(ids []string, want string) {
	p.Helper()
	p.status(want, pb.Transfer_RUNNING)
	for _, id := range ids {
		if got := p.get(id).GetStatus(); id != want && got == pb.Transfer_RUNNING {
			p.Errorf("%s runs beside %s", id, want)
		}
	}
}

func parityGroupLife(t *testing.T) {
	o := newOrigin(t)
	tap := turnOn(o, "/f", 300<<10)
	p := newParity(t)
	spec := &pb.Group{Name: "q", Behavior: pb.Group_SERIALIZED}
	first := must(p.c.CreateGroup(p.ctx, spec))(p)
	if again := must(p.c.CreateGroup(p.ctx, spec))(p); again.GetEtag() != first.GetEtag() {
		t.Errorf("first %v, again %v", first, again)
	}
	_, err := p.c.CreateGroup(p.ctx, &pb.Group{Name: "q", Behavior: pb.Group_PARALLEL})
	p.refused(err, "id.conflict")
	named := p.spec("t", o.URL("/f"))
	named.Group = "made-by-its-member"
	p.create(named)
	p.stored("t", parityPart)
	list := func() (names []string) {
		for g, err := range p.c.Groups(p.ctx) {
			names = append(names, must(g, err)(p).GetName())
		}
		return names
	}
	if got := list(); !slices.Equal(got, []string{"made-by-its-member", "q"}) {
		t.Errorf("groups %v", got)
	}
	p.refused(p.c.DeleteGroup(p.ctx, named.GetGroup()), "state.conflict")
	tap.open()
	p.completed("t", o)
	for _, name := range []string{"q", "made-by-its-member"} {
		p.eventually(name+" is deleted", func() bool { return p.c.DeleteGroup(p.ctx, name) == nil })
		_, err = p.c.Group(p.ctx, name)
		p.refused(err, "group.not_found")
	}
	if got := list(); len(got) > 0 {
		t.Errorf("groups %v", got)
	}
}

// A quota that is spent is an error with a code, and nothing is lost by it.
func parityGroupQuota(t *testing.T) {
	p := newParity(t)
	var refused error
	n := 0
	for ; refused == nil && n < 2000; n++ {
		_, refused = p.c.CreateGroup(p.ctx, &pb.Group{Name: fmt.Sprint("g", n)})
	}
	if client.CodeOf(refused) != "quota.exceeded" {
		t.Fatalf("after %d groups: %v", n, refused)
	}
	must(p.c.CreateGroup(p.ctx, &pb.Group{Name: "g0"}))(p) // one that is there
	if err := p.c.DeleteGroup(p.ctx, "g0"); err != nil {
		t.Fatal(err)
	}
	must(p.c.CreateGroup(p.ctx, &pb.Group{Name: "new"}))(p)
}

func paritySerial(t *testing.T) {
	o := newOrigin(t)
	p := newParity(t)
	tap, ids := p.queue(o, 4)
	p.running(ids, "t0")
	if got := must(p.c.Group(p.ctx, "q"))(p).GetMembers(); !slices.Equal(got.GetOrder(), ids) || got.GetRunning() != 1 || got.GetQueued() != 3 {
		t.Errorf("members %v", got)
	}
	p.stop()
	p.begin()
	p.eventually("the order is known again", func() bool {
		return slices.Equal(must(p.c.Group(p.ctx, "q"))(p).GetMembers().GetOrder(), ids)
	})
	tap.open()
	for _, id := range ids {
		p.completed(id, o)
	}
	if got := asked(o); !slices.Equal(got, []string{"/t0", "/t1", "/t2", "/t3"}) || o.MaxActive() > 1 {
		t.Errorf("asked for %v, %d at a time", got, o.MaxActive())
	}
}

func parityPausedHead(t *testing.T) {
	o := newOrigin(t)
	p := newParity(t)
	tap, _ := p.queue(o, 3)
	must(p.c.Pause(p.ctx, "t0"))(p)
	p.completed("t1", o)
	p.completed("t2", o)
	if got := p.get("t0").GetStatus(); got != pb.Transfer_PAUSED {
		t.Errorf("the head is %v", got)
	}
	tap.open()
	must(p.c.Resume(p.ctx, "t0"))(p)
	p.completed("t0", o)
}

func parityPlayFromHere(t *testing.T) {
	o := newOrigin(t)
	p := newParity(t)
	tap, ids := p.queue(o, 5)
	next := turnOn(o, "/t2", 300<<10)
	got := must(p.c.MoveTransfer(p.ctx, &pb.MoveTransferRequest{Name: "q", Id: "t2", Where: pb.MoveTransferRequest_PLAY_FROM_HERE}))(p)
	if order := got.GetMembers().GetOrder(); !slices.Equal(order, []string{"t2", "t3", "t4", "t0", "t1"}) {
		t.Errorf("order %v", order)
	}
	p.stored("t2", parityPart)
	p.running(ids, "t2")
	if t0 := p.get("t0"); t0.GetStatus() != pb.Transfer_QUEUED || t0.GetProgress().GetBytesDone() < parityPart {
		t.Errorf("the one that gave its turn back: %v with %v", t0.GetStatus(), t0.GetProgress())
	}
	tap.open()
	next.open()
	for _, id := range ids {
		p.completed(id, o)
	}
	if got := asked(o); !slices.Equal(got, []string{"/t0", "/t2", "/t3", "/t4", "/t0", "/t1"}) {
		t.Errorf("asked for %v", got)
	}
	outside := p.spec("outside", o.URL("/f"))
	p.add(outside)
	_, err := p.c.MoveTransfer(p.ctx, &pb.MoveTransferRequest{Name: "q", Id: "outside", Where: pb.MoveTransferRequest_PLAY_FROM_HERE})
	p.refused(err, "transfer.not_found") // not ignored in silence
}

func parityMove(t *testing.T) {
	o := newOrigin(t)
	p := newParity(t)
	tap, ids := p.queue(o, 4)
	must(p.c.PauseGroup(p.ctx, "q"))(p)
	p.status("t0", pb.Transfer_QUEUED)
	got := must(p.c.MoveTransfer(p.ctx, &pb.MoveTransferRequest{Name: "q", Id: "t3", Where: pb.MoveTransferRequest_FIRST}))(p)
	if order := got.GetMembers().GetOrder(); !slices.Equal(order, []string{"t3", "t0", "t1", "t2"}) || !got.GetPaused() {
		t.Errorf("order %v, paused %v", order, got.GetPaused())
	}
	tap.open()
	must(p.c.ResumeGroup(p.ctx, "q"))(p)
	for _, id := range ids {
		p.completed(id, o)
	}
	if got := asked(o); !slices.Equal(got, []string{"/t0", "/t3", "/t0", "/t1", "/t2"}) {
		t.Errorf("asked for %v", got)
	}
}

func parityRegroup(t *testing.T) {
	o := newOrigin(t)
	p := newParity(t)
	tap, ids := p.queue(o, 2)
	defer tap.open()
	none := ""
	if got := must(p.c.Update(p.ctx, &pb.UpdateTransferRequest{Id: ids[1], Group: &none}))(p); got.GetGroup() != "" {
		t.Errorf("in group %q", got.GetGroup())
	}
	p.completed(ids[1], o)

	p.set("c", newHook(t, accept))
	p.add(p.spec("later", o.URL("/later")))
	set, bad := "c", "no.dots"
	got := must(p.c.Update(p.ctx, &pb.UpdateTransferRequest{Id: "later", CompletionGroup: &set}))(p)
	if got.GetCompletionGroup() != "c" {
		t.Errorf("in completion group %q", got.GetCompletionGroup())
	}
	if group := p.enable("c"); group.GetMembers().GetTotal() != 1 {
		t.Errorf("%v", group)
	}
	p.done("c")
	p.completed("later", o)
	p.add(p.spec("late", o.URL("/late")))
	_, err := p.c.Update(p.ctx, &pb.UpdateTransferRequest{Id: "late", CompletionGroup: &set})
	p.refused(err, "completion.enabled")
	_, err = p.c.Update(p.ctx, &pb.UpdateTransferRequest{Id: "late", CompletionGroup: &bad})
	p.refused(err, "id.invalid")
}
