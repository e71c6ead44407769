package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// slots is the admission of a node: it knows who waits and who runs, and is
// asked by shards on behalf of transfers that are not even actors yet.
type slots struct {
	most, hostConnections int
	// static is this node's share of hostConnections where nobody keeps them.
	static    int
	clustered bool
	// links asks the keepers of hosts.
	links     *actor.PID
	admission *admission
	// shares is what each running transfer was last told.
	shares map[string]int
	timer  *time.Timer
}

func newSlots(cfg Config) actor.Producer {
	return func() actor.Actor {
		s := &slots{most: cfg.Slots, hostConnections: cfg.HostConnections, static: cfg.HostConnections}
		s.reset()
		return s
	}
}

// reset forgets everybody: those who asked are gone.
func (s *slots) reset() {
	s.admission = newAdmission(s.most, s.static)
	s.admission.clustered = s.clustered
	s.shares = map[string]int{}
	s.stopTimer()
}

func (s *slots) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Stopping:
		s.stopTimer()
	case *want:
		s.admission.ask(*msg)
		s.admit(ctx)
	case *release:
		s.onRelease(ctx, msg)
	case *releaseAll:
		s.onReleaseAll(ctx, msg)
	case *hostBusy:
		s.admission.hold(msg.host, msg.until)
	case *due:
		s.admit(ctx)
	case *fence:
		s.reset()
	case *topologyChanged:
		s.onTopology(ctx, msg)
	case *demandsRequest:
		s.links = ctx.Sender()
		s.onDemandsRequest(ctx)
	case *linkLeases:
		s.onLeases(ctx, msg)
	case *getRequest:
		ctx.Respond(&result{reasons: []string{s.admission.why(msg.id, time.Now())}})
	}
}

func (s *slots) onRelease(ctx actor.Context, msg *release) {
	if s.admission.forget(msg.id) {
		s.admit(ctx)
	}
}

func (s *slots) onReleaseAll(ctx actor.Context, msg *releaseAll) {
	for _, id := range msg.ids {
		if s.admission.askedBy(id, msg.shard) {
			s.admission.forget(id)
		}
	}
	s.admit(ctx)
}

func (s *slots) onTopology(ctx actor.Context, msg *topologyChanged) {
	s.static = msg.topology.staticShare(s.hostConnections)
	// Without links there is nobody to ask.
	s.clustered = len(msg.topology.Members) > 1 && s.links != nil
	s.admission.hostConnections, s.admission.clustered = s.static, s.clustered
	s.admission.unblockAll(time.Now())
	s.admit(ctx)
}

func (s *slots) onDemandsRequest(ctx actor.Context) {
	now := time.Now()
	ctx.Respond(&linkDemands{demands: s.admission.demands(now)})
	s.admission.unblockAll(now)
	s.admit(ctx)
}

func (s *slots) onLeases(ctx actor.Context, msg *linkLeases) {
	for _, l := range msg.leases {
		s.admission.leased(l, time.Now())
	}
	s.admit(ctx)
}

func (s *slots) admit(ctx actor.Context) {
	now := time.Now()
	for _, w := range s.admission.admit(now) {
		ctx.Send(w.shard, &granted{id: w.id, connections: s.admission.share(w.host, now)})
	}
	if demands := s.admission.takeAsked(now); len(demands) > 0 {
		ctx.Send(s.links, &linkDemands{demands: demands})
	}
	s.tellShares(ctx)
	s.stopTimer()
	if next := s.admission.next(); !next.IsZero() {
		self, root := ctx.Self(), ctx.ActorSystem().Root
		s.timer = time.AfterFunc(time.Until(next), func() { root.Send(self, &due{}) })
	}
}

// tellShares tells running transfers when their share of a host has changed.
func (s *slots) tellShares(ctx actor.Context) {
	now := time.Now()
	for id, w := range s.admission.running {
		n := s.admission.share(w.host, now)
		if s.shares[id] != n {
			s.shares[id] = n
			ctx.Send(w.shard, &shareOf{id: id, share: share{connections: n}})
		}
	}
	for id := range s.shares {
		if _, ok := s.admission.running[id]; !ok {
			delete(s.shares, id)
		}
	}
}

// shareOf is a share on its way through the shard.
type shareOf struct {
	id    string
	share share
}

func (s *slots) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}
