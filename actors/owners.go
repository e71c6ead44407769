package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
)

// ownersTick is how often leases of owners in question are read.
const ownersTick = time.Second

// owners judges the owners of records that other nodes have, for the shards
// that should have them. It watches only those that it is asked about.
type owners struct {
	*deps
	life     *life
	topology Topology
	watched  map[ownerRef]*watchedOwner
	ticking  bool
}

// watchedOwner is an owner in question, and who asks.
type watchedOwner struct {
	evidence evidence
	version  storage.Version
	// since is when the lease was first seen as it is now.
	since   time.Time
	told    verdict
	shards  map[string]*actor.PID
	reading bool
}

// Messages of owners.
type (
	// watchOwner asks for the verdict about an owner, now and when it changes.
	watchOwner struct{ owner ownerRef }
	// unwatchOwners ends all that the sender asked for.
	unwatchOwners struct{}
	// ownerJudged answers.
	ownerJudged struct {
		owner   ownerRef
		verdict verdict
	}
	ownersDue struct{}
	leaseSeen struct {
		owner   ownerRef
		lease   *recordpb.Lease
		version storage.Version
		refuses bool
		began   time.Time
		err     error
	}
)

func newOwners(d *deps) actor.Producer {
	return func() actor.Actor { return &owners{deps: d, watched: map[ownerRef]*watchedOwner{}} }
}

func (o *owners) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		c, stop := context.WithCancel(context.Background())
		o.life = &life{ctx: c, stop: stop}
	case *actor.Stopping, *actor.Restarting:
		o.life.stop()
	case *topologyChanged:
		o.onTopology(ctx, msg)
	case *watchOwner:
		o.onWatch(ctx, msg)
	case *unwatchOwners:
		o.onUnwatch(ctx)
	case *ownersDue:
		o.onDue(ctx)
	case *leaseSeen:
		o.onSeen(ctx, msg)
	}
}

func (o *owners) onTopology(ctx actor.Context, msg *topologyChanged) {
	o.topology = msg.topology
	for ref, w := range o.watched {
		o.decide(ctx, ref, w)
	}
}

func (o *owners) onWatch(ctx actor.Context, msg *watchOwner) {
	w, ok := o.watched[msg.owner]
	if !ok {
		w = &watchedOwner{since: time.Now(), shards: map[string]*actor.PID{}}
		o.watched[msg.owner] = w
	}
	w.shards[ctx.Sender().Id] = ctx.Sender()
	o.decide(ctx, msg.owner, w)
	if w.told != ownerLives {
		ctx.Respond(&ownerJudged{owner: msg.owner, verdict: w.told})
	}
	if w.told != ownerGone && !w.evidence.read {
		o.read(ctx, msg.owner, w)
	}
	o.schedule(ctx)
}

func (o *owners) onUnwatch(ctx actor.Context) {
	for ref, w := range o.watched {
		delete(w.shards, ctx.Sender().Id)
		if len(w.shards) == 0 {
			delete(o.watched, ref)
		}
	}
}

func (o *owners) schedule(ctx actor.Context) {
	if o.ticking || len(o.watched) == 0 {
		return
	}
	o.ticking = true
	self, root := ctx.Self(), ctx.ActorSystem().Root
	time.AfterFunc(ownersTick, func() { root.Send(self, &ownersDue{}) })
}

func (o *owners) onDue(ctx actor.Context) {
	o.ticking = false
	for ref, w := range o.watched {
		if w.told != ownerGone {
			o.read(ctx, ref, w)
		}
	}
	o.schedule(ctx)
}

// read reads an owner's lease, and tries the port that it names when the cluster
// does not know the node.
func (o *owners) read(ctx actor.Context, ref ownerRef, w *watchedOwner) {
	if w.reading {
		return
	}
	w.reading = true
	life, self, root := o.life, ctx.Self(), ctx.ActorSystem().Root
	known := o.topology.member(ref.node) != nil
	go func() {
		c, cancel := context.WithTimeout(life.ctx, o.cfg.LeaseTimeout)
		defer cancel()
		seen := &leaseSeen{owner: ref, began: time.Now()}
		seen.lease, seen.version, seen.err = readLease(c, o.cfg.Records, ref.node)
		if addr := seen.lease.GetRemoteAddr(); addr != "" && !known && o.cfg.Refuses != nil && seen.lease.GetIncarnation() == ref.incarnation {
			seen.refuses = o.cfg.Refuses(c, addr)
		}
		root.Send(self, seen)
	}()
}

// readLease returns the lease of a node, nil if it has none or one that nobody
// can read.
func readLease(ctx context.Context, store storage.RecordStore, node string) (*recordpb.Lease, storage.Version, error) {
	rec, err := store.Get(ctx, leaseKey(node))
	switch {
	case storage.KindOf(err) == storage.ErrNotFound:
		return nil, "", nil
	case err != nil:
		return nil, "", err
	}
	lease := &recordpb.Lease{}
	if proto.Unmarshal(rec.Body, lease) != nil {
		lease = nil
	}
	return lease, rec.Version, nil
}

func (o *owners) onSeen(ctx actor.Context, msg *leaseSeen) {
	w, ok := o.watched[msg.owner]
	if !ok {
		return
	}
	w.reading = false
	if msg.err != nil {
		// While the store is away nobody's lease can be judged, not even as old.
		w.since = time.Now()
		return
	}
	if !w.evidence.read || msg.version != w.version {
		w.since = time.Now()
	}
	w.version = msg.version
	w.evidence.read, w.evidence.lease, w.evidence.refuses = true, msg.lease, msg.refuses
	// Only as far as we have looked: this node may have been away itself.
	w.evidence.still = max(0, msg.began.Sub(w.since))
	o.decide(ctx, msg.owner, w)
}

// decide tells those who asked when the verdict has changed.
func (o *owners) decide(ctx actor.Context, ref ownerRef, w *watchedOwner) {
	w.evidence.member = o.topology.member(ref.node)
	v := judge(ref, w.evidence, o.cfg.LeaseExpiry)
	if v == w.told {
		return
	}
	w.told = v
	for _, pid := range w.shards {
		ctx.Send(pid, &ownerJudged{owner: ref, verdict: v})
	}
}
