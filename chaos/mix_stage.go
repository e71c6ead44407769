package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"

	"godwit/chaos/history"
	"godwit/chaos/proxy"
	"godwit/storage/s3/s3test"
)

// prepare starts everything.
func (m *mix) prepare(ctx context.Context) error {
	if err := os.MkdirAll(filesBelow(m.opts.Folder), 0o700); err != nil {
		return fmt.Errorf("prepare a mix: %w", err)
	}
	if err := m.drive(ctx); err != nil {
		return err
	}
	var err error
	m.rec, err = history.Create(m.historyFile(), history.Run{
		Scenario: "mix", Seed: m.opts.Seed, Nodes: m.opts.Nodes, Store: m.opts.Store, Bug: m.opts.Bug,
		Waste: mixWaste, PartSize: mixPart, Memory: mixMemory, Streams: mixStreams,
	})
	if err != nil {
		return err
	}
	store, err := m.openStore()
	if err != nil {
		return err
	}
	if err := m.openSides(); err != nil {
		return err
	}
	starting, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	m.c, err = StartCluster(starting, Options{
		Binary: m.opts.Binary, Folder: m.opts.Folder, Nodes: m.opts.Nodes, Store: store, Seed: m.opts.Seed,
		Driver: m.opts.Driver, Recorder: m.rec, Logf: m.opts.Logf,
	})
	if m.c != nil {
		m.closers = append(m.closers, m.c.Close)
	}
	return err
}

// drive finds out where nodes can run.
func (m *mix) drive(ctx context.Context) error {
	if m.opts.Driver == nil {
		// One more than nodes, for the guest.
		network, err := NewNetwork(ctx, m.opts.Nodes+1)
		switch {
		case errors.Is(err, ErrNoNetwork):
			m.opts.Logf("nodes run on loopback, nothing cuts them off: %v", err)
			m.opts.Driver = Loopback{}
		case err != nil:
			return err
		default:
			m.closers = append(m.closers, network.Close)
			m.opts.Driver = network
		}
	}
	m.links, _ = m.opts.Driver.(Links)
	return nil
}

// openStore starts what state and results are kept in, and the way there.
func (m *mix) openStore() (Store, error) {
	dir, err := DirStore(m.opts.Folder)
	if err != nil || m.opts.Store == "dir" {
		return dir, err
	}
	server, err := m.openServer()
	if err != nil {
		return Store{}, err
	}
	options := proxy.Options{
		Server: server, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey, Seed: m.opts.Seed,
		Clock: m.rec.Now, Record: m.rec.Add, Life: m.life,
	}
	if m.keepsState() {
		options.State = "state/cluster"
	}
	if m.proxy, err = proxy.New(options); err != nil {
		return Store{}, err
	}
	m.closers = append(m.closers, func() { _ = m.proxy.Close() })
	m.ways = map[int]string{}
	for number := 1; number <= m.opts.Nodes+1; number++ {
		if m.ways[number], err = m.proxy.ListenOn(fmt.Sprintf("n%d", number), m.opts.Driver.Host()); err != nil {
			return Store{}, err
		}
	}
	s := dir
	s.Name = m.opts.Store
	s.Way = func(number int) (string, []string) {
		way := m.ways[number]
		env := []string{"AWS_ACCESS_KEY_ID=" + s3test.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3test.SecretKey, "AWS_ENDPOINT_URL=" + way}
		if m.keepsState() {
			return "s3://state/cluster?endpoint=" + way, env
		}
		return dir.State, env
	}
	return s, nil
}

// keepsState tells that the state is in S3, too.
func (m *mix) keepsState() bool { return m.opts.Store == "s3" || m.opts.Store == "memory" }

// life is the present life of the node of that name.
func (m *mix) life(name string) int {
	if m.c == nil {
		return 1 // it has not been started for long
	}
	if n := m.c.Node(name); n != nil {
		return n.Life()
	}
	return 0
}

// openServer starts an S3 server: versitygw where there is one and it keeps the
// state, or ours.
func (m *mix) openServer() (endpoint string, err error) {
	if m.opts.Store == "s3" {
		folder := filepath.Join(m.opts.Folder, "s3")
		for _, bucket := range []string{"state", "results"} {
			if err := os.MkdirAll(filepath.Join(folder, bucket), 0o755); err != nil {
				return "", fmt.Errorf("make buckets: %w", err)
			}
		}
		v, err := s3test.OpenVersity(folder)
		if err == nil {
			m.closers = append(m.closers, v.Close)
			m.results = folderResults{filepath.Join(folder, "results")}
			return v.Endpoint, nil
		}
		if !errors.Is(err, s3test.ErrNoVersity) {
			return "", err
		}
		m.opts.Logf("the state is kept in memory: %v", err)
	}
	server := httptest.NewServer(s3test.NewServer())
	m.closers = append(m.closers, server.Close)
	m.results = fakeResults{server.URL}
	return server.URL, nil
}

// openSides starts origin, far side and receiver, and makes the load.
func (m *mix) openSides() (err error) {
	host := m.opts.Driver.Host()
	if m.origin, err = startMixOrigin(host, m.opts.Rate, m.rec); err != nil {
		return err
	}
	m.closers = append(m.closers, func() { _ = m.origin.server.Close() })
	if network, ok := m.opts.Driver.(*Network); ok {
		for number := 1; number <= m.opts.Nodes+1; number++ {
			m.origin.nodes[network.address(number)] = fmt.Sprintf("n%d", number)
		}
	}
	if m.far, err = startMixFar(host, filesBelow(m.opts.Folder), m.opts.Seed, 2*m.opts.Rate, m.opts.Size/2); err != nil {
		return err
	}
	m.closers = append(m.closers, m.far.Close)
	if m.hooks, err = startMixHooks(host, m.rec); err != nil {
		return err
	}
	m.closers = append(m.closers, func() { _ = m.hooks.server.Close() })
	m.load = newMixLoad(m)
	return nil
}
