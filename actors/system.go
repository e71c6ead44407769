package actors

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/oklog/ulid/v2"

	"godwit/actors/feed"
	"godwit/storage"
	"godwit/transfer"
)

// System is the supervision tree of one node. Its methods are safe for
// concurrent use; their errors are *transfer.Error.
type System struct {
	deps   *deps
	actors *actor.ActorSystem
	// own takes the snapshots of this node's transfers, mirror also those of
	// others.
	own     *feed.Feed[Snapshot]
	mirror  *mirror
	readers *remoteReaders
	health  *actor.PID
	links   *actor.PID
	// routes says who has which transfer; nil until a topology is known.
	routes atomic.Pointer[routes]
	failed chan error
	// closing makes a second Stop harmless: the library's own panics.
	closing sync.Once
	closed  atomic.Bool
}

// Start runs the tree and returns once the node holds its lease. The store must
// have passed its probe. A node alone knows all transfers then; one with peers
// waits for SetTopology.
func Start(ctx context.Context, cfg Config) (*System, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if _, err := CheckCluster(ctx, cfg.Records); err != nil {
		return nil, err
	}
	s := newSystem(cfg)
	if err := s.spawn(); err != nil {
		return nil, err
	}
	if _, err := s.ask(ctx, s.health, &awaitLease{}); err != nil {
		s.shutdown()
		return nil, err
	}
	if cfg.Peers != nil {
		return s, nil
	}
	s.SetAlone()
	if err := s.AwaitLoaded(ctx); err != nil {
		s.shutdown()
		return nil, err
	}
	return s, nil
}

// AwaitLoaded returns when this node knows all transfers that it should have.
func (s *System) AwaitLoaded(ctx context.Context) error {
	_, err := s.ask(ctx, s.deps.manager, &awaitLoaded{})
	return err
}

func newSystem(cfg Config) *System {
	s := &System{own: &feed.Feed[Snapshot]{}, failed: make(chan error, 1)}
	s.mirror, s.readers = newMirror(s), newRemoteReaders(s.own, cfg.Sealer)
	s.actors = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(atLeast{slog.LevelWarn, cfg.Logger.Handler()}).With(slog.String("component", "actor"))
	}))
	guard := &guard{limit: cfg.PauseLimit}
	leases := &recorder{store: cfg.Records, sealer: cfg.Sealer, meter: cfg.Meter, random: cfg.Random}
	cfg.Records = guardedRecords{cfg.Records, guard}
	objects := map[string]storage.ObjectStore{}
	for scheme, store := range cfg.Objects {
		objects[scheme] = guardedObjects{store, guard}
	}
	cfg.Objects = objects
	cfg.Uploads = guardedUploads{cfg.Uploads, guard}
	cfg.Outlets = cfg.Outlets.guarded(guard)
	s.deps = &deps{
		relists: make(chan struct{}, parallelLoads),
		cfg:     cfg, feed: s.mirror, started: time.Now(), failed: s.fail, became: cfg.Became, guard: guard, leases: leases,
		recorder: &recorder{store: cfg.Records, sealer: cfg.Sealer, meter: cfg.Meter, random: cfg.Random},
	}
	s.deps.system = s
	return s
}

func (s *System) spawn() error {
	root, log := s.actors.Root, actor.WithReceiverMiddleware(logPanics(s.deps.cfg.Logger))
	for _, a := range []struct {
		name string
		make func() actor.Producer
		pid  **actor.PID
	}{
		{"slots", func() actor.Producer { return newSlots(s.deps.cfg) }, &s.deps.slots},
		{"owners", func() actor.Producer { return newOwners(s.deps) }, &s.deps.owners},
		{"links", func() actor.Producer { return newLinks(s.deps) }, &s.links},
		{"shards", func() actor.Producer { return newManager(*s.deps) }, &s.deps.manager},
		{"health", func() actor.Producer { return newHealth(s.deps) }, &s.health},
	} {
		var err error
		if *a.pid, err = root.SpawnNamed(actor.PropsFromProducer(a.make(), log), a.name); err != nil {
			return fmt.Errorf("start %s: %w", a.name, err)
		}
	}
	return nil
}

// informed are the actors that learn of topologies.
func (s *System) informed() []*actor.PID {
	return []*actor.PID{s.deps.slots, s.deps.owners, s.links, s.deps.manager}
}

// fail keeps the first reason.
func (s *System) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// Failed delivers the reason when the node must end: another process uses its
// name, or a shard met a fault that it cannot mend.
func (s *System) Failed() <-chan error { return s.failed }

// Stop ends all transfers in good order: what runs is halted and recorded, so
// that the next owner goes on at once. The lease is released last.
func (s *System) Stop(ctx context.Context) error {
	s.closed.Store(true)
	_, err := s.ask(ctx, s.deps.manager, &stopAll{})
	if err == nil {
		_, err = s.ask(ctx, s.health, &dropLease{})
	}
	s.shutdown()
	return err
}

// shutdown ends all actors, the transfers' without any record.
func (s *System) shutdown() {
	s.closing.Do(func() {
		s.closed.Store(true)
		s.mirror.changed()
		s.readers.close()
		for _, pid := range []*actor.PID{s.health, s.deps.manager, s.links, s.deps.owners, s.deps.slots} {
			_ = s.actors.Root.StopFuture(pid).Wait()
		}
		s.actors.Shutdown()
	})
}

// Create records a new transfer and starts it, if start says so. The spec must
// come from transfer.Normalize. An id that exists with the same spec answers
// with that transfer; created tells which it was.
func (s *System) Create(ctx context.Context, spec transfer.Spec, start bool) (snap Snapshot, created bool, err error) {
	check := s.checkDownload
	if spec.Direction == transfer.Upload {
		check = s.checkUpload
	}
	if err := check(ctx, &spec); err != nil {
		return Snapshot{}, false, err
	}
	res, err := s.request(ctx, &createRequest{id: spec.ID, state: newState(spec, start)})
	if err != nil {
		return Snapshot{}, false, err
	}
	return res.snapshot, res.created, nil
}

func (s *System) checkDownload(ctx context.Context, spec *transfer.Spec) error {
	if s.deps.cfg.Objects[schemeOf(spec.Destination)] == nil {
		return &transfer.Error{
			Code: transfer.CodeURLScheme, Field: "destination.url", Message: "this node has no store for " + schemeOf(spec.Destination) + ":// destinations",
		}
	}
	if err := s.pinBody(ctx, spec); err != nil {
		return err
	}
	if err := s.checkSets(ctx, spec); err != nil {
		return err
	}
	if spec.IfExists == transfer.IfExistsFail {
		return s.checkFree(ctx, spec)
	}
	return nil
}

func (s *System) checkUpload(ctx context.Context, spec *transfer.Spec) error {
	if err := s.pinUpload(ctx, spec); err != nil {
		return err
	}
	return s.checkSets(ctx, spec)
}

// checkFree refuses a destination that exists, unless the transfer does too:
// then it may well be its own result.
func (s *System) checkFree(ctx context.Context, spec *transfer.Spec) error {
	_, err := s.deps.cfg.Objects[schemeOf(spec.Destination)].Stat(ctx, nameOf(spec.Destination))
	if storage.KindOf(err) == storage.ErrNotFound {
		return nil
	}
	// Looked for last: it may have been created, and ended, a moment ago.
	if _, missing := s.Get(ctx, spec.ID); missing == nil {
		return nil
	}
	if err != nil {
		e := asTransferError(err)
		e.Field = "destination.url"
		return e
	}
	return &transfer.Error{
		Code: transfer.CodeDestExists, Op: "create transfer", Subject: spec.Destination, Field: "destination.url",
		Message: "the destination exists; choose another, or say what to do with if_exists",
	}
}

func newState(spec transfer.Spec, start bool) transfer.State {
	now := time.Now().UTC()
	s := transfer.State{Spec: spec, Nonce: newNonce(), Phase: transfer.PhaseIdle, Created: now, Updated: now}
	if start {
		s.Phase = transfer.PhaseQueued
	}
	return s
}

// Command applies one of the command events. With an etag, it is refused unless
// that is the current one.
func (s *System) Command(ctx context.Context, id string, ev transfer.Event, etag string) (Snapshot, error) {
	if _, purge := ev.(transfer.Purge); purge {
		if err := s.mayPurge(ctx, id); err != nil {
			return Snapshot{}, err
		}
	}
	res, err := s.request(ctx, &commandRequest{id: id, event: ev, etag: etag})
	if err != nil {
		return Snapshot{}, err
	}
	return res.snapshot, nil
}

// Get returns a transfer as it is now.
func (s *System) Get(ctx context.Context, id string) (Snapshot, error) {
	res, err := s.request(ctx, &getRequest{id: id})
	if err != nil {
		return Snapshot{}, err
	}
	return res.snapshot, nil
}

// ask sends a request and waits for its answer or for ctx. The answer comes to
// an actor of its own: the library's futures race when one comes too late.
func (s *System) ask(ctx context.Context, to *actor.PID, msg any) (any, error) {
	answers := make(chan any, 1)
	asker := s.actors.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		switch m := c.Message().(type) {
		case *actor.Started, *actor.Stopping, *actor.Stopped:
		default:
			select {
			case answers <- m:
			default:
			}
			c.Stop(c.Self())
		}
	}))
	s.actors.Root.RequestWithCustomSender(to, msg, asker)
	select {
	case answer := <-answers:
		if _, dead := answer.(*actor.DeadLetterResponse); dead {
			return nil, elsewhere("")
		}
		return answer, nil
	case <-ctx.Done():
		s.actors.Root.Stop(asker)
		return nil, &transfer.Error{Code: transfer.CodeStoreUnavailable, Message: "no answer in time; the outcome is not known", Err: context.Cause(ctx)}
	}
}

// atLeast passes only records of a level on: the runtime reports every message
// to an actor that has just ended.
type atLeast struct {
	level slog.Level
	slog.Handler
}

// Enabled implements slog.Handler.
func (h atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.level, h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.level, h.Handler.WithGroup(name)}
}

// newIncarnation sorts after those made before, as far as clocks agree.
func newIncarnation() string { return ulid.Make().String() }

// newNonce is 16 random hex digits.
func newNonce() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}

// schemeOf and nameOf take a canonical destination apart: the scheme chooses
// the store, the name is the object's within it.
func schemeOf(destination string) string {
	scheme, _, _ := strings.Cut(destination, "://")
	return scheme
}

func nameOf(destination string) string {
	_, name, _ := strings.Cut(destination, "://")
	return name
}

func hostOf(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		return ""
	}
	return u.Host
}

func traitsOf(store storage.ObjectStore) transfer.Traits {
	l := store.Limits()
	return transfer.Traits{
		MinPart: l.MinPart, MaxPart: l.MaxPart, PreferredPart: l.Preferred, MaxParts: l.MaxParts,
		Derivable: !l.Fenced, ReadBack: !l.Buffered, Checkpoint: l.Checkpoint,
	}
}
