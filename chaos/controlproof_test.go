package chaos

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"godwit/bug"
	"godwit/client"
	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
	"godwit/storage/s3/s3test"
)

// proof is one run of a scene against one binary.
type proof struct {
	*testing.T
	ctx    context.Context
	binary string
	bug    bug.Bug
	seed   uint64
	folder string
	logf   func(string, ...any)
	report Report
	// fake is the S3 server, if there is one; listen the harness's address.
	fake   *s3test.Fake
	listen string
	*Cluster
}

// must ends the scene when it cannot go on. That proves nothing, neither of a bug
// nor of its absence, so it is no failure of the test.
func (p *proof) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatalf("%v", err)
	}
}

// Fatalf is what must does.
func (p *proof) Fatalf(format string, args ...any) {
	p.Helper()
	why := fmt.Sprintf(format, args...)
	p.logf("%s could not go on: %.600s", p.Name(), why)
	p.Skip(why)
}

// violate adds a broken promise by its id.
func (p *proof) violate(promise, format string, args ...any) {
	p.report.Violate("%s: %s", promise, fmt.Sprintf(format, args...))
}

// setting is what a scene plays on. State and results are "s3" or in files.
type setting struct {
	nodes          int
	apart          bool
	state, results string
	origins        []endpointtest.Options
}

// set starts what the scene needs; everything ends with the test.
func (p *proof) set(s setting) []*endpointtest.Origin {
	p.Helper()
	opts := Options{Binary: p.binary, Folder: p.folder, Nodes: s.nodes, Seed: p.seed, Logf: func(string, ...any) {}}
	p.listen = "127.0.0.1"
	if s.apart {
		network, err := NewNetwork(p.ctx, s.nodes)
		p.must(err)
		p.Cleanup(network.Close)
		opts.Driver, p.listen = network, network.Gateway()
	}
	opts.Store = dirStore(p.T, p.folder)
	if s.state == "s3" || s.results == "s3" {
		p.startFake()
		opts.Store.Env = s3Env(p.fake.Endpoint)
	}
	opts.Store.Env = append(opts.Store.Env, "GODWIT_BUG="+string(p.bug))
	if s.state == "s3" {
		opts.Store.State = "s3://state/cluster?endpoint=" + p.fake.Endpoint
	}
	if s.results == "s3" {
		p.resultsInS3(&opts.Store)
	}
	var origins []*endpointtest.Origin
	for i, o := range s.origins {
		o.Seed, o.Addr = p.seed+uint64(i), net.JoinHostPort(p.listen, "0")
		origin := endpointtest.New(p.T, o)
		origins = append(origins, origin)
		opts.Origins = append(opts.Origins, Origin{Source: origin, Size: o.Size})
	}
	p.must(p.start(opts))
	return origins
}

// start starts the cluster, again where another program was quicker to take a port.
func (p *proof) start(opts Options) (err error) {
	ctx, cancel := context.WithTimeout(p.ctx, startPatience)
	defer cancel()
	for range 3 {
		c, failed := StartCluster(ctx, opts)
		if c != nil {
			p.Cleanup(c.Close)
		}
		p.Cluster, err = c, failed
		if err == nil || !strings.Contains(err.Error(), "address already in use") {
			break
		}
	}
	return err
}

// startFake serves S3 where all nodes reach it.
func (p *proof) startFake() {
	l, err := net.Listen("tcp", net.JoinHostPort(p.listen, "0"))
	p.must(err)
	p.fake = s3test.NewServer()
	p.fake.Endpoint = "http://" + l.Addr().String()
	server := &http.Server{Handler: p.fake, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // ends with Close
	p.Cleanup(func() { _ = server.Close() })
}

// resultsInS3 puts results where their store fences who builds them.
func (p *proof) resultsInS3(s *Store) {
	object := func(name string) string { return "results/" + name }
	s.Destination = func(name string) string { return "s3://" + object(name) }
	s.Open = func(name string) (io.ReadCloser, error) {
		body, ok := p.fake.Objects()[object(name)]
		if !ok {
			return nil, os.ErrNotExist
		}
		return io.NopCloser(bytes.NewReader(body)), nil
	}
	s.Remove = func(name string) error {
		resp, err := p.askFake(http.MethodDelete, object(name), nil)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
}

// askFake speaks to the S3 server as somebody else.
func (p *proof) askFake(method, name string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(p.ctx, method, p.fake.Endpoint+"/"+name, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(r)
}

// submit accepts so many transfers, one after the other from each origin.
func (p *proof) submit(count int, params Params) {
	p.Helper()
	for range count {
		p.must(p.Submit(p.ctx, p.NewJob(), params))
	}
}

// ends waits for the end of a transfer.
func (p *proof) ends(id string) *pb.Transfer {
	p.Helper()
	for {
		t, err := p.look(p.ctx, id)
		if err == nil && client.Terminal(t.GetStatus()) {
			return t
		}
		if waited := idle(p.ctx, 2*glance); waited != nil {
			p.Fatalf("%s does not end: %v %v", id, t, waited)
		}
	}
}

// until waits for a condition.
func (p *proof) until(what string, holds func() bool) {
	p.Helper()
	for !holds() {
		if err := idle(p.ctx, glance); err != nil {
			p.Fatalf("wait until %s: %v", what, err)
		}
	}
}

// holds judges a result against what may be there, which is one of several bodies.
func (p *proof) holds(id string, bodies ...io.Reader) {
	p.Helper()
	sum, size, err := p.digest(id)
	p.must(err)
	var want []string
	for _, body := range bodies {
		h := sha256.New()
		_, err := io.Copy(h, body)
		p.must(err)
		if want = append(want, hex.EncodeToString(h.Sum(nil))); want[len(want)-1] == sum {
			return
		}
	}
	p.violate("S2", "%s is COMPLETED with %d bytes, sha256 %s; the source had %q", id, size, sum, want)
}
