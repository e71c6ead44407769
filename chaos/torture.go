package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"godwit/chaos/proxy"
	pb "godwit/protos/godwit/v1"
)

const (
	// tortureParts is how many parts the download to S3 has.
	tortureParts = 3
	// torturePart is the least that S3 takes as a part, in bytes.
	torturePart = 5 * mib
	// tortureUpload is what the upload sends, in bytes.
	tortureUpload = 300_001
	// torturePatience bounds one run.
	torturePatience = 90 * time.Second
	// leftoverPatience bounds how long what is left over may stay after all runs.
	leftoverPatience = 30 * time.Second
)

// victim is a node with a state of its own, and the ways to all that it calls.
type victim struct {
	c        *Cluster
	node     *Node
	base     *Options
	receiver *receiver
	// ways are what it calls: the store, one origin for each download, the far
	// side of the upload and the receiver of webhooks.
	ways []way
	far  Kind
	// content is what is uploaded, sum its SHA-256.
	content, sum string
	// runs counts what was submitted, kills how often the node was killed.
	runs, kills int
	// killed tells that the node is dead because we killed it.
	killed chan struct{}
}

// way is one server that a node calls, through a proxy.
type way struct {
	proxy   *proxy.Proxy
	address string
}

// The ways of a victim, by index.
const (
	toStore = iota
	toBig
	toSmall
	toFar
	toHook
)

// wayNames say what is at the end of each way.
var wayNames = [...]string{toStore: "store", toBig: "origin of three parts", toSmall: "small origin", toFar: "far side", toHook: "receiver"}

// newVictim starts a node in a folder, and all that stands between it and its
// world.
func newVictim(ctx context.Context, base *Options, name string) (*victim, error) {
	v := &victim{base: base, killed: make(chan struct{}, 1)}
	for _, k := range base.Fars {
		if k.Name == tortureFar {
			v.far = k
		}
	}
	var err error
	if v.receiver, err = startReceiver(); err != nil {
		return nil, err
	}
	far, err := serverOf(v.far.Prepare("none").GetDestination().GetUrl())
	if err != nil {
		return v, err
	}
	var origins []string
	for _, o := range base.Origins {
		server, err := serverOf(o.URL("/"))
		if err != nil {
			return v, err
		}
		origins = append(origins, server)
	}
	for i, server := range []string{base.Store.Endpoint, origins[0], origins[1], far, "http://" + v.receiver.addr} {
		p, err := proxy.New(proxy.Options{Server: server, State: "state/" + name, Plain: i != toStore, Seed: base.Seed})
		if err != nil {
			return v, err
		}
		address, err := p.Listen("n1")
		v.ways = append(v.ways, way{p, address})
		if err != nil {
			return v, err
		}
	}
	return v, v.start(ctx, name)
}

func (v *victim) start(ctx context.Context, name string) error {
	opts := *v.base
	opts.Folder, opts.Nodes, opts.Logf = filepath.Join(v.base.Folder, name), 1, nil
	opts.Store.State = "s3://state/" + name + "?endpoint=" + v.ways[toStore].address
	opts.Store.Env = append(slices.Clone(opts.Store.Env), "AWS_ENDPOINT_URL="+v.ways[toStore].address)
	v.content = filepath.Join(filesBelow(opts.Folder), "content")
	if err := v.write(); err != nil {
		return err
	}
	var err error
	if v.c, err = StartCluster(ctx, opts); err != nil {
		return err
	}
	v.node = v.c.Nodes()[0]
	return nil
}

// write makes the content of the upload.
func (v *victim) write() error {
	b := make([]byte, tortureUpload)
	rand.NewChaCha8([32]byte{byte(v.base.Seed)}).Read(b) //nolint:errcheck // it never fails
	sum := sha256.Sum256(b)
	v.sum = hex.EncodeToString(sum[:])
	if err := os.MkdirAll(filepath.Dir(v.content), 0o700); err != nil {
		return fmt.Errorf("write the content: %w", err)
	}
	if err := os.WriteFile(v.content, b, 0o600); err != nil {
		return fmt.Errorf("write the content: %w", err)
	}
	return nil
}

func (v *victim) close() {
	if v.c != nil {
		v.c.Close()
	}
	for _, w := range v.ways {
		_ = w.proxy.Close() // nobody is left
	}
	v.receiver.server.Close() //nolint:errcheck // nobody waits for an answer
}

// serverOf is the server of a URL.
func serverOf(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("a far side: %w", err)
	}
	return u.Scheme + "://" + u.Host, nil
}

// through is a URL by way of a proxy.
func (w way) through(raw string) string {
	server, err := serverOf(raw)
	if err != nil {
		return raw // it was taken apart before
	}
	return w.address + strings.TrimPrefix(raw, server)
}

// blow is one way to make one call fail.
type blow struct {
	way, k int
	how    string
}

// The ways to make a call fail.
const (
	errorBefore = "error before"
	replyLost   = "answer lost"
	killAfter   = "kill after"
)

func (b *blow) String() string {
	if b == nil {
		return "without any fault"
	}
	return fmt.Sprintf("%s, call %d to the %s", b.how, b.k, wayNames[b.way])
}

// rule is what the proxy is told.
func (v *victim) rule(b blow) proxy.Rule {
	switch b.how {
	case errorBefore:
		return proxy.Rule{Nth: b.k, Do: proxy.Refuse}
	case replyLost:
		return proxy.Rule{Nth: b.k, Do: proxy.Lose}
	}
	return proxy.Rule{Nth: b.k, Do: proxy.Lose, Then: func() {
		v.node.Kill()
		v.killed <- struct{}{}
	}}
}

// run puts the canonical set on, makes one call fail, and judges. It tells whether
// the call was made.
func (v *victim) run(ctx context.Context, b *blow, r *Report) (struck bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, torturePatience)
	defer cancel()
	watching, stop := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- v.revive(watching) }()
	if b != nil {
		v.ways[b.way].proxy.Set(v.rule(*b))
	}
	h, err := v.submit(ctx)
	if err == nil {
		err = v.await(ctx, h)
	}
	stop()
	if ended := <-watched; ended != nil {
		return false, ended
	}
	if b != nil {
		struck = v.ways[b.way].proxy.Struck()[0] > 0
		v.ways[b.way].proxy.Set()
	}
	if err != nil {
		return struck, err
	}
	for _, wrong := range v.judge(ctx, h) {
		r.Violate("%v: %s", b, wrong)
	}
	return struck, nil
}

// revive restarts the node when it was killed, and fails when it ended by
// itself, until ctx ends.
func (v *victim) revive(ctx context.Context) error {
	for {
		_, err := v.node.process().Wait(ctx)
		if err != nil {
			select {
			case <-v.killed: // just before the end
			default:
				return nil
			}
		} else {
			select {
			case <-v.killed:
			case <-time.After(time.Second):
				return fmt.Errorf("the node ended by itself\n%s", v.node.Tail())
			}
		}
		v.kills++
		starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), startPatience)
		err = v.node.Start(starting)
		cancel()
		if err != nil {
			return err
		}
	}
}

// ids are those of the transfers of a run.
func (v *victim) ids() (big, small, upload string) {
	return fmt.Sprintf("big%04d", v.runs), fmt.Sprintf("small%04d", v.runs), fmt.Sprintf("up%04d-%s", v.runs, filepath.Base(v.c.opts.Folder))
}

// submit makes the canonical set: a group with its webhook, a download of three
// parts to S3, a small one to a file, and an upload.
func (v *victim) submit(ctx context.Context) (*hook, error) {
	v.runs++
	big, small, up := v.ids()
	h := v.receiver.add(fmt.Sprintf("group%04d", v.runs), []string{big, small, up}, nil)
	v.receiver.expect(h)
	webhook := v.receiver.webhook(h)
	webhook.Url = v.ways[toHook].through(webhook.GetUrl())
	_, err := insist(ctx, v.c, "create "+h.group, func(ctx context.Context, n *Node) (*pb.CompletionGroup, error) {
		return n.CreateCompletionGroup(ctx, &pb.CompletionGroup{Id: h.group, Webhook: webhook})
	})
	if err != nil {
		return nil, err
	}
	upload := v.far.Prepare(up)
	upload.Id, upload.Direction, upload.Source = up, pb.Transfer_UPLOAD, &pb.Endpoint{Url: "file://" + v.content}
	upload.Destination.Url = v.ways[toFar].through(upload.GetDestination().GetUrl())
	for _, t := range []*pb.Transfer{
		{
			Id: big, Source: &pb.Endpoint{Url: v.ways[toBig].through(v.base.Origins[0].URL("/" + big))},
			Destination: &pb.Endpoint{Url: v.c.opts.Store.Destination(v.result(big))}, PartSize: torturePart, Connections: 2,
		},
		{
			Id: small, Source: &pb.Endpoint{Url: v.ways[toSmall].through(v.base.Origins[1].URL("/" + small))},
			Destination: &pb.Endpoint{Url: "file://" + v.file(small)},
		},
		upload,
	} {
		t.CompletionGroup = h.group
		_, err := insist(ctx, v.c, "submit "+t.GetId(), func(ctx context.Context, n *Node) (*pb.Transfer, error) { return n.Create(ctx, t, true) })
		if err != nil {
			return nil, err
		}
	}
	_, err = insist(ctx, v.c, "enable "+h.group, func(ctx context.Context, n *Node) (*pb.CompletionGroup, error) {
		return n.EnableCompletionGroup(ctx, h.group)
	})
	return h, err
}

// result is the name of a result in S3, which no other victim has.
func (v *victim) result(id string) string { return filepath.Base(v.c.opts.Folder) + "-" + id }

// file is the path of a result in a file.
func (v *victim) file(id string) string { return filepath.Join(filesBelow(v.c.opts.Folder), id) }

// await returns when the group has ended. Its task is tried again at once.
func (v *victim) await(ctx context.Context, h *hook) error {
	s := &completions{c: v.c, wait: shortWait}
	for !s.look(ctx, h) {
		if err := idle(ctx, 2*glance); err != nil {
			now, _ := v.c.Transfers(context.WithoutCancel(ctx))
			big, small, up := v.ids()
			return fmt.Errorf("group %s does not end: %w: %v; %v; %v", h.group, err, now[big], now[small], now[up])
		}
	}
	return nil
}

// judge says what is wrong with the end of a run.
func (v *victim) judge(ctx context.Context, h *hook) (wrong []string) {
	g, err := insist(ctx, v.c, "get "+h.group, func(ctx context.Context, n *Node) (*pb.CompletionGroup, error) {
		return n.CompletionGroup(ctx, h.group)
	})
	if err != nil {
		return []string{err.Error()}
	}
	if g.GetStatus() != pb.CompletionGroup_DONE || g.GetMembers().GetCompleted() != int32(len(h.members)) {
		wrong = append(wrong, fmt.Sprintf("group %s is %v", h.group, g))
	}
	wrong = append(wrong, v.receiver.judge(h, g.GetTask().GetId())...)
	now, err := v.c.Transfers(ctx)
	if err != nil {
		return append(wrong, err.Error())
	}
	big, small, up := v.ids()
	for _, id := range h.members {
		if now[id].GetStatus() != pb.Transfer_COMPLETED {
			wrong = append(wrong, fmt.Sprintf("%s is %v: %v", id, now[id].GetStatus(), now[id].GetError()))
		}
	}
	origin := v.base.Origins[0]
	if sum, size, err := v.c.digest(v.result(big)); err != nil || sum != origin.SHA256() || size != origin.Size {
		wrong = append(wrong, fmt.Sprintf("%s has %d bytes with sha256 %s: %v", big, size, sum, err))
	}
	origin = v.base.Origins[1]
	if b, err := os.ReadFile(v.file(small)); err != nil || fmt.Sprintf("%x", sha256.Sum256(b)) != origin.SHA256() {
		wrong = append(wrong, fmt.Sprintf("%s has %d bytes: %v", small, len(b), err))
	}
	if sum, size, found := v.far.Result(up); !found || sum != v.sum {
		wrong = append(wrong, fmt.Sprintf("%s has %d bytes with sha256 %s at the far side", up, size, sum))
	}
	if len(wrong) == 0 {
		err = errors.Join(v.base.Store.Remove(v.result(big)), os.Remove(v.file(small)))
	}
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	return wrong
}

// leftovers are hidden files of results that were never finished.
func (v *victim) leftovers() []string {
	var found []string
	err := filepath.WalkDir(filesBelow(v.c.opts.Folder), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		found = append(found, err.Error())
	}
	return found
}
