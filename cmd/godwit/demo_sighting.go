package main

import pb "godwit/protos/godwit/v1"

// sighting is what the API showed of one transfer in the course of a demo.
type sighting struct {
	// last is the newest state.
	last *pb.Transfer
	// nodes are the owners in the order they were seen, each change once.
	nodes []string
	// epochs are those of all owners seen, latest is the highest, and opener the
	// node that it was first seen on: a node is shown before it has claimed what
	// it takes over, still in the epoch before.
	epochs map[int64]bool
	latest int64
	opener string
	// wentBack: an earlier epoch was shown after a later one.
	wentBack bool
	// kept is how many bytes are in the record for certain: a node that takes
	// over knows of them.
	kept int64
	// stored is how many bytes were stored when the record last changed.
	stored int64
}

func newSighting() *sighting { return &sighting{epochs: map[int64]bool{}} }

// take notes a state. A change of the ETag tells that the record was written;
// what had been stored by the time of the change before is in it, because a
// node begins to write a record only when it has written the one before.
func (s *sighting) take(t *pb.Transfer) {
	if owner := t.GetOwner(); owner.GetNode() != "" {
		if owner.GetNode() != s.node() {
			s.nodes = append(s.nodes, owner.GetNode())
		}
		s.epochs[owner.GetEpoch()] = true
		s.wentBack = s.wentBack || owner.GetEpoch() < s.latest
		if owner.GetEpoch() > s.latest {
			s.latest, s.opener = owner.GetEpoch(), owner.GetNode()
		}
	}
	if t.GetEtag() != s.last.GetEtag() {
		s.kept, s.stored = s.stored, t.GetProgress().GetBytesDone()
	}
	s.last = t
}

// node is the owner seen last, "" if none was.
func (s *sighting) node() string {
	if len(s.nodes) == 0 {
		return ""
	}
	return s.nodes[len(s.nodes)-1]
}
