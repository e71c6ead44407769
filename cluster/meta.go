package cluster

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	clusterv1 "godwit/protos/godwit/cluster/v1"
)

// maxMeta is how many bytes gossip carries of a node's description.
// memberlist panics above it.
const maxMeta = 512

// Meta is what a node says of itself; see [Member] for the fields that are
// there too.
type Meta struct {
	Incarnation              string
	Epoch                    uint64
	APIAddr, RemoteAddr      string
	Version                  string
	Weight                   int
	Draining, Cordoned, Held bool

	// ClusterID is the identity of the state store, Shards the number of shards
	// in it and RecordFormat the format of records that the node writes. Nodes
	// that differ in any of them refuse each other.
	ClusterID            string
	Shards, RecordFormat uint32
}

// encode returns what gossip carries, at most maxMeta bytes. Joining says that
// the node does not count yet.
func (m Meta) encode(joining bool) ([]byte, error) {
	body, err := proto.Marshal(&clusterv1.Meta{
		Incarnation: m.Incarnation, Epoch: m.Epoch,
		ApiAddr: m.APIAddr, RemoteAddr: m.RemoteAddr,
		Version: m.Version, Weight: uint32(min(max(m.Weight, 0), math.MaxInt32)),
		Draining: m.Draining, Cordoned: m.Cordoned, Held: m.Held, Joining: joining,
		ClusterId: m.ClusterID, Shards: m.Shards, RecordFormat: m.RecordFormat,
	})
	if err != nil {
		return nil, fmt.Errorf("encode what the node says of itself: %w", err)
	}
	if len(body) > maxMeta {
		return nil, fmt.Errorf("%w: %d bytes of at most %d; shorten addresses, incarnation or version", ErrMetaTooLong, len(body), maxMeta)
	}
	return body, nil
}

// decodeMeta reads what gossip brought from another node.
func decodeMeta(body []byte) (m Meta, joining bool, err error) {
	var wire clusterv1.Meta
	if err := proto.Unmarshal(body, &wire); err != nil {
		return Meta{}, false, fmt.Errorf("read what a node says of itself: %w", err)
	}
	return Meta{
		Incarnation: wire.GetIncarnation(), Epoch: wire.GetEpoch(),
		APIAddr: wire.GetApiAddr(), RemoteAddr: wire.GetRemoteAddr(),
		Version: wire.GetVersion(), Weight: int(min(wire.GetWeight(), math.MaxInt32)),
		Draining: wire.GetDraining(), Cordoned: wire.GetCordoned(), Held: wire.GetHeld(),
		ClusterID: wire.GetClusterId(), Shards: wire.GetShards(), RecordFormat: wire.GetRecordFormat(),
	}, wire.GetJoining(), nil
}

// differs says in what a peer that says theirs does not belong to ours; nil
// when it does. Formats must be equal: of two that differ one side writes what
// the other cannot read.
func (m Meta) differs(theirs Meta, node, addr string) *ForeignError {
	foreign := &ForeignError{Node: node, Addr: addr}
	switch {
	case theirs.ClusterID != m.ClusterID:
		foreign.Field, foreign.Theirs, foreign.Ours = FieldClusterID, theirs.ClusterID, m.ClusterID
	case theirs.Shards != m.Shards:
		foreign.Field, foreign.Theirs, foreign.Ours = FieldShards, fmt.Sprint(theirs.Shards), fmt.Sprint(m.Shards)
	case theirs.RecordFormat != m.RecordFormat:
		foreign.Field, foreign.Theirs, foreign.Ours = FieldRecordFormat, fmt.Sprint(theirs.RecordFormat), fmt.Sprint(m.RecordFormat)
		foreign.newer = theirs.RecordFormat > m.RecordFormat
	default:
		return nil
	}
	return foreign
}

// encodeLeaving is the note with which a node says that it leaves.
func encodeLeaving(id string) ([]byte, error) {
	body, err := proto.Marshal(&clusterv1.Note{Kind: &clusterv1.Note_Leaving{Leaving: id}})
	if err != nil {
		return nil, fmt.Errorf("encode a farewell: %w", err)
	}
	return body, nil
}

// decodeLeaving returns who leaves, or "" for a note of another kind.
func decodeLeaving(body []byte) string {
	var note clusterv1.Note
	if err := proto.Unmarshal(body, &note); err != nil {
		return ""
	}
	return note.GetLeaving()
}
