package actors

import (
	"context"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"godwit/bug"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/transfer"
)

// healthTick is how often health looks at the clocks.
const healthTick = 500 * time.Millisecond

// health keeps the node's lease and notices when the node was away. A node
// that cannot renew its lease, or that was paused for so long that others may
// have taken its transfers, stops them before it does anything else, and comes
// back as another incarnation.
type health struct {
	*deps
	life *life
	// lease is what was last written, next what is to be: it has another
	// incarnation while the node is fenced.
	lease, next *recordpb.Lease
	version     storage.Version
	// renewed is when the lease was last written; both clocks matter: the
	// monotonic one stands still while a virtual machine is suspended.
	renewed, looked instant
	renewing        bool
	fenced          bool
	waiting         []*actor.PID
	// dropping: the next write releases the lease, and leaving waits for it.
	dropping bool
	leaving  []*actor.PID
	// running are some of the transfers that run.
	running []string
	// cameBack: an earlier incarnation did not end in good order.
	cameBack bool
}

// Messages of health.
type (
	healthDue   struct{}
	leaseResult struct {
		life    *life
		began   instant
		lease   *recordpb.Lease
		version storage.Version
		// crashed: an earlier incarnation had not released the lease.
		crashed bool
		err     error
	}
	// awaitLease is answered with leaseHeld once the lease was written.
	awaitLease struct{}
	leaseHeld  struct{}
	// dropLease releases the lease; answered with leaseHeld.
	dropLease struct{}
	// roleChanged is what an operator wants of the node.
	roleChanged struct{ role Role }
	// nowRunning are some of the transfers that run, for the next lease.
	nowRunning struct{ ids []string }
)

func newHealth(d *deps) actor.Producer {
	return func() actor.Actor {
		return &health{deps: d, next: &recordpb.Lease{
			Node: d.cfg.Node, Incarnation: d.cfg.Incarnation, Version: d.cfg.Version,
			ApiAddr: d.cfg.APIAddr, RemoteAddr: d.cfg.RemoteAddr, GossipAddr: d.cfg.GossipAddr,
		}}
	}
}

func leaseKey(node string) string { return LeasePrefix + node }

func (h *health) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		h.onStarted(ctx)
	case *actor.Stopping, *actor.Restarting:
		h.life.stop()
	case *healthDue:
		h.onDue(ctx)
	case *leaseResult:
		h.onResult(ctx, msg)
	case *awaitLease:
		h.waiting = append(h.waiting, ctx.Sender())
		h.answer(ctx)
	case *dropLease:
		h.onDrop(ctx)
	case *roleChanged:
		h.onRole(ctx, msg)
	case *nowRunning:
		h.running = msg.ids
	}
}

func (h *health) onStarted(ctx actor.Context) {
	c, stop := context.WithCancel(context.Background())
	h.life = &life{ctx: c, stop: stop}
	h.looked = instantNow()
	h.renewed = h.looked
	h.guard.look(h.looked, h.next.GetIncarnation())
	h.renew(ctx)
	h.schedule(ctx)
}

func (h *health) schedule(ctx actor.Context) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	time.AfterFunc(healthTick, func() { root.Send(self, &healthDue{}) })
}

func (h *health) onDue(ctx actor.Context) {
	if h.life.ctx.Err() != nil {
		return // the lease was released, or is another's
	}
	now := instantNow()
	away := gap(now, h.looked)
	h.looked = now
	trust := bug.Seeded == bug.TrustAfterPause
	if !h.fenced && !trust && (away >= h.cfg.PauseLimit || gap(now, h.renewed) >= h.cfg.LeaseTimeout) {
		h.fence(ctx, now, away)
	}
	if !h.fenced {
		h.guard.look(now, h.next.GetIncarnation())
	}
	if gap(now, h.renewed) >= h.cfg.LeaseRenewal || h.fenced || h.dropping {
		h.renew(ctx)
	}
	h.schedule(ctx)
}

// fence stops everything; the lease must be written for another incarnation
// before anything goes on.
func (h *health) fence(ctx actor.Context, now instant, away time.Duration) {
	h.fenced = true
	h.guard.close()
	h.cfg.Logger.Warn("node was away or could not renew its lease",
		slog.Duration("away", away), slog.Duration("since_renewal", gap(now, h.renewed)))
	ctx.Send(h.manager, &fence{})
	if h.lease != nil {
		h.next.Incarnation, h.next.Epoch = newIncarnation(), h.lease.GetEpoch()+1
	}
}

// renew writes the lease once; it never waits for an earlier try.
func (h *health) renew(ctx actor.Context) {
	if h.renewing {
		return
	}
	h.renewing = true
	ctx.Request(h.manager, &reportRunning{})
	if h.next.Renewals++; bug.Seeded == bug.NoWriteID {
		h.next.Renewals = 1 // the only thing that makes one renewal unlike another
	}
	h.next.Released, h.next.Running = h.dropping, h.running
	next, last := proto.CloneOf(h.next), h.lease
	version, life, self, root := h.version, h.life, ctx.Self(), ctx.ActorSystem().Root
	began := instantNow()
	go func() {
		c, cancel := context.WithTimeout(life.ctx, h.cfg.LeaseTimeout)
		defer cancel()
		v, crashed, err := writeLease(c, h.leases, next, last, version)
		root.Send(self, &leaseResult{life: life, began: began, lease: next, version: v, crashed: crashed, err: err})
	}()
}

// writeLease writes a lease over that of an earlier incarnation, whose role it
// takes over; with a version it renews our own last one. It tells whether the
// earlier one had not released it.
func writeLease(ctx context.Context, w *recorder, lease, last *recordpb.Lease, version storage.Version) (v storage.Version, crashed bool, err error) {
	key := leaseKey(lease.Node)
	if version == "" {
		if version, crashed, err = inherit(ctx, w, lease); err != nil {
			return "", false, err
		}
	}
	body, err := proto.Marshal(lease)
	if err != nil {
		return "", false, err
	}
	next, err := w.once(ctx, key, version, body)
	if !isLost(err) {
		return next, crashed, err
	}
	rec, readErr := w.store.Get(ctx, key)
	if readErr != nil {
		return "", false, readErr
	}
	var there recordpb.Lease
	ours := proto.Unmarshal(rec.Body, &there) == nil &&
		(there.GetIncarnation() == lease.GetIncarnation() || last != nil && there.GetIncarnation() == last.GetIncarnation())
	if !ours {
		return "", false, err
	}
	// The reply to an earlier write of ours was lost.
	next, err = w.once(ctx, key, rec.Version, body)
	return next, crashed, err
}

// inherit reads the lease that an earlier incarnation left and goes on counting
// where it stopped; what an operator said of the node stays said.
func inherit(ctx context.Context, w *recorder, lease *recordpb.Lease) (v storage.Version, crashed bool, err error) {
	rec, err := w.store.Get(ctx, leaseKey(lease.Node))
	switch {
	case storage.KindOf(err) == storage.ErrNotFound:
		lease.Epoch = 1
		return "", false, nil
	case err != nil:
		return "", false, err
	}
	var before recordpb.Lease
	if proto.Unmarshal(rec.Body, &before) == nil {
		lease.Draining, lease.Cordoned = before.GetDraining(), before.GetCordoned()
	}
	lease.Epoch = before.GetEpoch() + 1
	return rec.Version, !before.GetReleased(), nil
}

// NextEpoch is the epoch that the next incarnation of a node will have, unless
// another process takes it first.
func NextEpoch(ctx context.Context, store storage.RecordStore, node string) (uint64, error) {
	lease, _, err := readLease(ctx, store, node)
	if err != nil {
		return 0, storeError(err)
	}
	return lease.GetEpoch() + 1, nil
}

func (h *health) onResult(ctx actor.Context, msg *leaseResult) {
	if msg.life != h.life {
		return
	}
	h.renewing = false
	switch {
	case msg.err == nil:
		// Others may have seen it as early as that.
		h.version, h.renewed = msg.version, msg.began
		h.onRenewed(ctx, msg)
	case isLost(msg.err) && h.version != "":
		h.guard.close()
		ctx.Send(h.manager, &fence{})
		h.failed(&transfer.Error{
			Code: transfer.CodeNotOwner, Op: "renew lease", Subject: h.cfg.Node, Err: msg.err,
			Message: "another process uses this node name; give each node a name of its own",
		})
		h.left(ctx)
	default:
		h.cfg.Logger.Warn("lease not renewed", slog.Any("error", msg.err))
	}
}

// onRenewed goes on after a written lease: as another incarnation when the node
// was fenced, to the release when it is leaving.
func (h *health) onRenewed(ctx actor.Context, msg *leaseResult) {
	lease, first := msg.lease, h.lease == nil
	h.lease = lease
	if first {
		h.cameBack = msg.crashed
		h.next.Epoch, h.next.Draining, h.next.Cordoned = lease.GetEpoch(), lease.GetDraining(), lease.GetCordoned()
	}
	switch {
	case lease.GetReleased():
		h.left(ctx)
		return
	case h.dropping:
		h.renew(ctx)
		return
	}
	if h.fenced && lease.GetIncarnation() == h.next.GetIncarnation() {
		h.fenced = false
		h.looked = instantNow()
		h.guard.look(h.looked, h.next.GetIncarnation())
		h.cameBack = true
		ctx.Send(h.manager, &unfence{incarnation: lease.GetIncarnation()})
		h.tell(lease)
	} else if first {
		h.tell(lease)
	}
	h.answer(ctx)
}

// left ends the work of health: the lease is released, or another's.
func (h *health) left(ctx actor.Context) {
	for _, pid := range h.leaving {
		ctx.Send(pid, &leaseHeld{})
	}
	h.leaving = nil
	h.life.stop()
}

// tell says to the node who it is now.
func (h *health) tell(lease *recordpb.Lease) {
	h.became(Self{
		Incarnation: lease.GetIncarnation(), Epoch: lease.GetEpoch(),
		Role: Role{Draining: lease.GetDraining(), Cordoned: lease.GetCordoned()}, CameBack: h.cameBack,
	})
}

// onRole records what an operator wants; it is told to others at once, and
// to the lease with its next renewal.
func (h *health) onRole(ctx actor.Context, msg *roleChanged) {
	h.next.Draining, h.next.Cordoned = msg.role.Draining, msg.role.Cordoned
	h.cameBack = false
	if h.lease != nil {
		now := proto.CloneOf(h.lease)
		now.Draining, now.Cordoned = msg.role.Draining, msg.role.Cordoned
		h.tell(now)
	}
	h.renew(ctx)
	ctx.Respond(&leaseHeld{})
}

func (h *health) answer(ctx actor.Context) {
	if h.lease == nil {
		return
	}
	for _, pid := range h.waiting {
		ctx.Send(pid, &leaseHeld{})
	}
	h.waiting = nil
}

// onDrop says to others that they need not wait for the lease to run out. It is
// tried until it is written.
func (h *health) onDrop(ctx actor.Context) {
	if h.life.ctx.Err() != nil {
		// It was released, or another process has it: nothing is left to drop.
		ctx.Respond(&leaseHeld{})
		return
	}
	h.dropping = true
	h.leaving = append(h.leaving, ctx.Sender())
	h.renew(ctx)
}
