package endpoint

import (
	"time"

	"godwit/transfer"
)

const (
	// chunkSize is how many bytes one request adds, unless the user or the far
	// side wants otherwise.
	chunkSize = 32 << 20
	// leastChunk is how small a chunk becomes for a far side that takes less in
	// one request than it says: what proxies let through that nobody configured.
	leastChunk = 1 << 20
)

// added is what came of a request that adds bytes to an upload.
type added struct {
	// offset is how many bytes the far side has now.
	offset  int64
	expires time.Time
	answer  *UploadAnswer
	// complete: nothing is missing any more.
	complete bool
}

// chunks adds bytes to one resource, in order, by requests of bounded size.
type chunks struct {
	// total is what the resource is to have, size what one request adds at most
	// and least at least, the last one excepted.
	total, size, least int64
	// add makes one request, with the n bytes from at on.
	add func(at, n int64) (added, *Failure)
	// confirmed is told of what the far side has; nil for nobody.
	confirmed func(offset int64, expires time.Time)
}

// send goes on until the far side says that the upload is complete. What it says
// it has is believed as long as that grows.
func (s *chunks) send(d *Upload, from int64) (*UploadAnswer, *Failure) {
	for at := from; ; {
		n := min(s.size, s.total-at)
		if n > 0 && d.finishing() {
			return nil, stopping()
		}
		got, f := s.add(at, n)
		if f != nil && f.Err.Code == transfer.CodeUploadTooLarge && s.shrink(n) {
			continue
		}
		if f == nil {
			f = s.check(at, n, got)
		}
		if f != nil {
			return nil, f
		}
		if s.confirmed != nil && got.offset > at {
			s.confirmed(got.offset, got.expires)
		}
		if got.complete {
			return got.answer, nil
		}
		at = got.offset
	}
}

// shrink makes chunks smaller after one of n bytes was too large, if they may be.
func (s *chunks) shrink(n int64) bool {
	least := max(s.least, leastChunk)
	if n <= least {
		return false
	}
	s.size = max(n/2, least)
	return true
}

func (s *chunks) check(at, n int64, got added) *Failure {
	var e *transfer.Error
	switch {
	case got.offset > at+n:
		e = transfer.Errorf(transfer.CodeUploadProtocol, "the far side has %d bytes, only %d were sent", got.offset, at+n)
	case !got.complete && got.offset <= at:
		e = transfer.Errorf(transfer.CodeUploadOffset, "the far side has %d bytes after it was sent those from byte %d on", got.offset, at)
	default:
		return nil
	}
	e.Op, e.Status = "send", got.answer.Shown.StatusCode
	return &Failure{Err: e, Sent: n > 0, Answer: got.answer}
}
