package actors

import (
	"time"

	"godwit/bug"
	recordpb "godwit/protos/godwit/record/v1"
)

// ownerRef is who a record names as its owner: one incarnation of a node.
type ownerRef struct{ node, incarnation string }

// verdict is whether the owner of a record may be succeeded although it has not
// released it.
type verdict int

const (
	// ownerLives: it must be asked, or waited for.
	ownerLives verdict = iota
	// ownerDead: others have lost sight of it, but it may only be cut off. It is
	// succeeded where the destination's store refuses what a stale owner
	// publishes.
	ownerDead
	// ownerGone: it has ended, or has stopped by itself since its lease ran out.
	ownerGone
)

// evidence is what is known of an owner.
type evidence struct {
	// member is the node in the topology, nil if it is not there.
	member *Member
	// read: the lease was read; lease is nil when there is none.
	read  bool
	lease *recordpb.Lease
	// still is for how long the lease has not changed while we looked, by our
	// own clock: clocks of nodes are never compared.
	still time.Duration
	// refuses: nobody listens on the port that the lease names.
	refuses bool
}

// judge decides about an owner. An owner stops by itself when it cannot renew
// its lease for less than expiry, so that it has stopped when we have seen no
// renewal for that long.
func judge(o ownerRef, e evidence, expiry time.Duration) verdict {
	seen := e.member != nil && e.member.Incarnation == o.incarnation
	switch {
	case e.read && e.lease != nil && (e.lease.GetIncarnation() != o.incarnation || e.lease.GetReleased()):
		// A record is never written before the lease of its incarnation.
		return ownerGone
	case e.refuses, seen && e.member.Gone, e.still >= expiry:
		return ownerGone
	case seen && e.member.State == MemberDead:
		return ownerDead
	}
	return ownerLives
}

// succeeds tells whether a record may be claimed on a verdict about its owner;
// fenced is whether the store of its destination refuses a stale owner.
func (v verdict) succeeds(fenced bool) bool {
	if bug.Seeded == bug.TakeoverOnGossip {
		fenced = true
	}
	return v == ownerGone || v == ownerDead && fenced
}
