package chaos

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"godwit/endpoint/endpointtest"
	"godwit/storage/s3/s3test"
)

// cut holds one node apart from the others, which does not hinder it: it reaches
// the store and the origins. A transfer into S3 may be taken over meanwhile, since
// S3 refuses what its old owner publishes; one into a file may not, as long as its
// owner renews its lease.
func (p *proof) cut(results string, d time.Duration) {
	p.set(setting{nodes: 3, apart: true, state: "s3", results: results, origins: []endpointtest.Options{
		// What runs when the node is cut off runs longer than that.
		{Size: int64(d.Seconds()+8)<<20 - 11, Behavior: endpointtest.Behavior{Rate: 1 << 20}},
	}})
	var mu sync.Mutex
	aborted := map[string]int{}
	p.fake.SetFaults(func(c s3test.Call) s3test.Fault {
		if c.Op == "AbortMultipartUpload" {
			mu.Lock()
			defer mu.Unlock()
			aborted[strings.TrimPrefix(c.Name, "results/")]++
		}
		return s3test.Fault{}
	})
	params := Params{PartSize: 5 << 20, Connections: 1, Waste: 16 << 20}
	p.submit(6, params)
	v, err := p.Victim(p.ctx)
	p.must(err)
	m, err := p.Strike(v, func() error { return p.cutOff(p.ctx, []*Node{v.Node}, false) })
	p.must(err)
	for _, t := range p.during(p.ctx, d, v, m) {
		if results == "files" {
			p.violate("S6", "%s was taken over by %s although %s lives and renews its lease", t.ID, t.Owner, v.Name)
		}
	}
	p.must(p.links().Heal(p.ctx))
	p.Judge(p.ctx, params, &p.report)
	mu.Lock()
	defer mu.Unlock()
	for id, times := range aborted {
		p.violate("S14", "the upload of %s was aborted %d times, although it was never given up", id, times)
	}
}

// isRecord tells a record that is no lease: without leases nobody works.
func isRecord(c s3test.Call) bool {
	return c.Op == "PutObject" && strings.HasPrefix(c.Name, "state/cluster/shards/")
}

// loseWrites has a store lose requests before it carries them out, and answers
// after that.
func (p *proof) loseWrites() {
	p.set(setting{nodes: 1, state: "s3", results: "s3", origins: []endpointtest.Options{{Size: 6 << 20, Behavior: endpointtest.Behavior{Rate: 4 << 20}}}})
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(p.seed, 3))
	p.fake.SetFaults(func(c s3test.Call) s3test.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch n := dice.IntN(6); {
		case !isRecord(c) || n > 2:
			return s3test.Fault{}
		default:
			return s3test.Fault{Drop: true, Apply: n == 0}
		}
	})
	params := Params{PartSize: 5 << 20, Connections: 1, Waste: 16 << 20}
	p.submit(8, params)
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	p.Judge(ctx, params, &p.report)
}

// mostAsked is how often one record may be tried to be written while the store is
// away for awayFor: with the waits between two tries it is some six times.
const (
	mostAsked = 20
	awayFor   = 8 * time.Second
)

// takeStoreAway has the store refuse to write records for a while.
func (p *proof) takeStoreAway() {
	p.set(setting{nodes: 1, state: "s3", results: "files", origins: []endpointtest.Options{{Size: 16 << 20, Behavior: endpointtest.Behavior{Rate: 1 << 20}}}})
	params := Params{PartSize: 1 << 20, Connections: 1, Waste: 16 << 20}
	p.submit(3, params)
	_, err := p.Victim(p.ctx)
	p.must(err)
	var mu sync.Mutex
	asked := map[string]int{}
	p.fake.SetFaults(func(c s3test.Call) s3test.Fault {
		if !isRecord(c) {
			return s3test.Fault{}
		}
		mu.Lock()
		defer mu.Unlock()
		asked[c.Name]++
		return s3test.Fault{Status: 503, Code: "SlowDown"}
	})
	p.must(idle(p.ctx, awayFor))
	p.fake.SetFaults(nil)
	mu.Lock()
	if len(asked) == 0 {
		p.Fatalf("nothing was written meanwhile")
	}
	for key, times := range asked {
		if times > mostAsked {
			p.violate("L6", "a store that was away for %v was asked %d times to write %s", awayFor, times, key)
		}
	}
	mu.Unlock()
	p.Judge(p.ctx, params, &p.report)
}

// cutPower kills a node and loses what its disk was not told to keep, three
// quarters through a transfer. The state is on another disk, which loses nothing.
func (p *proof) cutPower() {
	disk := mountDisk(p)
	p.set(setting{nodes: 1, state: "dir", results: "files", origins: []endpointtest.Options{{Size: 48<<20 - 5, Behavior: endpointtest.Behavior{Rate: 4 << 20}}}})
	params := Params{PartSize: 2 << 20, Connections: 2, Waste: 12 << 20}
	p.submit(1, params)
	origin := p.opts.Origins[0].Source.(*endpointtest.Origin)
	p.must(origin.WaitServed(p.ctx, 36<<20))
	v, err := p.Victim(p.ctx)
	p.must(err)
	_, err = p.Strike(v, func() error {
		v.Kill()
		return disk.cut()
	})
	p.must(err)
	p.must(disk.mount())
	p.must(v.Start(p.ctx))
	p.Judge(p.ctx, params, &p.report)
}

// disk is a file system of its own, whose power can be cut.
type disk struct {
	p           *proof
	image, path string
}

// mountDisk puts one under the file root of the nodes. Nothing but a sync has it
// write what it knows of files.
func mountDisk(p *proof) *disk {
	if os.Geteuid() != 0 {
		p.Fatalf("only root mounts a disk")
	}
	d := &disk{p: p, image: filepath.Join(p.folder, "disk"), path: filesBelow(p.folder)}
	p.must(os.MkdirAll(d.path, 0o700))
	f, err := os.Create(d.image)
	p.must(err)
	p.must(f.Truncate(256 << 20))
	p.must(f.Close())
	p.must(command(p.ctx, "mkfs.ext4", "-q", "-F", d.image))
	p.must(d.mount())
	p.Cleanup(func() { _ = command(context.Background(), "umount", "-l", d.path) })
	return d
}

func (d *disk) mount() error {
	return command(d.p.ctx, "mount", "-o", "loop,commit=300", d.image, d.path)
}
