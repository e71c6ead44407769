package node

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

var paritySets = []parityLine{
	{"enabling is needed", parityUnarmed},
	{"adding after enabling is refused", parityLate},
	{"enabling twice changes nothing", parityEnableTwice},
	{"fires once, failed and canceled count, paused holds", parityFires},
	{"fires when it is enabled after all have finished", parityEnableLast},
	{"an empty set fires", parityEmpty},
	{"payload lists the members", parityPayload},
	{"a set that was forgotten is found again", parityFound},
	{"a delivery that got lost is repeated under its webhook-id", parityRedelivery},
	{"retry of the set", parityRetrySet},
	{"notifications by the outcome of the set", parityNotifications},
	{"notifications of a transfer, of its need for attention too", parityNotices},
}

// set makes a completion group that calls h.
func (p *parity) set(id string, h *hook) *pb.CompletionGroup {
	p.Helper()
	return must(p.c.CreateCompletionGroup(p.ctx, &pb.CompletionGroup{Id: id, Webhook: &pb.Webhook{Url: h.URL, Secret: paritySecret}}))(p)
}

// member is a started member of the set "s".
func (p *parity) member(id, url string) *pb.Transfer {
	p.Helper()
	spec := p.spec(id, url)
	spec.CompletionGroup = "s"
	return p.create(spec)
}

func (p *parity) enable(id string) *pb.CompletionGroup {
	p.Helper()
	return must(p.c.EnableCompletionGroup(p.ctx, id))(p)
}

// done polls until a set has ended and wants it to be done.
func (p *parity) done(id string) *pb.CompletionGroup {
	p.Helper()
	g := must(p.c.WaitCompletionGroup(p.ctx, id, nil))(p)
	if g.GetStatus() != pb.CompletionGroup_DONE {
		p.Errorf("set %s ended as %v", id, g)
	}
	return g
}

// tasks are all background tasks that the node knows of.
func (p *parity) tasks() (all []*pb.Task) {
	p.Helper()
	for task, err := range p.c.Tasks(p.ctx) {
		all = append(all, must(task, err)(p))
	}
	return all
}

func parityUnarmed(t *testing.T) {
	o, h := newOrigin(t), newHook(t, accept)
	p := newParity(t)
	p.set("s", h)
	p.member("a", o.URL("/f"))
	p.completed("a", o)
	p.eventually("the set knows", func() bool {
		return must(p.c.CompletionGroup(p.ctx, "s"))(p).GetMembers().GetCompleted() == 1
	})
	if g := must(p.c.CompletionGroup(p.ctx, "s"))(p); g.GetStatus() != pb.CompletionGroup_OPEN || g.GetEnabled() || len(p.tasks()) > 0 {
		t.Errorf("all members completed, and it is %v with %d tasks", g, len(p.tasks()))
	}
	p.enable("s")
	p.done("s")
	if n := len(h.calls()); n != 1 {
		t.Errorf("%d deliveries", n)
	}
}

func parityLate(t *testing.T) {
	o, h := newOrigin(t), newHook(t, accept)
	tap := turnOn(o, "/held", 300<<10)
	p := newParity(t)
	p.set("s", h)
	p.member("a", o.URL("/held"))
	p.add(p.spec("outside", o.URL("/f")))
	p.enable("s")
	late := p.spec("late", o.URL("/f"))
	late.CompletionGroup = "s"
	_, err := p.c.Create(p.ctx, late, true)
	p.refused(err, "completion.enabled")
	_, err = p.c.AddTransfers(p.ctx, "s", "outside")
	p.refused(err, "completion.enabled")
	_, err = p.c.Get(p.ctx, "late")
	p.refused(err, "transfer.not_found") // it was not made, only without its set
	tap.open()
	if g := p.done("s"); g.GetMembers().GetTotal() != 1 {
		t.Errorf("members %v", g.GetMembers())
	}
}

func parityEnableTwice(t *testing.T) {
	o, h := newOrigin(t), newHook(t, accept)
	tap := turnOn(o, "/held", 300<<10)
	p := newParity(t)
	p.set("s", h)
	p.member("a", o.URL("/held"))
	first, second := p.enable("s"), p.enable("s")
	if !first.GetEnabled() || !first.GetEnableTime().AsTime().Equal(second.GetEnableTime().AsTime()) {
		t.Errorf("first %v, second %v", first, second)
	}
	tap.open()
	p.done("s")
	p.enable("s")
	if n := len(h.calls()); n != 1 || len(p.tasks()) != 1 {
		t.Errorf("%d deliveries of %d tasks", n, len(p.tasks()))
	}
}

func parityFires(t *testing.T) {
	o, h := newOrigin(t), newHook(t, accept)
	turnOn(o, "/held", 300<<10)
	o.Handle("/none", http.NotFoundHandler())
	p := newParity(t)
	p.set("s", h)
	p.member("ok", o.URL("/f"))
	p.member("failed", o.URL("/none"))
	p.member("canceled", o.URL("/held"))
	p.member("paused", o.URL("/held"))
	p.enable("s")
	p.stored("canceled", parityPart)
	p.stored("paused", parityPart)
	must(p.c.Cancel(p.ctx, "canceled", ""))(p)
	must(p.c.Pause(p.ctx, "paused"))(p)
	p.eventually("all but the paused one have ended", func() bool {
		return slices.Equal(must(p.c.CompletionGroup(p.ctx, "s"))(p).GetMembers().GetWaitingOn(), []string{"paused"})
	})
	if n := len(p.tasks()); n > 0 {
		t.Errorf("%d tasks while one is paused", n)
	}
	fresh := o.URL("/f")
	must(p.c.Update(p.ctx, &pb.UpdateTransferRequest{Id: "paused", Url: &fresh}))(p)
	must(p.c.Resume(p.ctx, "paused"))(p)
	m := p.done("s").GetMembers()
	if m.GetTotal() != 4 || m.GetCompleted() != 2 || m.GetFailed() != 1 || m.GetCanceled() != 1 {
		t.Errorf("members %v", m)
	}
	if len(h.calls()) != 1 || len(p.tasks()) != 1 {
		t.Errorf("%d deliveries of %d tasks", len(h.calls()), len(p.tasks()))
	}
}

func parityEnableLast(t *testing.T) {
	o, h := newOrigin(t), newHook(t, accept)
	p := newParity(t)
	p.set("s", h)
	p.member("a", o.URL("/f"))
	p.member("b", o.URL("/f"))
	p.completed("a", o)
	p.completed("b", o)
	p.enable("s")
	if g := p.done("s"); g.GetMembers().GetCompleted() != 2 || len(h.calls()) != 1 {
		t.Errorf("members %v, %d deliveries", g.GetMembers(), len(h.calls()))
	}
}

func parityEmpty(t *testing.T) {
	h := newHook(t, accept)
	p := newParity(t)
	p.set("s", h)
	p.enable("s")
	p.done("s")
	if c := h.calls(); len(c) != 1 || c[0].event.Subject != "s" {
		t.Errorf("deliveries %v", c)
	}
}

func parityPayload(t *testing.T) {
	o, h := newOrigin(t), newHook(t, accept)
	o.Handle("/none", http.NotFoundHandler())
	p := newParity(t)
	p.set("s", h)
	p.member("ok", o.URL("/f?token=CANARY"))
	p.member("failed", o.URL("/none"))
	p.enable("s")
	p.done("s")
	event := h.calls()[0].event
	var data struct {
		ID        string
		Members   struct{ Total, Completed, Failed int }
		Transfers []json.RawMessage
	}
	if err := json.Unmarshal(event.Data, &data); err != nil {
		t.Fatal(err)
	}
	if event.Type != "godwit.completion_group.finished" || data.ID != "s" || data.Members.Total != 2 || data.Members.Failed != 1 {
		t.Errorf("told %s of %+v", event.Type, data)
	}
	told := map[string]*pb.Transfer{}
	for _, raw := range data.Transfers {
		var tr pb.Transfer
		if err := protojson.Unmarshal(raw, &tr); err != nil {
			t.Fatal(err)
		}
		told[tr.GetId()] = &tr
	}
	if ok := told["ok"]; ok.GetStatus() != pb.Transfer_COMPLETED || ok.GetSource().GetUrl() != o.URL("/f") ||
		ok.GetDestination().GetUrl() != "file://"+p.file("ok") || ok.GetResponse().GetStatusCode() != 206 || ok.GetProgress().GetBytesDone() != o.Content().Size {
		t.Errorf("told %v", ok)
	}
	if failed := told["failed"]; failed.GetStatus() != pb.Transfer_FAILED || failed.GetError().GetWebErrorStatus() != "NOT_FOUND" {
		t.Errorf("told %v", failed)
	}
}

// A program that dies between creating a set and enabling it finds the set when
// it comes back, as the node does when it comes back.
func parityFound(t *testing.T) {
	o, h := newOrigin(t), newHook(t, accept)
	tap := turnOn(o, "/held", 300<<10)
	p := newParity(t)
	p.set("s", h)
	p.member("a", o.URL("/held"))
	p.stored("a", parityPart)
	p.stop()
	p.begin()
	var open []string
	for g, err := range p.c.CompletionGroups(p.ctx, pb.CompletionGroup_OPEN) {
		open = append(open, must(g, err)(p).GetId())
	}
	if !slices.Equal(open, []string{"s"}) {
		t.Errorf("open: %v", open)
	}
	p.enable("s")
	tap.open()
	p.done("s")
	if n := len(h.calls()); n != 1 {
		t.Errorf("%d deliveries", n)
	}
}

func parityRedelivery(t *testing.T) {
	h := newHook(t, func(n int, w http.ResponseWriter) {
		if n == 1 {
			panic(http.ErrAbortHandler) // it was handled, and the reply got lost
		}
		w.WriteHeader(http.StatusOK)
	})
	p := newParity(t)
	p.set("s", h)
	p.enable("s")
	g := p.done("s")
	c := h.calls()
	if len(c) != 2 || c[0].id == "" || c[0].id != c[1].id || c[0].id != g.GetTask().GetId() {
		t.Fatalf("deliveries %v of task %v", c, g.GetTask())
	}
	task := must(p.c.Task(p.ctx, c[0].id))(p)
	if task.GetStatus() != pb.Task_SUCCEEDED || task.GetAttempts() != 2 || task.GetAttemptHistory()[0].GetError().GetCode() != "net.reset" {
		t.Errorf("task %v", task)
	}
	first := strings.Replace(string(c[0].event.Data), `"attempts":1`, `"attempts":2`, 1)
	if second := string(c[1].event.Data); first != second {
		t.Errorf("it said first %s, then %s", first, second)
	}
	must(p.c.RedeliverTask(p.ctx, task.GetId()))(p)
	p.eventually("delivered once more", func() bool { return len(h.calls()) == 3 })
	if again := h.calls()[2].id; again != task.GetId() {
		t.Errorf("by hand it has the id %s", again)
	}
}

func parityRetrySet(t *testing.T) {
	o, h := newOrigin(t), newHook(t, accept)
	sick := newOrigin(t, func(b *endpointtest.Behavior) { b.Status, b.StatusTimes = http.StatusNotFound, 1 })
	p := newParity(t)
	p.set("s", h)
	p.member("ok", o.URL("/f"))
	p.member("failed", sick.URL("/f"))
	p.enable("s")
	p.done("s")
	child := must(p.c.RetryCompletionGroup(p.ctx, "s"))(p)
	if child.GetParent() != "s" || child.GetId() == "s" {
		t.Errorf("child %v", child)
	}
	m := p.done(child.GetId()).GetMembers()
	p.completed("failed", sick)
	if m.GetTotal() != 1 || m.GetCompleted() != 1 || len(o.Requests()) != 1 {
		t.Errorf("members %v, %d requests for the one that had completed", m, len(o.Requests()))
	}
	c := h.calls()
	if len(c) != 2 || c[0].id == c[1].id || c[1].event.Subject != child.GetId() {
		t.Errorf("deliveries %v", c)
	}
}

func parityNotifications(t *testing.T) {
	o, h := newOrigin(t), newHook(t, accept)
	o.Handle("/none", http.NotFoundHandler())
	p := newParity(t, channel(t, h))
	for id, path := range map[string]string{"good": "/f", "bad": "/none"} {
		must(p.c.CreateCompletionGroup(p.ctx, &pb.CompletionGroup{Id: id, Notifications: []*pb.Notification{{
			Channel: "ops", Success: "{id}: {total} are there", Failure: "{id}: {failed} of {total} failed", Tag: "nightly", Ttl: durationpb.New(time.Hour),
		}}}))(p)
		spec := p.spec("of-"+id, o.URL(path))
		spec.CompletionGroup = id
		p.create(spec)
		p.enable(id)
		p.done(id)
	}
	p.eventually("both told", func() bool { return len(h.calls()) == 2 })
	if got := told(t, h); !slices.Equal(got, []string{"bad: 1 of 1 failed", "good: 1 are there"}) {
		t.Errorf("told %q", got)
	}
	_, err := p.c.CreateCompletionGroup(p.ctx, &pb.CompletionGroup{Id: "x", Notifications: []*pb.Notification{{Channel: "none", Success: "x"}}})
	p.refused(err, "channel.unknown") // never ignored in silence
}

// channel gives a node the channel "ops", which leads to h.
func channel(t *testing.T, h *hook) func(*Config) {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(paritySecret), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.Channels = map[string]Channel{"ops": {Webhook: h.URL, SecretFile: secret}} }
}

// told are the texts of all notifications, each of which has the tag "nightly"
// and a time at which it expires.
func told(t *testing.T, h *hook) (texts []string) {
	t.Helper()
	for _, c := range h.calls() {
		var data struct {
			Text, Tag, CompletionGroup, Transfer string
			Expires                              time.Time
		}
		if err := json.Unmarshal(c.event.Data, &data); err != nil {
			t.Fatal(err)
		}
		if data.Tag != "nightly" || data.Expires.IsZero() || data.CompletionGroup+data.Transfer != c.event.Subject || c.event.Type != "godwit.notification" {
			t.Errorf("told %+v", data)
		}
		texts = append(texts, data.Text)
	}
	slices.Sort(texts)
	return texts
}

func parityNotices(t *testing.T) {
	o, h := expired(t), newHook(t, accept)
	o.Handle("/none", http.NotFoundHandler())
	p := newParity(t, channel(t, h))
	for id, path := range map[string]string{"good": "/f", "bad": "/none", "stuck": "/expired"} {
		spec := p.spec(id, o.URL(path))
		spec.RecoverableStatuses = []int32{403}
		spec.Notifications = []*pb.Notification{{
			Channel: "ops", Success: "{id} is there", Failure: "{id} {status} {error}", Tag: "nightly", Ttl: durationpb.New(time.Hour),
		}}
		p.create(spec)
	}
	p.eventually("all told", func() bool { return len(h.calls()) == 3 })
	if got := told(t, h); !slices.Equal(got, []string{"bad FAILED http.status", "good is there", "stuck PAUSED http.status"}) {
		t.Errorf("told %q", got)
	}
}
