package actors_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"godwit/actors"
	"godwit/actors/actorstest"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

// partSize is the size of a part in virtual time, in bytes.
const partSize = 64 << 10

// bubble is a world without I/O, for testing/synctest: time is virtual, and
// synctest.Wait tells when nothing moves any more.
type bubble struct {
	*testing.T
	records *storagetest.Memory
	objects *actorstest.Objects
	source  *actorstest.Source
	// hook decides about each call to a store, see storagetest.Faults.
	hook func(storagetest.Call) storagetest.Fault
	// config is what the test changes of a node's configuration.
	config func(*actors.Config)
	meter  *meter
	log    *errorLog
	lives  int
}

// inBubble runs a test in virtual time, with a source of some parts.
func inBubble(t *testing.T, parts int, test func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(&bubble{
			T: t, records: storagetest.NewMemory(), source: actorstest.NewSource(int64(parts) * partSize),
			objects: actorstest.NewObjects(fileLimits()), meter: &meter{counts: map[string]int{}}, log: &errorLog{},
		})
	})
}

// fileLimits are those of a folder, s3Limits those of an object store, with
// small parts.
func fileLimits() storage.Limits {
	return storage.Limits{MinPart: 1, MaxPart: 1 << 30, Preferred: partSize, MaxParts: 10000, Checkpoint: time.Second}
}

func s3Limits() storage.Limits {
	l := fileLimits()
	l.Buffered, l.Fenced, l.Checkpoint = true, true, 10*time.Second
	return l
}

// node starts the next life of the node. It is stopped at the end of the test.
func (b *bubble) node() *actors.System {
	b.Helper()
	sys, err := b.tryNode(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return sys
}

func (b *bubble) tryNode(ctx context.Context) (*actors.System, error) {
	b.lives++
	faults := &storagetest.Faults{Hook: b.hook}
	cfg := actors.Config{
		Node: "n1", Incarnation: fmt.Sprint("life-", b.lives), Records: faults.Records(b.records),
		Objects: map[string]storage.ObjectStore{"file": faults.Objects(b.objects)},
		Source:  b.source, Sealer: plainSealer{}, Meter: b.meter, Logger: slog.New(b.log),
		Random: func() float64 { return 0.5 },
	}
	if b.config != nil {
		b.config(&cfg)
	}
	sys, err := actors.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	b.Cleanup(func() {
		sys.Abandon()
		// What the library and we have started to end by itself.
		pass(10 * time.Second)
	})
	return sys, nil
}

// keepLease has another node renew its lease until the test ends.
func (b *bubble) keepLease(node, incarnation string) (stop context.CancelFunc) {
	ctx, cancel := context.WithCancel(b.Context())
	go func() {
		for n := uint64(1); ctx.Err() == nil; n++ {
			body, err := proto.Marshal(&recordpb.Lease{Node: node, Incarnation: incarnation, Renewals: n, Epoch: 1})
			if err != nil {
				panic(err)
			}
			key := "nodes/" + node
			if rec, err := b.records.Get(ctx, key); err == nil {
				_, _ = b.records.CompareAndSwap(ctx, key, body, rec.Version)
			} else {
				_, _ = b.records.Create(ctx, key, body)
			}
			select {
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
			}
		}
	}()
	b.Cleanup(cancel)
	return cancel
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.After(d) }

// settle lets virtual time pass until nothing happens at this moment.
func settle(d time.Duration) {
	pass(d)
	synctest.Wait()
}

func dest(id string) string { return "file:///results/" + id }

func (b *bubble) spec(id string, change ...func(*transfer.Spec)) transfer.Spec {
	b.Helper()
	s := transfer.Spec{
		ID: id, Direction: transfer.Download, Source: "https://origin.example/" + id, Destination: dest(id),
		Size: transfer.UnknownSize, Retries: 5,
	}
	for _, c := range change {
		c(&s)
	}
	spec, err := transfer.Normalize(s)
	if err != nil {
		b.Fatal(err)
	}
	return spec
}

func (b *bubble) create(sys *actors.System, spec transfer.Spec, start bool) actors.Snapshot {
	b.Helper()
	snap, created, err := sys.Create(b.Context(), spec, start)
	if err != nil || !created {
		b.Fatalf("create %s: created %v, %v", spec.ID, created, err)
	}
	return snap
}

func (b *bubble) get(sys *actors.System, id string) actors.Snapshot {
	b.Helper()
	snap, err := sys.Get(b.Context(), id)
	if err != nil {
		b.Fatalf("get %s: %v", id, err)
	}
	return snap
}

func (b *bubble) command(sys *actors.System, id string, ev transfer.Event) actors.Snapshot {
	b.Helper()
	snap, err := sys.Command(b.Context(), id, ev, "")
	if err != nil {
		b.Fatalf("%T %s: %v", ev, id, err)
	}
	return snap
}

// want fails the test unless the transfer is in the phase.
func (b *bubble) want(sys *actors.System, id string, phase transfer.Phase) actors.Snapshot {
	b.Helper()
	snap := b.get(sys, id)
	if snap.State.Phase != phase {
		b.Fatalf("%s is %s (%v), want %s", id, snap.State.Phase, snap.State.Err, phase)
	}
	return snap
}

// await follows a transfer to its end, for an hour of virtual time at most.
func (b *bubble) await(sys *actors.System, id string) actors.Snapshot {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	watch := sys.Watch(ctx, []string{id})
	defer watch.Close()
	var last actors.Snapshot
	for {
		snap, err := watch.Next(ctx)
		if errors.Is(err, io.EOF) {
			return last
		}
		if errors.Is(err, &transfer.Error{Code: transfer.CodeStoreUnavailable}) && ctx.Err() == nil {
			// A fault met this look at the transfer, not the transfer.
			return b.await(sys, id)
		}
		if err != nil {
			b.Fatalf("%s: %v; last seen %s %v", id, err, last.State.Phase, last.State.Err)
		}
		last = snap
	}
}

// completed waits for the end and checks every byte.
func (b *bubble) completed(sys *actors.System, id string) actors.Snapshot {
	b.Helper()
	snap := b.await(sys, id)
	if snap.State.Phase != transfer.PhaseCompleted {
		b.Fatalf("%s ended %s: %v", id, snap.State.Phase, snap.State.Err)
	}
	b.checkResult(id)
	return snap
}

func (b *bubble) checkResult(id string) {
	b.Helper()
	want, err := io.ReadAll(b.source.Content().Reader(0))
	if err != nil {
		b.Fatal(err)
	}
	if got := b.objects.Result("/results/" + id); string(got) != string(want) {
		b.Fatalf("%s: the result has %d bytes and should have %d, or differs", id, len(got), len(want))
	}
}

// code fails the test unless err has the code.
func (b *bubble) code(err error, want transfer.Code) {
	b.Helper()
	var te *transfer.Error
	if !errors.As(err, &te) || te.Code != want {
		b.Fatalf("error %v, want %s", err, want)
	}
}

// meter counts state writes and fenced writes.
type meter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (m *meter) add(key string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[key] += n
}

func (m *meter) count(key string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[key]
}

func (m *meter) Received(n int64)               { m.add("received", int(n)) }
func (m *meter) Sent(n int64)                   { m.add("sent", int(n)) }
func (m *meter) GroupTrigger(result string)     { m.add("trigger "+result, 1) }
func (m *meter) TaskDelivery(result string)     { m.add("delivery "+result, 1) }
func (m *meter) Refetched(_ string, n int64)    { m.add("refetched", int(n)) }
func (m *meter) Takeover(string, time.Duration) { m.add("takeover", 1) }
func (m *meter) Fenced()                        { m.add("fenced", 1) }
func (m *meter) StateWrite(op, result string)   { m.add("write "+op+" "+result, 1) }
func (m *meter) Transfers(s, direction string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts["transfers "+s+" "+direction] = n
}

// errorLog keeps all that is logged, for tests that look for what must or must
// not be in it.
type errorLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *errorLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *errorLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *errorLog) WithGroup(string) slog.Handler            { return l }

func (l *errorLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}
