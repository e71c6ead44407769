package actors_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/storage"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

// TestUploadTorture lets the k-th call to any store fail, for all k, in four
// ways: a small failure of a store never fails an upload, and costs no byte of
// what the far side has confirmed.
func TestUploadTorture(t *testing.T) {
	for name, test := range everyProtocol {
		for mode, fault := range map[string]storagetest.Fault{
			"refused": storagetest.Refused(), "lost request": storagetest.LostRequest(),
			"lost reply": storagetest.LostReply(), "conflict": {Kind: storage.ErrConflict},
		} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				for k, more := 1, true; more && !t.Failed(); k++ {
					inUpload(t, test.protocol, 3, func(b *bubble, far *actorstest.Far) {
						more = b.tortureUpload(far, outgoing("a", test.change), k, fault)
					})
				}
			})
		}
	}
}

func (b *bubble) tortureUpload(far *actorstest.Far, spec transfer.Spec, k int, fault storagetest.Fault) bool {
	b.Helper()
	armed := 0
	b.hook = func(c storagetest.Call) storagetest.Fault {
		if c.Op == storagetest.OpList || c.Name == "nodes/n1" || c.Name == "cluster" {
			return storagetest.Fault{}
		}
		if armed++; armed == k {
			b.Logf("call %d: %s %s", k, c.Op, c.Name)
			return fault
		}
		return storagetest.Fault{}
	}
	sys := b.node()
	if _, _, err := sys.Create(b.Context(), spec, true); err != nil {
		if _, _, err = sys.Create(b.Context(), spec, true); err != nil {
			b.Fatalf("call %d: create twice: %v", k, err)
		}
	}
	b.sent(sys, far, "a")
	settle(time.Minute)
	if left := far.Sessions(); len(left) > 0 {
		b.Errorf("call %d: left %v", k, left)
	}
	return armed >= k
}

// TestUploadKill ends the process at each call to the state store and at each
// request to the far side, before it is made and when nobody is told, and starts
// the next. What must not be made twice never is.
func TestUploadKill(t *testing.T) {
	for name, test := range everyProtocol {
		for _, where := range []string{"store", "far side", "far side, unheard"} {
			t.Run(name+"/"+where, func(t *testing.T) {
				t.Parallel()
				for k, more := 1, true; more && !t.Failed(); k++ {
					inUpload(t, test.protocol, 3, func(b *bubble, far *actorstest.Far) {
						more = b.killUpload(far, outgoing("a", test.change), where, k)
					})
				}
			})
		}
	}
}

// killUpload kills at the k-th call; false when there is no k-th.
func (b *bubble) killUpload(far *actorstest.Far, spec transfer.Spec, where string, k int) bool {
	b.Helper()
	b.killAt(far, where, k)
	sys := b.node()
	created := make(chan error, 1)
	go func() {
		_, _, err := sys.Create(b.Context(), spec, true)
		created <- err
	}()
	settle(5 * time.Second)
	sys.Abandon()
	settle(time.Second)
	b.hook, far.Script = nil, nil
	killed := b.meter.count("killed") > 0
	sys = b.node()
	if _, _, err := sys.Create(b.Context(), spec, true); err != nil {
		b.Fatalf("kill at %d: the same again: %v", k, err)
	}
	most := int64(chunk)
	if where == "store" {
		most *= 2 // while a record is written the next chunk is sent
	}
	b.settledOnce(sys, far, &spec, k, most)
	return killed
}

// killAt has the k-th call hang for ever, and every later one: the process does
// not exist any more.
func (b *bubble) killAt(far *actorstest.Far, where string, k int) {
	never := make(chan struct{})
	var mu sync.Mutex // guards what follows: store and far side are called from anywhere
	dead, calls := false, 0
	reach := func(counts bool) (was, is bool) {
		mu.Lock()
		defer mu.Unlock()
		was = dead
		if counts {
			calls++
		}
		if calls == k && counts {
			dead = true
			b.meter.add("killed", 1)
		}
		return was, dead
	}
	b.hook = func(c storagetest.Call) storagetest.Fault {
		other := c.Op == storagetest.OpList || c.Name == "nodes/n1" || c.Name == "cluster"
		if _, is := reach(where == "store" && !other); is {
			return storagetest.Fault{Until: never, Kind: storage.ErrUnavailable}
		}
		return storagetest.Fault{}
	}
	far.Script = func(actorstest.FarCall) actorstest.FarFault {
		switch was, is := reach(where != "store"); {
		case !is:
			return actorstest.FarFault{Rate: 4 * chunk}
		case where == "far side, unheard" && !was:
			// Carried out; the process dies before it hears of it.
			return actorstest.FarFault{LostReply: true}
		}
		return actorstest.FarFault{Never: never}
	}
}

// settledOnce judges how an upload ended that was interrupted anywhere. Where it
// can go on it sends no more than most bytes twice.
func (b *bubble) settledOnce(sys *actors.System, far *actorstest.Far, spec *transfer.Spec, k int, most int64) {
	b.Helper()
	snap := b.await(sys, "a")
	arrived := far.Arrived(farURL)
	want := b.objects.Result("/sources/a")
	for _, got := range arrived {
		if !bytes.Equal(got, want) {
			b.Fatalf("kill at %d: other bytes arrived", k)
		}
	}
	once := spec.Method == "POST" && spec.Outgoing.IdempotencyKey == ""
	switch {
	case once && snap.State.Phase == transfer.PhaseFailed:
		b.code(snap.State.Err, transfer.CodeMaybeDuplicate)
		if len(arrived) > 1 {
			b.Errorf("kill at %d: carried out %d times", k, len(arrived))
		}
		return
	case snap.State.Phase != transfer.PhaseCompleted:
		b.Fatalf("kill at %d: ended %s: %v", k, snap.State.Phase, snap.State.Err)
	case once && far.Read() > int64(len(want)):
		b.Errorf("kill at %d: the content was sent twice", k)
	}
	protocol := snap.State.Session.Protocol
	if protocol != transfer.ProtocolPut && len(arrived) != 1 {
		b.Errorf("kill at %d: arrived %d times", k, len(arrived))
	}
	if twice := far.Read() - int64(len(want)); protocol.Resumes() && twice > most {
		b.Errorf("kill at %d: %d bytes were sent twice", k, twice)
	}
}

// TestUploadFaults meets what far sides do: broken connections, lost replies, and
// forgotten, denied and false sessions.
func TestUploadFaults(t *testing.T) {
	faults := map[string]actorstest.FarFault{
		"cut": {Cut: chunk / 3}, "lost reply": {LostReply: true}, "forgotten": {Forget: true, Cut: 1}, "lie": {Lie: 100, Cut: 1},
		"refused": {Err: transfer.Errorf(transfer.CodeConnect, "refused")}, "slow": {Delay: time.Minute},
		"busy": {Err: &transfer.Error{Code: transfer.CodeStatusRetry, Status: 503, RetryAfter: 30 * time.Second, Message: "busy"}},
		"bug":  {Panic: "a bug"},
	}
	for name, test := range everyProtocol {
		for mode, fault := range faults {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				for k, more := 1, true; more && !t.Failed(); k++ {
					inUpload(t, test.protocol, 3, func(b *bubble, far *actorstest.Far) {
						far.Script = func(c actorstest.FarCall) actorstest.FarFault {
							if c.Index == k {
								return fault
							}
							return actorstest.FarFault{Rate: 4 * chunk}
						}
						most := int64(chunk)
						if fault.Forget {
							most *= 3
						}
						sys := b.node()
						spec := outgoing("a", test.change)
						b.create(sys, spec, true)
						b.settledOnce(sys, far, &spec, k, most)
						more = len(far.Calls()) >= k
					})
				}
			})
		}
	}
}

// TestCutsAreProgress cuts every request off after half of it: what came is kept,
// so that no retries are used up.
func TestCutsAreProgress(t *testing.T) {
	inUpload(t, transfer.ProtocolTus, 8, func(b *bubble, far *actorstest.Far) {
		far.Script = func(c actorstest.FarCall) actorstest.FarFault {
			return actorstest.FarFault{Cut: min(chunk/2, c.Size)}
		}
		sys := b.node()
		b.create(sys, outgoing("a", func(s *transfer.Spec) { s.Retries = 1 }), true)
		b.sent(sys, far, "a")
	})
}

// TestPostOnce loses the answer to a request that must not be made twice, and
// lets the user decide.
func TestPostOnce(t *testing.T) {
	inUpload(t, transfer.ProtocolPost, 2, func(b *bubble, far *actorstest.Far) {
		far.Script = func(c actorstest.FarCall) actorstest.FarFault {
			return actorstest.FarFault{LostReply: c.Op == actorstest.FarSend, Rate: chunk}
		}
		sys := b.node()
		b.create(sys, outgoing("a", posting), true)
		settle(time.Second)
		_, err := sys.Command(context.Background(), "a", transfer.Pause{}, "")
		b.code(err, transfer.CodeState)
		snap := b.await(sys, "a")
		b.code(snap.State.Err, transfer.CodeMaybeDuplicate)
		settle(time.Hour)
		if n := far.Count(actorstest.FarSend); n != 1 {
			b.Errorf("%d requests were made", n)
		}
		far.Script = nil
		b.command(sys, "a", transfer.Retry{})
		if snap := b.await(sys, "a"); snap.State.Phase != transfer.PhaseCompleted {
			b.Errorf("retried, it is %s: %v", snap.State.Phase, snap.State.Err)
		}
		if n := len(far.Arrived(farURL)); n != 2 {
			b.Error(fmt.Sprint(n, " arrived"))
		}
	})
}
