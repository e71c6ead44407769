package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

var parityObservation = []parityLine{
	{"total unknown, bytes fall at a restart, bytes on the wire never", parityProgress},
	{"a hundred watchers, one of them stalled", parityWatchers},
	{"ranges in full", parityRanges},
	{"a partial result is read from an offset and followed", parityRead},
	{"all pause reasons at once", parityReasons},
	{"a recoverable status pauses, another URL lets it go on", parityRecoverable},
	{"the resolver heals an expired link with no client around", parityResolver},
	{"waiting for attention has a deadline", parityAttention},
	{"listing changes nothing", parityListing},
	{"listing by label and by group", parityLabels},
}

// Content of unknown length from a server without ranges begins again at each
// connection.
func parityProgress(t *testing.T) {
	o := newOrigin(t, func(b *endpointtest.Behavior) {
		b.Ranges, b.Length, b.StallAt, b.StallTimes = endpointtest.RangesOff, endpointtest.LengthNone, 8*parityPart, 1
	})
	p := newParity(t)
	p.create(p.spec("t", o.URL("/f")))
	before := p.stored("t", 7*parityPart).GetProgress()
	if before.BytesTotal != nil {
		t.Errorf("the total is %d", before.GetBytesTotal())
	}
	if shown := p.json("TransferService/GetTransfer", map[string]string{"id": "t"})["progress"].(map[string]any); shown["bytesTotal"] != nil {
		t.Errorf("shown: %v", shown)
	}
	again := func(stallAt int64) {
		must(p.c.Pause(p.ctx, "t"))(p)
		o.Set(func(b *endpointtest.Behavior) { b.StallAt, b.StallTimes = stallAt, 1 })
		must(p.c.Resume(p.ctx, "t"))(p)
	}
	again(2 * parityPart)
	after := p.until("t", "begun again", func(tr *pb.Transfer) bool {
		return tr.GetProgress().GetRestarts() == 1 && tr.GetProgress().GetBytesDone() > 0
	}).GetProgress()
	if after.GetBytesDone() >= before.GetBytesDone() || after.GetBytesOnWire() < before.GetBytesOnWire() {
		t.Errorf("before %v, after %v", before, after)
	}
	again(1 << 40)
	end := p.completed("t", o).GetProgress()
	if end.GetBytesTotal() != o.Content().Size || end.GetBytesDone() != o.Content().Size || end.GetRestarts() != 2 {
		t.Errorf("at the end: %v", end)
	}
	if end.GetBytesOnWire() < after.GetBytesOnWire() || end.GetBytesOnWire() < o.Content().Size+9*parityPart {
		t.Errorf("%d bytes on the wire in the end, %d before", end.GetBytesOnWire(), after.GetBytesOnWire())
	}
}

func parityWatchers(t *testing.T) {
	o := newOrigin(t)
	tap := turnOn(o, "/f", 300<<10)
	p := newParity(t)
	p.create(p.spec("t", o.URL("/f")))
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	stalled := must(rpc(p.node).WatchTransfers(ctx, connect.NewRequest(&pb.WatchTransfersRequest{Ids: []string{"t"}})))(p)
	defer stalled.Close()
	var watching, done sync.WaitGroup
	for range 99 {
		watching.Add(1)
		done.Go(func() {
			first := sync.OnceFunc(watching.Done)
			var last *pb.Transfer
			for tr, err := range p.c.Watch(ctx, "t") {
				first()
				if err != nil {
					t.Error(err)
				}
				last = tr
			}
			if last.GetStatus() != pb.Transfer_COMPLETED {
				t.Errorf("a watcher saw last: %v", last.GetStatus())
			}
		})
	}
	watching.Wait()
	tap.open()
	p.completed("t", o)
	done.Wait()
	var last *pb.Transfer
	for stalled.Receive() {
		last = stalled.Msg().GetTransfer()
	}
	if stalled.Err() != nil || last.GetStatus() != pb.Transfer_COMPLETED {
		t.Errorf("the stalled one saw last: %v, %v", last.GetStatus(), stalled.Err())
	}
}

func parityRanges(t *testing.T) {
	o := newOrigin(t)
	tap := turnOn(o, "/f", 300<<10)
	p := newParity(t)
	p.create(p.spec("t", o.URL("/f")))
	check := func(tr *pb.Transfer, want int64) {
		t.Helper()
		r := tr.GetProgress().GetRanges()
		if len(r) != 1 || r[0].GetOffset() != 0 || r[0].GetLength() != want || tr.GetProgress().GetBytesDone() != want {
			t.Errorf("ranges %v of %d bytes, want %d", r, tr.GetProgress().GetBytesDone(), want)
		}
	}
	check(p.stored("t", 4*parityPart), 4*parityPart)
	check(must(p.c.Pause(p.ctx, "t"))(p), 4*parityPart)
	tap.open()
	must(p.c.Resume(p.ctx, "t"))(p)
	check(p.completed("t", o), o.Content().Size)
}

func parityRead(t *testing.T) {
	const offset = 100<<10 + 1
	o := newOrigin(t)
	tap := turnOn(o, "/f", 300<<10)
	p := newParity(t)
	p.create(p.spec("t", o.URL("/f")))
	p.stored("t", 4*parityPart)
	body := p.c.Read(p.ctx, "t", offset)
	defer body.Close()
	got := make([]byte, 4*parityPart-offset)
	if _, err := io.ReadFull(body, got); err != nil {
		t.Fatal(err)
	}
	if status := p.get("t").GetStatus(); status != pb.Transfer_RUNNING || slices.Contains(p.results(), "t") {
		t.Errorf("read while it was %v, with %v at the destination", status, p.results())
	}
	tap.open()
	got = append(got, must(io.ReadAll(body))(p)...)
	want := must(io.ReadAll(o.Content().Reader(offset)))(p)
	if string(got) != string(want) {
		t.Errorf("%d bytes were read, %d wanted, or they differ", len(got), len(want))
	}
}

// expired is an origin whose path "/expired" answers 403.
func expired(t *testing.T) *endpointtest.Origin {
	o := newOrigin(t)
	o.Handle("/expired", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	return o
}

func parityReasons(t *testing.T) {
	o := expired(t)
	p := newParity(t)
	spec := p.spec("t", o.URL("/expired"))
	spec.RecoverableStatuses = []int32{403}
	p.create(spec)
	p.status("t", pb.Transfer_PAUSED)
	must(p.c.Pause(p.ctx, "t"))(p)
	shown := p.json("TransferService/GetTransfer", map[string]string{"id": "t"})["pauseReasons"]
	if fmt.Sprint(shown) != "[APPLICATION RECOVERABLE_ERROR]" {
		t.Errorf("paused because of %v", shown)
	}
	_, reasons, err := p.c.Explain(p.ctx, "t")
	if err != nil || len(reasons) < 2 {
		t.Errorf("explained by %q, %v", reasons, err)
	}
}

func parityRecoverable(t *testing.T) {
	o := expired(t)
	p := newParity(t)
	spec := p.spec("t", o.URL("/expired"))
	spec.RecoverableStatuses = []int32{403}
	p.create(spec)
	paused := p.status("t", pb.Transfer_PAUSED)
	if e := paused.GetError(); e.GetCode() != "http.status" || e.GetWebErrorStatus() != "FORBIDDEN" || len(o.Requests()) != 1 {
		t.Errorf("%v after %d requests", e, len(o.Requests()))
	}
	fresh := o.URL("/fresh")
	must(p.c.Update(p.ctx, &pb.UpdateTransferRequest{Id: "t", Url: &fresh}))(p)
	if got := p.get("t").GetStatus(); got != pb.Transfer_PAUSED {
		t.Errorf("before it is resumed: %v", got)
	}
	must(p.c.Resume(p.ctx, "t"))(p)
	if got := p.completed("t", o); got.GetAttentionDeadline() != nil || got.GetError() != nil {
		t.Errorf("in the end: %v", got)
	}
}

func parityResolver(t *testing.T) {
	o := expired(t)
	resolver := newHook(t, func(_ int, w http.ResponseWriter) {
		_, _ = fmt.Fprintf(w, `{"url": %q, "headers": [{"name": "X-Key", "value": "new"}]}`, o.URL("/fresh?token=CANARY"))
	})
	p := newParity(t)
	spec := p.spec("t", o.URL("/expired"))
	spec.RecoverableStatuses = []int32{403}
	spec.Resolver = &pb.Webhook{Url: resolver.URL, Secret: paritySecret}
	p.create(spec)
	// Nobody asks the node anything until the file is there.
	p.eventually("published", func() bool { return slices.Contains(p.results(), "t") })
	p.completed("t", o)
	asked := resolver.calls()
	if len(asked) != 1 || asked[0].event.Subject != "t" || !strings.Contains(string(asked[0].event.Data), `"statusCode":403`) {
		t.Errorf("asked %v", asked)
	}
	if r := o.Requests()[1]; r.Path != "/fresh" || r.Query != "token=CANARY" || r.Header.Get("X-Key") != "new" {
		t.Errorf("then it asked for %s?%s with %v", r.Path, r.Query, r.Header)
	}
}

func parityAttention(t *testing.T) {
	o := expired(t)
	p := newParity(t)
	spec := p.spec("t", o.URL("/expired"))
	spec.RecoverableStatuses, spec.AttentionTtl = []int32{403}, durationpb.New(2*time.Hour)
	p.create(spec)
	paused := p.status("t", pb.Transfer_PAUSED)
	if got := paused.GetAttentionDeadline().AsTime().Sub(paused.GetUpdateTime().AsTime()); got != 2*time.Hour {
		t.Errorf("the deadline is %v after the pause", got)
	}
	p.stop()
	p.begin()
	if got := p.get("t"); !got.GetAttentionDeadline().AsTime().Equal(paused.GetAttentionDeadline().AsTime()) {
		t.Errorf("a restart moves the deadline to %v", got.GetAttentionDeadline())
	}
	if got := must(p.c.Resume(p.ctx, "t"))(p); got.GetAttentionDeadline() != nil {
		t.Errorf("resumed with a deadline: %v", got.GetAttentionDeadline())
	}
}

// records are the digests of all records but those that say which nodes there
// are, which change by themselves.
func (p *parity) records() map[string]string {
	p.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(p.state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "/nodes/") {
			return err
		}
		content, err := os.ReadFile(path)
		out[path] = fmt.Sprintf("%x", sha256.Sum256(content))
		return err
	})
	if err != nil || len(out) == 0 {
		p.Fatalf("%d records, %v", len(out), err)
	}
	return out
}

func parityListing(t *testing.T) {
	o := expired(t)
	p := newParity(t)
	put := p.spec("put", o.URL("/f"))
	put.Method = http.MethodPut
	p.add(put)
	post := p.spec("post", o.URL("/f"))
	post.Method, post.Group = http.MethodPost, "g"
	p.add(post)
	paused := p.spec("paused", o.URL("/expired"))
	paused.RecoverableStatuses = []int32{403}
	p.create(paused)
	p.status("paused", pb.Transfer_PAUSED)
	p.create(p.spec("done", o.URL("/f")))
	p.completed("done", o)
	must(p.c.CreateCompletionGroup(p.ctx, &pb.CompletionGroup{Id: "set"}))(p)
	must(p.c.CreateGroup(p.ctx, &pb.Group{Name: "g"}))(p)

	before, asked := p.records(), len(o.Requests())
	n := 0
	for tr, err := range p.c.List(p.ctx, nil) {
		must(tr, err)(p)
		n++
		p.get(tr.GetId())
		_, _, err := p.c.Explain(p.ctx, tr.GetId())
		must(0, err)(p)
	}
	must(p.c.Current(p.ctx))(p)
	for g, err := range p.c.Groups(p.ctx) {
		must(g, err)(p)
	}
	for g, err := range p.c.CompletionGroups(p.ctx) {
		must(g, err)(p)
	}
	after := p.records()
	if n != 4 || len(before) != len(after) || len(o.Requests()) != asked {
		t.Errorf("%d transfers, %d records and then %d, %d requests", n, len(before), len(after), len(o.Requests())-asked)
	}
	for path, digest := range before {
		if after[path] != digest {
			t.Errorf("listing changes %s", path)
		}
	}
}

// Libraries of one program do not see each other's transfers if each asks for
// its own label.
func parityLabels(t *testing.T) {
	o := newOrigin(t)
	p := newParity(t)
	for _, library := range []string{"a", "b"} {
		for i := range 3 {
			spec := p.spec(fmt.Sprint(library, i), o.URL("/f"))
			spec.Labels, spec.Group = map[string]string{"library": library}, fmt.Sprint("g", i)
			p.add(spec)
		}
	}
	p.add(p.spec("other", o.URL("/f")))
	list := func(filter *pb.ListTransfersRequest) (ids []string) {
		filter.PageSize = 2
		for tr, err := range p.c.List(p.ctx, filter) {
			ids = append(ids, must(tr, err)(p).GetId())
		}
		return ids
	}
	if got := list(&pb.ListTransfersRequest{Labels: map[string]string{"library": "b"}}); !slices.Equal(got, []string{"b0", "b1", "b2"}) {
		t.Errorf("of b: %v", got)
	}
	if got := list(&pb.ListTransfersRequest{Group: "g1"}); !slices.Equal(got, []string{"a1", "b1"}) {
		t.Errorf("of the group: %v", got)
	}
	if got := list(&pb.ListTransfersRequest{}); len(got) != 7 {
		t.Errorf("without a filter all are listed, grouped or not: %v", got)
	}
}
