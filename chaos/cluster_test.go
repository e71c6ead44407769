package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"godwit/bug"
	"godwit/endpoint/endpointtest"
	"godwit/storage/s3/s3test"
)

// recording is a godwit that writes down its state writes. It is built when it
// is first needed.
var recording = sync.OnceValues(func() (string, error) {
	return Build(context.Background(), filepath.Dir(binary), HistoryTags()...)
})

// stores are where a cluster under test can keep its state and its results.
// Only results in S3 are fenced by their store, so that they are taken over
// without waiting for a lease to run out.
var stores = map[string]func(t testing.TB, folder string) Store{"dir": dirStore, "mixed": mixedStore, "s3": s3Store}

func dirStore(t testing.TB, folder string) Store {
	s, err := DirStore(folder)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mixedStore keeps the state in a folder and results in memory, behind S3.
func mixedStore(t testing.TB, folder string) Store {
	s, fake := dirStore(t, folder), s3test.NewFake(t)
	s.Name, s.Env = "dir, results in S3", s3Env(fake.Endpoint)
	s.Endpoint, s.Uploads = fake.Endpoint, fake.Uploads
	s.Destination = func(name string) string { return "s3://results/" + name }
	object := func(method, name string) (*http.Response, error) {
		r, err := http.NewRequest(method, fake.Endpoint+"/results/"+name, nil)
		if err != nil {
			return nil, err
		}
		return http.DefaultClient.Do(r)
	}
	s.Open = func(name string) (io.ReadCloser, error) {
		resp, err := object(http.MethodGet, name)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			resp.Body.Close()
			return nil, fmt.Errorf("%w: %s", os.ErrNotExist, resp.Status)
		}
		return resp.Body, nil
	}
	s.Remove = func(name string) error {
		resp, err := object(http.MethodDelete, name)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	return s
}

// s3Store keeps both in a versitygw.
func s3Store(t testing.TB, _ string) Store {
	v := s3test.StartVersity(t)
	state, results := v.Bucket(t, "state"), v.Bucket(t, "results")
	return Store{
		Name: "S3", State: "s3://" + state + "/cluster?endpoint=" + v.Endpoint, Env: s3Env(v.Endpoint),
		Destination: func(name string) string { return "s3://" + results + "/" + name },
		Open:        func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(v.Dir, results, name)) },
		Remove:      func(name string) error { return os.Remove(filepath.Join(v.Dir, results, name)) },
		Endpoint:    v.Endpoint, Uploads: func() []string { return v.Uploads(t, results) },
	}
}

func s3Env(endpoint string) []string {
	return []string{"AWS_ACCESS_KEY_ID=" + s3test.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3test.SecretKey, "AWS_ENDPOINT_URL=" + endpoint}
}

// staging is how a scenario is put on.
type staging struct {
	nodes int
	store string
	// driver is where nodes run: "docker", or "" for what the scenario needs.
	driver string
	// bug is the seeded bug that nodes have, or None.
	bug    bug.Bug
	seed   uint64
	folder string
	params Params
	logf   func(string, ...any)
}

// driver is where a scenario's nodes run.
func driver(t testing.TB, s Scenario, as staging) Driver {
	t.Helper()
	switch {
	case as.driver == "docker" && s.Network:
		t.Fatalf("%s holds nodes apart by links, which containers do not have", s.Name)
	case as.driver == "docker":
		d, err := NewDocker(t.Context(), as.folder)
		if errors.Is(err, ErrNoEngine) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Close)
		return d
	case as.driver != "":
		t.Fatalf("there is no driver %q, there is docker", as.driver)
	case s.Network:
		network, err := NewNetwork(t.Context(), as.nodes)
		if errors.Is(err, ErrNoNetwork) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(network.Close)
		return network
	}
	return Loopback{}
}

// stage starts what a scenario needs. Everything ends with the test, and the
// ends of all logs are shown when it fails.
func stage(t testing.TB, s Scenario, as staging) *Cluster {
	t.Helper()
	if as.nodes < s.Least {
		t.Fatalf("%s needs %d nodes", s.Name, s.Least)
	}
	if err := as.params.Check(); err != nil {
		t.Fatal(err)
	}
	if (s.Network || as.driver == "docker") && as.store != "dir" {
		t.Fatalf("%s needs the store dir: others listen on loopback only", s.Name)
	}
	if s.Own {
		as.nodes = 0
		if as.store == "dir" {
			as.store = "mixed"
		}
	}
	build := recording
	if as.bug != bug.None {
		build = seeded
	}
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{
		Binary: bin, Folder: as.folder, Nodes: as.nodes, Store: stores[as.store](t, as.folder), Seed: as.seed,
		Args: s.Arguments(as.params), Logf: as.logf,
	}
	if as.bug != bug.None {
		opts.Store.Env = append(opts.Store.Env, "GODWIT_BUG="+string(as.bug))
	}
	if opts.Logf == nil {
		opts.Logf = t.Logf
	}
	opts.Driver = driver(t, s, as)
	listen := opts.Driver.Host()
	if s.Uploads {
		opts.Fars = fars(t, as.folder)
	}
	for i, content := range s.Origins(as.params) {
		o := endpointtest.New(t, endpointtest.Options{
			Seed: as.seed + uint64(i), Size: content.Size, Addr: net.JoinHostPort(listen, "0"),
			Behavior: endpointtest.Behavior{Rate: content.Rate, Latency: content.Latency},
		})
		opts.Origins = append(opts.Origins, Origin{Source: o, Size: content.Size})
	}
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	c, err := StartCluster(ctx, opts)
	if c != nil {
		t.Cleanup(c.Close)
		t.Cleanup(func() {
			if t.Failed() {
				t.Log(c.Tails())
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}
