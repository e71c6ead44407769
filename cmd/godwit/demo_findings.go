package main

import (
	"context"
	"os"

	pb "godwit/protos/godwit/v1"
)

// findings looks at the files and at what the origin counted.
func (s *demoStage) findings(ctx context.Context) (demoFindings, error) {
	found := demoFindings{
		killedNode: s.killing.node, killedAt: s.killing.percent,
		group: s.group.GetStatus(), task: s.group.GetTask().GetId(), deliveries: s.receiver.deliveries(),
	}
	for n := 1; n <= s.plan.transfers; n++ {
		if ctx.Err() != nil {
			return demoFindings{}, context.Cause(ctx)
		}
		found.transfers = append(found.transfers, s.finding(n))
	}
	return found, nil
}

// finding is that of the n-th transfer.
func (s *demoStage) finding(n int) demoFinding {
	id := s.plan.id(n)
	seen, sent := s.seen[id], s.origin.sentOf(s.path(n))
	t := seen.last
	f := demoFinding{
		id:       id,
		file:     s.plan.file(n),
		status:   t.GetStatus(),
		trouble:  trouble(t),
		want:     s.content(n).sha256(),
		reported: t.GetChecksums().GetSha256(),
		restarts: t.GetProgress().GetRestarts(),
		orphaned: s.killing.ran[id],
		nodes:    seen.nodes,
		epochs:   len(seen.epochs),
		wentBack: seen.wentBack,
		sent:     sent.bytes,
		atKill:   sent.first,
	}
	if !sent.resumed.IsZero() {
		f.wentOn, f.wentOnAfter = true, sent.resumed.Sub(s.killing.at)
	}
	if t.GetStatus() == pb.Transfer_COMPLETED {
		f.got = digestOf(s.file(n))
	}
	return f
}

// digestOf is the SHA-256 of a file, or why there is none: which is as little
// the digest that is wanted.
func digestOf(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	digest, err := hexSHA256(file)
	if err != nil {
		return err.Error()
	}
	return digest
}
