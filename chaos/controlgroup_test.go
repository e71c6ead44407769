package chaos

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"godwit/client"
	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
	"godwit/storage/s3/s3test"
)

// noChecksums is a store that refuses uploads with checksums.
func noChecksums(c s3test.Call) s3test.Fault {
	if c.Op == "CreateMultipartUpload" && c.Header.Get("X-Amz-Checksum-Algorithm") != "" {
		return s3test.Fault{Status: http.StatusNotImplemented, Code: "NotImplemented"}
	}
	return s3test.Fault{}
}

// group makes a completion group with its members, which run.
func (p *proof) group(replies []reply, jobs ...*Job) (*receiver, *hook) {
	p.Helper()
	hooks, err := startReceiver()
	p.must(err)
	p.Cleanup(func() { _ = hooks.server.Close() })
	var ids []string
	for _, j := range jobs {
		j.Completion = "g1"
		ids = append(ids, j.ID)
	}
	h := hooks.add("g1", ids, replies)
	_, err = p.Nodes()[0].CreateCompletionGroup(p.ctx, &pb.CompletionGroup{Id: "g1", Webhook: hooks.webhook(h)})
	p.must(err)
	for _, j := range jobs {
		p.must(p.Submit(p.ctx, j, Params{PartSize: 1 << 20, Connections: 1}))
	}
	return hooks, h
}

// groupEnded tells whether the group has ended, as any live node says.
func (p *proof) groupEnded() bool {
	g, err := p.groupNow()
	return err == nil && client.CompletionEnded(g.GetStatus())
}

func (p *proof) groupNow() (*pb.CompletionGroup, error) {
	ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
	defer cancel()
	return anywhere(ctx, p.Cluster, func(ctx context.Context, n *Node) (*pb.CompletionGroup, error) { return n.CompletionGroup(ctx, "g1") })
}

// endGroup has one member of a group fail, be retried and complete while another
// one runs, and the receiver refuse the first delivery.
func (p *proof) endGroup() {
	origins := p.set(setting{nodes: 1, state: "dir", results: "files", origins: []endpointtest.Options{
		{Size: 300_007}, {Size: 8 << 20, Behavior: endpointtest.Behavior{Rate: 1 << 20}},
	}})
	quick, slow := p.NewJob(), p.NewJob()
	quick.Origin, slow.Origin = p.opts.Origins[0], p.opts.Origins[1]
	origins[0].Set(func(b *endpointtest.Behavior) { b.Status, b.StatusTimes = http.StatusNotFound, endpointtest.Always })
	hooks, h := p.group([]reply{refused}, quick, slow)
	hooks.expect(h)
	_, err := p.Nodes()[0].EnableCompletionGroup(p.ctx, "g1")
	p.must(err)
	if t := p.ends(quick.ID); t.GetStatus() != pb.Transfer_FAILED {
		p.Fatalf("%v", t)
	}
	origins[0].Set(func(b *endpointtest.Behavior) { b.Status = 0 })
	_, err = p.Nodes()[0].Retry(p.ctx, quick.ID)
	p.must(err)
	p.until("the group has ended", p.groupEnded)
	g, err := p.groupNow()
	p.must(err)
	p.report.Violations = append(p.report.Violations, hooks.judge(h, g.GetTask().GetId())...)
	p.Judge(p.ctx, Params{}, &p.report)
}

// strayPatience is how long after a pause a node is watched.
const strayPatience = 8 * time.Second

// stopTask has a node stand still just before it delivers a webhook, until others
// have delivered it and recorded that. What the node does then is known to nobody.
func (p *proof) stopTask() {
	p.set(setting{nodes: 3, state: "dir", results: "files", origins: []endpointtest.Options{{Size: 300_007}}})
	hooks, h := p.group(nil, p.NewJob())
	p.must(os.WriteFile(p.failpointFile(), []byte("stop attempt-begun"), 0o600))
	hooks.expect(h)
	_, err := p.Nodes()[0].EnableCompletionGroup(p.ctx, "g1")
	p.must(err)
	var stopped *Node
	p.until("a node stands still", func() bool {
		for _, n := range p.Nodes() {
			if n.standsStill() {
				stopped = n
			}
		}
		return stopped != nil
	})
	p.must(stopped.Pause()) // so that nobody is asked for it
	if n := len(hooks.deliveries(h)); n > 0 {
		p.Fatalf("%d deliveries came before", n)
	}
	p.until("the group has ended", p.groupEnded)
	before := len(hooks.deliveries(h))
	p.must(stopped.Continue())
	watching, cancel := context.WithTimeout(p.ctx, strayPatience)
	defer cancel()
	for len(hooks.deliveries(h)) == before && idle(watching, glance) == nil {
	}
	if n := len(hooks.deliveries(h)) - before; n > 0 {
		p.violate("S6", "%s stood still until its task was done by another node, and then delivered it once more", stopped.Name)
	}
	p.Judge(p.ctx, Params{}, &p.report)
}

// standsStill tells whether the process was stopped by a signal.
func (n *Node) standsStill() bool {
	p := n.process()
	if p == nil {
		return false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "T")
}
