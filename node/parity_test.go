package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"godwit/client"
	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

// parityLine is one promise of docs/background-transfer.md, kept by a real node
// and seen by the programs around it.
type parityLine struct {
	name string
	run  func(*testing.T)
}

func TestParity(t *testing.T) {
	for _, paragraph := range []struct {
		name  string
		lines []parityLine
	}{
		{"Transfers", parityTransfers},
		{"Control", parityControl},
		{"Recovery", parityRecovery},
		{"Observation", parityObservation},
		{"Sets", paritySets},
		{"Groups", parityGroups},
		{"Uploads", parityUploads},
	} {
		t.Run(paragraph.name, func(t *testing.T) {
			for _, line := range paragraph.lines {
				t.Run(line.name, line.run)
			}
		})
	}
}

// parity is a node with its folders and a client, for one line.
type parity struct {
	*testing.T
	// root is where results go, state is the state store.
	root, state string
	cfg         Config
	// ctx ends a line that waits for what does not come.
	ctx  context.Context
	node *Node
	c    *client.Client
	// stop ends the node in good order; begin starts another one of its name.
	stop func()
}

// parityPart is the part size of all transfers, in bytes: small, so that little
// content has many parts.
const parityPart = 64 << 10

func newParity(t *testing.T, change ...func(*Config)) *parity {
	t.Helper()
	t.Parallel()
	return newParityAlone(t, change...)
}

// newParityAlone is for lines that change the environment.
func newParityAlone(t *testing.T, change ...func(*Config)) *parity {
	t.Helper()
	data := t.TempDir()
	p := &parity{T: t, root: t.TempDir(), state: filepath.Join(data, "state"), stop: func() {}}
	p.cfg = Config{
		Name: "n1", DataDir: data, StateStore: "dir://" + p.state, FileRoots: []string{p.root},
		EgressAllow: []string{"127.0.0.0/8"}, Logger: testLogger(t),
		APIAddr: "127.0.0.1:0", RemoteAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0",
	}
	for _, f := range change {
		f(&p.cfg)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	p.ctx = ctx
	t.Cleanup(func() {
		cancel()
		p.stop()
	})
	p.begin()
	return p
}

func (p *parity) begin() {
	p.Helper()
	n, err := New(p.cfg)
	if err != nil {
		p.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	p.stop = func() {
		p.stop = func() {}
		cancel()
		if err := <-ended; err != nil {
			p.Errorf("the node ended with %v", err)
		}
	}
	select {
	case <-n.readiness.became:
	case err := <-ended:
		ended <- nil
		p.Fatalf("the node did not start: %v", err)
	}
	p.node = n
	// With short pauses, which are those between two looks at a set too.
	cfg := client.Config{Servers: []string{n.Addr()}, MinBackoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond}
	if p.c, err = client.New(cfg); err != nil {
		p.Fatal(err)
	}
}

func (p *parity) file(id string) string { return filepath.Join(p.root, id) }

// spec is a download of url to the file of its id.
func (p *parity) spec(id, url string) *pb.Transfer {
	return &pb.Transfer{
		Id: id, Source: &pb.Endpoint{Url: url}, Destination: &pb.Endpoint{Url: "file://" + p.file(id)},
		PartSize: parityPart, Connections: 1,
	}
}

// create starts a transfer, add leaves it idle.
func (p *parity) create(t *pb.Transfer) *pb.Transfer {
	p.Helper()
	return must(p.c.Create(p.ctx, t, true))(p)
}

func (p *parity) add(t *pb.Transfer) *pb.Transfer {
	p.Helper()
	return must(p.c.Create(p.ctx, t, false))(p)
}
func (p *parity) get(id string) *pb.Transfer { p.Helper(); return must(p.c.Get(p.ctx, id))(p) }

// must returns what a call returned, unless that failed.
func must[T any](value T, err error) func(*parity) T {
	return func(p *parity) T {
		p.Helper()
		if err != nil {
			p.Fatal(err)
		}
		return value
	}
}

// refused wants a call to have failed with a code.
func (p *parity) refused(err error, code string) {
	p.Helper()
	if client.CodeOf(err) != code {
		p.Errorf("got %v, want %s", err, code)
	}
}

// until watches a transfer until it is as wanted.
func (p *parity) until(id, what string, is func(*pb.Transfer) bool) *pb.Transfer {
	p.Helper()
	var last *pb.Transfer
	for t, err := range p.c.Watch(p.ctx, id) {
		if err != nil {
			p.Fatalf("%s is not %s: %v; last seen %v", id, what, err, last)
		}
		if last = t; is(t) {
			return t
		}
	}
	p.Fatalf("%s ended and was never %s: %v", id, what, last)
	return nil
}

func (p *parity) status(id string, want pb.Transfer_Status) *pb.Transfer {
	p.Helper()
	return p.until(id, want.String(), func(t *pb.Transfer) bool { return t.GetStatus() == want })
}

// stored waits until so many bytes of a transfer are durable.
func (p *parity) stored(id string, bytes int64) *pb.Transfer {
	p.Helper()
	return p.until(id, fmt.Sprint(bytes, " bytes long"), func(t *pb.Transfer) bool { return t.GetProgress().GetBytesDone() >= bytes })
}

// completed waits for the end and compares the result with the origin.
func (p *parity) completed(id string, o *endpointtest.Origin) *pb.Transfer {
	p.Helper()
	t := p.status(id, pb.Transfer_COMPLETED)
	checkContent(p.T, p.file(id), o)
	return t
}

// eventually polls for what no watch tells.
func (p *parity) eventually(what string, is func() bool) {
	p.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !is() {
		select {
		case <-ticker.C:
		case <-p.ctx.Done():
			p.Fatalf("never %s", what)
		}
	}
}

// results are the names of all files at the destination, partial ones included.
func (p *parity) results() []string {
	p.Helper()
	var names []string
	for _, e := range must(os.ReadDir(p.root))(p) {
		names = append(names, e.Name())
	}
	return names
}

// json calls the API as a program does that has no client of ours.
func (p *parity) json(method string, request any) map[string]any {
	p.Helper()
	body := must(json.Marshal(request))(p)
	url := "http://" + p.node.Addr() + "/godwit.v1." + method
	req := must(http.NewRequestWithContext(p.ctx, http.MethodPost, url, bytes.NewReader(body)))(p)
	req.Header.Set("Content-Type", "application/json")
	resp := must(http.DefaultClient.Do(req))(p)
	defer func() { _ = resp.Body.Close() }()
	text := must(io.ReadAll(resp.Body))(p)
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		p.Fatalf("%s: %d %s", method, resp.StatusCode, text)
	}
	return out
}
