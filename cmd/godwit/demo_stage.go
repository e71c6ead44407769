package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

// demoStage is what a demo runs on.
type demoStage struct {
	plan    demoPlan
	display display
	cluster demoCluster
	origin  *demoOrigin
	// receiver is told when all transfers have ended.
	receiver *demoReceiver
	seen     map[string]*sighting // by id
	// group is the completion group of all transfers, as it ended.
	group   *pb.CompletionGroup
	killing demoKilling
}

// demoKilling is what was the case when a node was killed.
type demoKilling struct {
	// node is the name, "" before the kill.
	node string
	at   time.Time
	// percent of all bytes had arrived.
	percent int64
	// ran are the ids of the transfers that the node ran.
	ran map[string]bool
}

// open makes the folders and starts the origin and the receiver.
func (s *demoStage) open(corrupt bool) (err error) {
	s.seen = map[string]*sighting{}
	for n := range s.plan.transfers {
		s.seen[s.plan.id(n+1)] = newSighting()
	}
	if s.cluster.folders, err = makeDemoFolders(); err != nil {
		return err
	}
	files := map[string]demoContent{}
	for n := range s.plan.transfers {
		files[s.path(n+1)] = s.content(n + 1)
	}
	if s.origin, err = startDemoOrigin(files, s.plan.rate); err != nil {
		return err
	}
	s.origin.corrupt = corrupt
	s.receiver, err = startDemoReceiver()
	return err
}

// path is where the origin has the n-th file.
func (s *demoStage) path(n int) string { return "/" + s.plan.file(n) }

func (s *demoStage) content(n int) demoContent {
	return demoContent{seed: uint64(n), size: s.plan.size}
}

// close ends the processes and removes the files.
func (s *demoStage) close() error {
	s.display.close()
	s.cluster.close()
	if s.origin != nil {
		s.origin.close()
	}
	if s.receiver != nil {
		s.receiver.close()
	}
	if s.cluster.folders.root == "" {
		return nil
	}
	if err := os.RemoveAll(s.cluster.folders.root); err != nil {
		return &failure{code: codeDemo, message: "the temporary folder cannot be removed: " + err.Error(), err: err}
	}
	return nil
}

// play is the demo: download, kill, go on elsewhere, have the task run, compare.
func (s *demoStage) play(ctx context.Context) (demoFindings, error) {
	if err := s.cluster.start(ctx, s.plan.nodes); err != nil {
		return demoFindings{}, err
	}
	s.notef("Nodes: %s.\nTo download: %s of %s.", s.cluster.title(), counted(s.plan.transfers, "file", "files"), humanBytes(s.plan.size))
	if err := s.cluster.attend(ctx, s.submit); err != nil {
		return demoFindings{}, err
	}
	going := s.goOnElsewhere
	if s.plan.nodes == 1 {
		going = s.goOnAgain
	}
	if err := going(ctx); err != nil {
		return demoFindings{}, err
	}
	if err := s.awaitTask(ctx); err != nil {
		return demoFindings{}, err
	}
	s.notef("Comparing the SHA-256 of each file with the origin's.")
	return s.findings(ctx)
}

// goOnElsewhere kills a node while its transfers are watched: what follows them
// is connected to that node and has to go on with another one too.
func (s *demoStage) goOnElsewhere(ctx context.Context) error {
	return s.follow(ctx, func() bool {
		if s.killing.node == "" && s.halfway() {
			s.kill()
		}
		return false
	})
}

// goOnAgain kills the only node, and starts it again.
func (s *demoStage) goOnAgain(ctx context.Context) error {
	if err := s.follow(ctx, s.halfway); err != nil {
		return err
	}
	s.kill()
	if err := s.cluster.restart(ctx); err != nil {
		return err
	}
	s.notef("Started again: %s, on the same data folder.", s.cluster.title())
	return s.follow(ctx, nil)
}

// halfway: it is time to kill a node.
func (s *demoStage) halfway() bool {
	sent := s.origin.total()
	if sent < s.plan.killAt {
		return false
	}
	for _, seen := range s.seen {
		if seen.kept == 0 && sent < s.plan.mostKillAt {
			return false
		}
	}
	return true
}

// kill ends the node that has most to do.
func (s *demoStage) kill() {
	k := &s.killing
	k.node, k.ran = busiest(s.seen)
	node := s.cluster.node(k.node)
	if node == nil {
		k.node = "" // nobody has anything
		return
	}
	var paths []string
	for n := 1; n <= s.plan.transfers; n++ {
		if k.ran[s.plan.id(n)] {
			paths = append(paths, s.path(n))
		}
	}
	k.at = time.Now()
	node.kill()
	s.origin.orphan(paths)
	k.percent = s.origin.total() * 100 / s.plan.all()
	s.notef("kill -9 %d: %s is dead. It had %s; %d%% of all bytes had arrived.",
		node.pid(), node.name, counted(len(k.ran), "download", "downloads"), k.percent)
}

// busiest is the node that has most transfers that have not ended, and which
// they are. Of equal ones the first name wins.
func busiest(seen map[string]*sighting) (node string, ids map[string]bool) {
	has := map[string]map[string]bool{}
	for id, s := range seen {
		if s.node() == "" || client.Terminal(s.last.GetStatus()) {
			continue
		}
		if has[s.node()] == nil {
			has[s.node()] = map[string]bool{}
		}
		has[s.node()][id] = true
	}
	for _, name := range slices.Sorted(maps.Keys(has)) {
		if len(has[name]) > len(ids) {
			node, ids = name, has[name]
		}
	}
	return node, ids
}

func (s *demoStage) notef(format string, args ...any) { s.display.note(fmt.Sprintf(format, args...)) }

// submit creates the transfers, as godwit get --server --completion-group would,
// each through another node: all take everything.
func (s *demoStage) submit(ctx context.Context) error {
	if err := s.createGroup(ctx); err != nil {
		return err
	}
	for n := 1; n <= s.plan.transfers; n++ {
		node := s.cluster.nodes[n%len(s.cluster.nodes)]
		api, err := clientOf(s.cluster.servers(node.name)...)
		if err != nil {
			return err
		}
		t, err := api.Create(ctx, &pb.Transfer{
			Id:          s.plan.id(n),
			Direction:   pb.Transfer_DOWNLOAD,
			Source:      &pb.Endpoint{Url: s.origin.url(s.path(n))},
			Destination: &pb.Endpoint{Url: "file://" + s.file(n)},
			Digest:      "sha256",
			PartSize:    s.plan.partSize,
			Connections: demoConnections,

			CompletionGroup: demoGroup,
		}, true)
		if err != nil {
			return err
		}
		s.take(t)
	}
	return s.enableGroup(ctx)
}

// file is where the n-th file is to lie.
func (s *demoStage) file(n int) string { return filepath.Join(s.cluster.folders.files, s.plan.file(n)) }

// follow shows the transfers until enough says so, or until all have ended. It
// fails when a node ends by itself.
func (s *demoStage) follow(ctx context.Context, enough func() bool) error {
	first, _ := busiest(s.seen)
	api, err := clientOf(s.cluster.servers(first)...)
	if err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(s.seen))
	return s.cluster.attend(ctx, func(ctx context.Context) error {
		for t, err := range api.Watch(ctx, ids...) {
			if err != nil {
				return err
			}
			s.take(t)
			if enough != nil && enough() {
				return nil
			}
		}
		return nil
	})
}

// take notes a state and shows it.
func (s *demoStage) take(t *pb.Transfer) {
	seen := s.seen[t.GetId()]
	before := seen.opener
	seen.take(t)
	epoch := t.GetOwner().GetEpoch()
	if now := seen.opener; before != "" && now != before {
		s.notef("%s moves from %s to %s, which goes on with it in epoch %d.", name(t), before, now, epoch)
	}
	if epoch > 0 {
		// The name is what all displays show; the epoch belongs beside it.
		t = proto.CloneOf(t)
		t.Destination.Url += fmt.Sprintf(" (epoch %d)", epoch)
	}
	s.display.show(t)
}
