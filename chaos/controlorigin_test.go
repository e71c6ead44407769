package chaos

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

// turn is how one answer of a source is given.
type turn struct {
	body     io.ReaderAt
	size     int64
	etag     string
	encoding string
	// whole: ranges are not looked at. cut, if it is not 0, is where the connection
	// breaks.
	whole bool
	cut   int64
}

// turns answers each request as the next turn says, and further ones as the last.
type turns struct {
	mu    sync.Mutex
	turns []turn
}

func (s *turns) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	t := s.turns[0]
	if len(s.turns) > 1 {
		s.turns = s.turns[1:]
	}
	s.mu.Unlock()
	if t.whole {
		r.Header.Del("Range")
	}
	w.Header().Set("ETag", t.etag)
	w.Header().Set("Content-Type", "application/octet-stream")
	if t.encoding != "" {
		w.Header().Set("Content-Encoding", t.encoding)
	}
	if t.cut > 0 {
		w = &breaking{w, t.cut}
	}
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(t.body, 0, t.size))
}

// breaking is an answer whose connection breaks after so many bytes.
type breaking struct {
	http.ResponseWriter
	left int64
}

func (w *breaking) Write(p []byte) (int, error) {
	if int64(len(p)) < w.left {
		w.left -= int64(len(p))
		return w.ResponseWriter.Write(p)
	}
	_, _ = w.ResponseWriter.Write(p[:w.left])
	_ = http.NewResponseController(w.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// fetch has one node fetch from a source that answers in turns, into a file.
func (p *proof) fetch(all ...turn) *pb.Transfer {
	p.Helper()
	origin := p.set(setting{nodes: 1, state: "dir", results: "files", origins: []endpointtest.Options{{Size: 1}}})[0]
	origin.Handle("/turns", &turns{turns: all})
	_, err := p.Nodes()[0].Create(p.ctx, &pb.Transfer{
		Id: "turns", Source: &pb.Endpoint{Url: origin.URL("/turns")}, Connections: 1, PartSize: 4 << 20,
		Destination: &pb.Endpoint{Url: p.opts.Store.Destination("turns")},
	}, true)
	p.must(err)
	return p.ends("turns")
}

// content is one generation of what a source of turns has.
func (p *proof) content(generation uint64) endpointtest.Content {
	return endpointtest.Content{Seed: p.seed, Generation: generation, Size: 9<<20 + 17}
}

func turnOf(c endpointtest.Content) turn {
	return turn{body: c, size: c.Size, etag: fmt.Sprintf("%q", fmt.Sprint("g", c.Generation))}
}

// answerWhole breaks the connection, and then the source serves ranges no more.
func (p *proof) answerWhole() {
	c := p.content(1)
	first, second := turnOf(c), turnOf(c)
	first.cut, second.whole = 3<<20+12345, true
	p.completed(p.fetch(first, second))
	p.holds("turns", c.Reader(0))
}

// changeContent breaks the connection, and then the source has other content of the
// same size.
func (p *proof) changeContent() {
	first := turnOf(p.content(1))
	first.cut = 3<<20 + 12345
	p.completed(p.fetch(first, turnOf(p.content(2))))
	p.holds("turns", p.content(1).Reader(0), p.content(2).Reader(0))
}

// packContent has a source that compresses its content, which is what its ranges
// and its entity tag speak of, although it was asked not to. What it sends may be
// refused, or published as it is.
func (p *proof) packContent() {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := io.WriteString(z, strings.Repeat(fmt.Sprintf("the same line, %d\n", p.seed), 300_000))
	p.must(err)
	p.must(z.Close())
	source := turn{body: bytes.NewReader(packed.Bytes()), size: int64(packed.Len()), etag: `"packed"`, encoding: "gzip"}
	switch t := p.fetch(source); {
	case t.GetStatus() == pb.Transfer_COMPLETED:
		p.holds("turns", bytes.NewReader(packed.Bytes()))
	case t.GetError().GetCode() != "http.encoding":
		p.violate("S20", "content that is compressed was refused with %v", t.GetError())
	}
}

func (p *proof) completed(t *pb.Transfer) {
	p.Helper()
	if t.GetStatus() != pb.Transfer_COMPLETED {
		p.violate("L1", "%s is %v: %v", t.GetId(), t.GetStatus(), t.GetError())
	}
}

// overwritePart has somebody write other bytes into a part of an upload, as one
// does who has lost it, at a store that knows no checksums: S3 itself would refuse
// the object.
func (p *proof) overwritePart() {
	p.set(setting{nodes: 1, state: "dir", results: "s3", origins: []endpointtest.Options{{Size: 14 << 20, Behavior: endpointtest.Behavior{Rate: 3 << 20}}}})
	p.fake.Ignore("X-Amz-Checksum-Algorithm")
	p.fake.SetFaults(noChecksums)
	params := Params{PartSize: 5 << 20, Connections: 1, Waste: 16 << 20}
	p.submit(1, params)
	p.until("two parts are stored", func() bool { return p.fake.Calls("UploadPart") >= 2 })
	resp, err := p.askFake(http.MethodPut, "results/t00001?partNumber=1&uploadId="+p.fake.Uploads()[0], make([]byte, 5<<20))
	p.must(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		p.Fatalf("the store answers %s", resp.Status)
	}
	p.Judge(p.ctx, params, &p.report)
}
