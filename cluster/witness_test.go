package cluster

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// far is the far end that a witness dials: each attempt gets what is set at that
// moment.
type far struct {
	mu    sync.Mutex
	err   error
	conns []net.Conn
	dials int
	// same is what the far end's gossip answers.
	same bool
}

// answer sets what attempts get from now on, nil for a connection.
func (f *far) answer(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// identify sets what the far end's gossip answers from now on.
func (f *far) identify(same bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.same = same
}

func (f *far) isSame(life) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.same
}

// dialled returns how often it was dialled.
func (f *far) dialled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials
}

func (f *far) dial(context.Context, string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials++
	if f.err != nil {
		return nil, f.err
	}
	near, there := net.Pipe()
	f.conns = append(f.conns, there)
	return near, nil
}

// breakAll closes all connections from the far side.
func (f *far) breakAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
	f.conns = nil
}

var (
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	errTimeout = &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
)

// witnessing runs a test with a witness of one life, in virtual time.
func witnessing(t *testing.T, f *far, test func(t *testing.T, f *far, sees func(sight))) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		w := newWitness(f.dial, f.isSame, func() {})
		l := someLife("n1", 1)
		w.watch(ctx, []life{l})
		test(t, f, func(want sight) {
			t.Helper()
			synctest.Wait()
			if got := w.sights()[l.key()]; got != want {
				t.Errorf("it sees %d, want %d", got, want)
			}
		})
		stop()
		w.wait()
	})
}

func TestWitnessProvesAnEnd(t *testing.T) {
	witnessing(t, new(far), func(t *testing.T, f *far, sees func(sight)) {
		sees(connected)
		time.Sleep(time.Hour)
		f.answer(errRefused)
		f.breakAll()
		sees(connected) // one refusal proves nothing
		time.Sleep(secondLook)
		sees(refused)
		f.answer(errTimeout)
		time.Sleep(time.Hour)
		sees(refused) // what has ended stays so
	})
}

func TestWitnessDialsAgainWhenTheFarEndHangsUp(t *testing.T) {
	witnessing(t, new(far), func(t *testing.T, f *far, sees func(sight)) {
		for range 5 {
			sees(connected)
			time.Sleep(2 * time.Minute)
			f.breakAll()
		}
		sees(connected)
		if n := f.dialled(); n != 6 {
			t.Errorf("it dialled %d times", n)
		}
	})
}

func TestWitnessIsNotHasty(t *testing.T) {
	witnessing(t, new(far), func(t *testing.T, f *far, sees func(sight)) {
		sees(connected)
		time.Sleep(time.Hour)
		f.answer(errRefused)
		f.breakAll()
		synctest.Wait()
		f.answer(nil) // the listener was just being replaced
		time.Sleep(secondLook)
		sees(connected)
	})
}

func TestWitnessSuspects(t *testing.T) {
	for _, err := range []error{errTimeout, syscall.EHOSTUNREACH, syscall.EMFILE, errors.New("whatever")} {
		witnessing(t, new(far), func(t *testing.T, f *far, sees func(sight)) {
			sees(connected)
			time.Sleep(time.Hour)
			f.answer(err)
			f.breakAll()
			sees(unreachable)
			time.Sleep(time.Minute)
			sees(unreachable)
			if n := f.dialled(); n < 30 || n > 40 {
				t.Errorf("it dialled %d times in a minute", n)
			}
			f.answer(nil)
			time.Sleep(maxPause + steadyAfter)
			sees(connected)
			f.answer(errRefused)
			f.breakAll()
			time.Sleep(time.Second)
			sees(refused)
		})
	}
}

// TestWitnessDoubtsAnAddressThatNeverAnswered: while gossip answers, the address
// may be wrong.
func TestWitnessDoubtsAnAddressThatNeverAnswered(t *testing.T) {
	witnessing(t, &far{err: errRefused, same: true}, func(t *testing.T, f *far, sees func(sight)) {
		time.Sleep(time.Hour)
		sees(unreachable)
		f.identify(false)
		time.Sleep(maxPause)
		sees(refused)
	})
}

// TestWitnessAsksWhoIsThere: after a refusal, a port that is open again may be
// another life's.
func TestWitnessAsksWhoIsThere(t *testing.T) {
	witnessing(t, &far{err: errRefused}, func(t *testing.T, f *far, sees func(sight)) {
		time.Sleep(time.Minute)
		sees(refused)
		f.answer(nil)
		time.Sleep(time.Minute)
		sees(refused)
		f.identify(true)
		time.Sleep(maxPause)
		sees(connected)
	})
}

func TestWitnessDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		dials := 0
		w := newWitness(func(context.Context, string) (net.Conn, error) {
			dials++
			near, there := net.Pipe()
			there.Close()
			return near, nil
		}, func(life) bool { return true }, func() {})
		w.watch(ctx, []life{someLife("n1", 1)})
		w.wait()
		if dials < 30 || dials > 40 {
			t.Errorf("it dialled %d times in a minute a port that hangs up", dials)
		}
	})
}

func TestWitnessWatchesWhoCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		f := &far{err: errRefused}
		w := newWitness(f.dial, f.isSame, func() {})
		old, renewed, mute := someLife("n1", 1), someLife("n1", 1), someLife("n2", 1)
		renewed.meta.Incarnation, mute.meta.RemoteAddr = "n1.2", ""
		w.watch(ctx, []life{old, mute})
		time.Sleep(time.Second)
		if seen := w.sights(); len(seen) != 1 || seen[old.key()] != refused {
			t.Errorf("it sees %v", seen)
		}
		f.answer(nil)
		w.watch(ctx, []life{renewed})
		time.Sleep(time.Second)
		if seen := w.sights(); len(seen) != 1 || seen[renewed.key()] != connected {
			t.Errorf("it sees %v", seen)
		}
		w.watch(ctx, nil)
		w.wait()
		if seen := w.sights(); len(seen) != 0 {
			t.Errorf("it sees %v", seen)
		}
		stop()
	})
}

// TestWitnessDialsAgainWhenGossipGivesUp: the host may have gone without a word
// and be back without the process.
func TestWitnessDialsAgainWhenGossipGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		f := new(far)
		w := newWitness(f.dial, f.isSame, func() {})
		w.watch(ctx, []life{someLife("n1", 1)})
		time.Sleep(time.Hour)
		f.answer(errRefused)
		for range 3 {
			w.watch(ctx, []life{someLife("n1", 1, died)})
			time.Sleep(secondLook)
		}
		if got := w.sights()[someLife("n1", 1).key()]; got != refused {
			t.Errorf("it sees %d", got)
		}
		stop()
		w.wait()
	})
}
