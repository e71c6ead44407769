package storagetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"godwit/storage"
)

// Op names a fallible call of a store.
type Op string

// The calls that [Faults] counts, in the order of the contracts.
const (
	OpCreate    Op = "create"
	OpSwap      Op = "swap"
	OpGet       Op = "get"
	OpList      Op = "list"
	OpDelete    Op = "delete"
	OpStat      Op = "stat"
	OpBegin     Op = "begin"
	OpOpenPart  Op = "open part"
	OpReadFrom  Op = "write part"
	OpCommit    Op = "commit part"
	OpListParts Op = "list parts"
	OpSync      Op = "sync"
	OpReadBack  Op = "read back"
	OpComplete  Op = "complete"
	OpAbort     Op = "abort"
	OpOpen      Op = "open"
	OpRemove    Op = "delete object"
)

// changes tells that the call's outcome can be unknown: it leaves something
// behind when it happened.
func (op Op) changes() bool {
	switch op {
	case OpCreate, OpSwap, OpDelete, OpBegin, OpCommit, OpSync, OpComplete, OpAbort, OpRemove:
		return true
	}
	return false
}

// Call is one call about to be made.
type Call struct {
	// Index counts all calls to all stores of one Faults, from 1.
	Index int
	Op    Op
	// Name is the key, prefix or object name.
	Name string
}

// Fault says what becomes of a call. The zero Fault lets it pass.
type Fault struct {
	// Kind is the error the caller gets, "" for none. A call that changes
	// nothing has no unknown outcome: there ErrUnknown becomes ErrUnavailable.
	Kind storage.Kind
	// Executed lets the call happen before it is reported as failed; its real
	// outcome is lost.
	Executed bool
	// Delay is how long the call waits before anything else.
	Delay time.Duration
	// Until, if not nil, is a channel whose closing the call waits for before
	// anything else.
	Until <-chan struct{}
}

// Refused is a call that the store turns away before it begins (503).
func Refused() Fault { return Fault{Kind: storage.ErrUnavailable} }

// LostRequest is a call of which nobody knows that it never happened.
func LostRequest() Fault { return Fault{Kind: storage.ErrUnknown} }

// LostReply is a call that happens, and nobody is told.
func LostReply() Fault { return Fault{Kind: storage.ErrUnknown, Executed: true} }

// FailAt returns a hook by which the k-th call, counting from 1, meets fault.
func FailAt(k int, fault Fault) func(Call) Fault {
	return func(call Call) Fault {
		if call.Index == k {
			return fault
		}
		return Fault{}
	}
}

// FailOps returns a hook by which every call of these operations meets fault.
func FailOps(fault Fault, ops ...Op) func(Call) Fault {
	return func(call Call) Fault {
		if slices.Contains(ops, call.Op) {
			return fault
		}
		return Fault{}
	}
}

// Faults decorates stores so that calls fail as Hook decides. All stores of one
// Faults share one count. It is safe for use by several goroutines; waiting
// works in virtual time.
type Faults struct {
	// Hook decides about each call before it is made; nil lets all pass. It is
	// called by one goroutine at a time and must not be changed once the first
	// call has been made.
	Hook func(Call) Fault

	mu sync.Mutex
	// calls is guarded by mu.
	calls []Call
}

// Calls returns the calls so far, in order.
func (f *Faults) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// decide counts a call and asks the hook.
func (f *Faults) decide(op Op, name string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	call := Call{Index: len(f.calls) + 1, Op: op, Name: name}
	f.calls = append(f.calls, call)
	if f.Hook == nil {
		return Fault{}
	}
	return f.Hook(call)
}

// do makes one call. drop releases what a call has returned whose outcome is
// lost; it is not called for a result that came with an error.
func do[T any](ctx context.Context, f *Faults, op Op, name string, run func() (T, error), drop func(T)) (T, error) {
	var none T
	fault := f.decide(op, name)
	if err := fault.wait(ctx, op, name); err != nil {
		return none, err
	}
	if fault.Kind == "" {
		return run()
	}
	if fault.Executed {
		if result, err := run(); err == nil && drop != nil {
			drop(result)
		}
	}
	return none, fault.report(op, name, nil)
}

// act makes a call that returns nothing but an error.
func act(ctx context.Context, f *Faults, op Op, name string, run func() error) error {
	_, err := do(ctx, f, op, name, func() (struct{}, error) { return struct{}{}, run() }, nil)
	return err
}

// wait delays the call. A context that ends meanwhile ends the call before it
// was made, but the caller of a write cannot know that.
func (fault Fault) wait(ctx context.Context, op Op, name string) error {
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return Fault{Kind: storage.ErrUnknown}.report(op, name, ctx.Err())
		}
	}
	if fault.Until != nil {
		select {
		case <-fault.Until:
		case <-ctx.Done():
			return Fault{Kind: storage.ErrUnknown}.report(op, name, ctx.Err())
		}
	}
	return nil
}

func (fault Fault) report(op Op, name string, cause error) error {
	kind := fault.Kind
	if kind == storage.ErrUnknown && !op.changes() {
		kind = storage.ErrUnavailable
	}
	return &storage.Error{Op: string(op), Name: name, Kind: kind, Err: cause}
}
