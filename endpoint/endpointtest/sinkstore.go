package endpointtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// maxStored is how much of an object is kept in memory, in bytes.
const maxStored = 64 << 20

// stored is what lies at a path, or will.
type stored struct {
	size        int64
	hash        hash.Hash
	data        bytes.Buffer
	contentType string
	etag        string
	writes      int
}

func newStored(contentType string) *stored {
	return &stored{hash: sha256.New(), contentType: contentType, writes: 1}
}

func (o *stored) write(p []byte) {
	o.size += int64(len(p))
	_, _ = o.hash.Write(p) // a hash never fails
	if o.size <= maxStored {
		o.data.Write(p)
	} else {
		o.data = bytes.Buffer{}
	}
}

func (o *stored) show() SinkObject {
	shown := SinkObject{
		Size: o.size, SHA256: hex.EncodeToString(o.hash.Sum(nil)), ContentType: o.contentType, Writes: o.writes,
	}
	if o.size <= maxStored {
		shown.Data = bytes.Clone(o.data.Bytes())
	}
	return shown
}

// store puts an object at a path.
func (s *Sink) store(path string, o *stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.writes = s.writes(path)
	s.objects[path] = o
}

// writes is how often an object will have been made at a path; mu is held.
func (s *Sink) writes(path string) int {
	if old := s.objects[path]; old != nil {
		return old.writes + 1
	}
	return 1
}
