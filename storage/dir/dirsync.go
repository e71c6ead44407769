package dir

import (
	"os"
	"sync"
)

// dirSync makes entries of directories durable and merges what many want at
// once: while one sync of a directory runs, all who come meanwhile share the
// next one, which begins after their change.
type dirSync struct {
	mu sync.Mutex
	// dirs holds the directories with syncs under way, guarded by mu.
	dirs map[string]*dirQueue
	// sync is the system call, replaced in tests.
	sync func(dir string) error
}

// dirQueue is one directory's queue, guarded by dirSync.mu.
type dirQueue struct {
	// open has not begun and may be joined; nil when there is none.
	open *syncRound
	// last is the newest round, open or not.
	last *syncRound
}

// syncRound is one sync that several wait for. err is set before done is
// closed.
type syncRound struct {
	done chan struct{}
	err  error
}

func newDirSync() *dirSync {
	return &dirSync{dirs: make(map[string]*dirQueue), sync: syncDir}
}

// Sync returns when every change of the directory that happened before the
// call is durable.
func (s *dirSync) Sync(dir string) error {
	round, before, joined := s.join(dir)
	if joined {
		<-round.done
		return round.err
	}
	if before != nil {
		<-before.done
	}
	s.begin(dir)
	round.err = s.sync(dir)
	s.end(dir, round)
	close(round.done)
	return round.err
}

// join returns the round to wait for, or, when there is none to join, a new
// one that the caller must run after the one before.
func (s *dirSync) join(dir string) (round, before *syncRound, joined bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.dirs[dir]
	if queue == nil {
		queue = &dirQueue{}
		s.dirs[dir] = queue
	}
	if queue.open != nil {
		return queue.open, nil, true
	}
	before = queue.last
	round = &syncRound{done: make(chan struct{})}
	queue.open, queue.last = round, round
	return round, before, false
}

// begin closes the open round to others.
func (s *dirSync) begin(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirs[dir].open = nil
}

// end forgets the directory when nobody queued behind round.
func (s *dirSync) end(dir string, round *syncRound) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dirs[dir].last == round {
		delete(s.dirs, dir)
	}
}

// syncDir flushes a directory's entries to the disk.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
