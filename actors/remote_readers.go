package actors

import (
	"context"
	"sync"
	"time"

	"godwit/actors/feed"
	clusterpb "godwit/protos/godwit/cluster/v1"
)

// remoteReaders are the mirrors of other nodes, as readers of this node's own
// snapshots.
type remoteReaders struct {
	own    *feed.Feed[Snapshot]
	sealer Sealer

	mu      sync.Mutex
	readers map[string]*remoteReader
}

type remoteReader struct {
	reader *feed.Reader[Snapshot]
	// busy: a question is open.
	busy bool
	// forget ends the reader when nobody asks any more.
	forget *time.Timer
}

// readerMemory is how long a reader is kept that nobody asks for.
const readerMemory = 10 * time.Second

func newRemoteReaders(own *feed.Feed[Snapshot], sealer Sealer) *remoteReaders {
	return &remoteReaders{own: own, sealer: sealer, readers: map[string]*remoteReader{}}
}

// serve waits a moment for changes. The first answer to a reader is empty: what
// came before it is not known.
func (f *remoteReaders) serve(ctx context.Context, from string, c *clusterpb.FollowCall) *clusterpb.FollowResult {
	key := from + " " + c.GetReader()
	r, fresh := f.begin(key)
	if r == nil {
		return &clusterpb.FollowResult{}
	}
	defer f.end(r)
	if fresh {
		return &clusterpb.FollowResult{Fresh: true}
	}
	out := &clusterpb.FollowResult{}
	ctx, cancel := context.WithTimeout(ctx, followWait)
	defer cancel()
	snap, err := r.reader.Next(ctx)
	for ok := err == nil; ok; snap, ok = r.reader.Poll() {
		out.Transfers = append(out.Transfers, wireSnapshot(&snap, f.sealer, false))
		if len(out.Transfers) == followBatch {
			break
		}
	}
	return out
}

// begin takes the reader of a key, a fresh one if there is none; nil when
// another question for it is still open.
func (f *remoteReaders) begin(key string) (r *remoteReader, fresh bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r = f.readers[key]; r == nil {
		r = &remoteReader{reader: f.own.Subscribe()}
		r.forget = time.AfterFunc(readerMemory, func() { f.drop(key) })
		f.readers[key], fresh = r, true
	}
	if r.busy {
		return nil, false
	}
	r.busy = true
	r.forget.Stop()
	return r, fresh
}

func (f *remoteReaders) end(r *remoteReader) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.busy = false
	r.forget.Reset(readerMemory)
}

// drop closes a reader, so that it keeps nothing.
func (f *remoteReaders) drop(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.readers[key]; r != nil && !r.busy {
		r.reader.Close()
		delete(f.readers, key)
	}
}

// close drops all readers.
func (f *remoteReaders) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, r := range f.readers {
		r.forget.Stop()
		r.reader.Close()
		delete(f.readers, key)
	}
}
