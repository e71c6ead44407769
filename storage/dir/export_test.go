package dir

import "os"

// Faults are what a disk may do to the record store, for tests outside the
// package.
type Faults struct {
	// MinGarbage, when positive, is the garbage in bytes that is tolerated.
	MinGarbage int64
	// Step is called after each step of a compaction.
	Step func(string)
	// Sync replaces the sync of a file.
	Sync func(*os.File) error
}

// Inject makes the store behave as f says. It must not be in use.
func (r *Records) Inject(f Faults) {
	if f.MinGarbage > 0 {
		r.minGarbage = f.MinGarbage
	}
	if f.Step != nil {
		r.disk.step = f.Step
	}
	if f.Sync != nil {
		r.disk.sync = f.Sync
	}
}

// Generation returns how often the log has been written anew, from 1.
func (r *Records) Generation() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.view.header.generation
}

// WaitForCompaction returns when no compaction is under way in this process, nor
// about to be: a write has been answered a moment before that is decided.
func (r *Records) WaitForCompaction() {
	r.queue.busy.Lock()
	//nolint:staticcheck // empty on purpose: whoever holds it decides
	r.queue.busy.Unlock()
	r.background.Wait()
}

// Root returns the folder of the store.
func (r *Records) Root() string { return r.root }
