package endpointtest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pieceSize is how much is read of a request at a time, in bytes.
const pieceSize = 32 << 10

// upload is one that was made. The request that has busy may use it; the server's
// mutex guards gone and interrupt.
type upload struct {
	s    *Resumable
	path string
	busy sync.Mutex
	// interrupt ends the request that is under way, nil if there is none.
	interrupt func()
	gone      int

	// partial and complete are written with both mutexes held.
	partial, complete bool

	content         *bytesHeld
	offset, length  int64
	final           bool
	concat          string
	metadata, media string
	reprDigest      string
}

// bytesHeld is content in a file or in memory.
type bytesHeld struct {
	file *os.File
	mem  []byte
}

func (b *bytesHeld) write(p []byte, at int64) error {
	if b.file != nil {
		_, err := b.file.WriteAt(p, at)
		return err
	}
	b.mem = append(b.mem[:at], p...)
	return nil
}

func (b *bytesHeld) reader(n int64) io.Reader {
	if b.file != nil {
		return io.NewSectionReader(b.file, 0, n)
	}
	return strings.NewReader(string(b.mem[:n]))
}

func (b *bytesHeld) close() {
	if b.file != nil {
		_ = b.file.Close()
	}
}

// make makes an upload of length bytes.
func (s *Resumable) make(length int64) (*upload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &upload{s: s, length: length, content: &bytesHeld{}}
	u.path = Path + fmt.Sprintf("u%d", len(s.order)+1)
	if s.opts.Dir != "" {
		f, err := os.Create(filepath.Join(s.opts.Dir, filepath.Base(u.path)))
		if err != nil {
			return nil, err
		}
		u.content.file = f
	}
	s.uploads[u.path] = u
	s.order = append(s.order, u)
	return u, nil
}

// location is where an upload is said to be.
func (u *upload) location() string {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	if u.s.faults.Location != "" {
		return u.s.faults.Location
	}
	return u.path
}

// take gives a request an upload for itself. An earlier request that is still
// under way is ended: its client has given it up.
func (s *Resumable) take(w http.ResponseWriter, r *http.Request) (*upload, bool) {
	s.mu.Lock()
	u := s.uploads[r.URL.Path]
	if u != nil && u.interrupt != nil {
		u.interrupt()
	}
	s.mu.Unlock()
	if u == nil {
		http.Error(w, "there is no such upload", http.StatusNotFound)
		return nil, false
	}
	u.busy.Lock()
	s.mu.Lock()
	gone := u.gone
	if gone == 0 {
		control := http.NewResponseController(w)
		u.interrupt = func() { _ = control.SetReadDeadline(time.Unix(1, 0)) }
	}
	s.mu.Unlock()
	if gone != 0 {
		u.busy.Unlock()
		http.Error(w, "the upload is gone", gone)
		return nil, false
	}
	return u, true
}

func (u *upload) release() {
	u.s.mu.Lock()
	u.interrupt = nil
	u.s.mu.Unlock()
	u.busy.Unlock()
}

// forget makes an upload answer with 404.
func (u *upload) forget() {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.gone = http.StatusNotFound
}

func (u *upload) stored() Stored {
	h := sha256.New()
	// Reading what was written does not fail.
	_, _ = io.Copy(h, u.content.reader(u.offset))
	return Stored{
		Path: u.path, Offset: u.offset, Length: u.length, Partial: u.partial, Complete: u.complete,
		Metadata: u.metadata, ContentType: u.media, SHA256: hex.EncodeToString(h.Sum(nil)),
	}
}

var errTooMuch = errors.New("more bytes than the upload is to have")

// receive appends the body of a request and tells told now and then how far it
// is. What came before an interruption is kept. A cut on command does not return.
func (u *upload) receive(r *http.Request, told func(offset int64)) error {
	piece := make([]byte, pieceSize)
	var came int64
	for {
		room := u.cutBefore(came, int64(len(piece)))
		n, err := r.Body.Read(piece[:room])
		u.s.mu.Lock()
		u.s.received += int64(n)
		if n > 0 && came == 0 && spend(&u.s.faults.Damage) {
			piece[0] ^= 1
		}
		u.s.mu.Unlock()
		if u.offset+int64(n) > u.length {
			return errTooMuch
		}
		if werr := u.content.write(piece[:n], u.offset); werr != nil {
			return werr
		}
		u.offset += int64(n)
		came += int64(n)
		if err == nil && n > 0 {
			told(u.offset)
		}
		if errors.Is(err, io.EOF) {
			u.dropped(came)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// cutBefore is how much may be read before the cut, at most n; at the cut it ends
// the connection.
func (u *upload) cutBefore(came, n int64) int64 {
	u.s.mu.Lock()
	f := &u.s.faults
	if f.CutTimes == 0 {
		u.s.mu.Unlock()
		return n
	}
	left := f.CutAfter - came
	if left > 0 {
		u.s.mu.Unlock()
		return min(left, n)
	}
	spend(&f.CutTimes)
	u.s.mu.Unlock()
	panic(http.ErrAbortHandler)
}

// dropped takes back the end of the came bytes that were added, on command.
func (u *upload) dropped(came int64) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	if f := &u.s.faults; f.KeepLess > 0 && f.KeepLess < came && spend(&f.KeepTimes) {
		u.offset -= f.KeepLess
	}
}

// lied is the offset that an answer names.
func (u *upload) lied() int64 {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	if u.s.faults.Lie != 0 && spend(&u.s.faults.LieTimes) {
		return u.offset + u.s.faults.Lie
	}
	return u.offset
}

// natural reads a header that must be a non-negative number.
func natural(h http.Header, name string) (int64, bool) {
	n, err := strconv.ParseInt(h.Get(name), 10, 64)
	return n, err == nil && n >= 0 && len(h.Values(name)) == 1
}

// pathOf is that of an absolute or relative URL.
func pathOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Path
}
