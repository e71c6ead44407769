package state

import (
	"fmt"
	"math"
	"strings"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/proto"

	"godwit/actors"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
)

// The kinds of records, as the folders of a shard name them. The records of the
// cluster and of nodes are in no shard.
const (
	kindTransfer   = "t"
	kindCompletion = "g"
	kindGroup      = "q"
	kindTask       = "k"
	kindCluster    = "cluster"
	kindLease      = "node"
	kindProbe      = "probe"
	kindUnknown    = "unknown"
)

// shardsPrefix begins the records of shards, probePrefix those of probes, which
// nobody misses.
const (
	shardsPrefix = "shards/"
	probePrefix  = "probe/"
)

// place is what a key says of its record.
type place struct {
	kind, id string
	// folder is that of the shard.
	folder string
}

// placeOf takes a key apart.
func placeOf(key string) place {
	switch {
	case key == actors.ClusterKey:
		return place{kind: kindCluster}
	case strings.HasPrefix(key, actors.LeasePrefix):
		return place{kind: kindLease, id: strings.TrimPrefix(key, actors.LeasePrefix)}
	case strings.HasPrefix(key, probePrefix):
		return place{kind: kindProbe}
	}
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[0]+"/" != shardsPrefix {
		return place{kind: kindUnknown}
	}
	switch parts[2] {
	case kindTransfer, kindCompletion, kindGroup, kindTask:
		return place{kind: parts[2], id: parts[3], folder: parts[0] + "/" + parts[1] + "/"}
	}
	return place{kind: kindUnknown}
}

// fault is what is wrong with a record. Newer tells that it is only of a later
// version.
type fault struct {
	why   string
	newer bool
}

// openEnvelope decodes and checks what surrounds a record.
func openEnvelope(body []byte) (*recordpb.Envelope, *fault) {
	env := &recordpb.Envelope{}
	switch err := proto.Unmarshal(body, env); {
	case err != nil:
		return nil, &fault{why: "its envelope is not readable"}
	case env.GetFormat() > actors.RecordFormat:
		return nil, &fault{why: fmt.Sprintf("it has format %d, this version knows up to %d", env.GetFormat(), actors.RecordFormat), newer: true}
	case env.GetFormat() == 0 || xxhash.Sum64(env.GetBody()) != env.GetChecksum():
		return nil, &fault{why: "it is damaged: its checksum does not match"}
	case env.GetEpoch() == 0 || env.GetEpoch() > math.MaxInt64 || env.GetOwner().GetNode() == "":
		return nil, &fault{why: "it names no valid owner"}
	}
	return env, nil
}

// checkStored tells what is wrong with a record as it is stored under a key: its
// envelope, its body, and whether it lies where nodes look for it. The message is
// nil for kinds that have none here.
func checkStored(key string, body []byte) (proto.Message, *fault) {
	if !storage.ValidKey(key) || len(body) > storage.MaxRecordSize {
		return nil, &fault{why: "its key or its length is not acceptable"}
	}
	at := placeOf(key)
	switch at.kind {
	case kindCluster:
		m := &recordpb.Cluster{}
		if proto.Unmarshal(body, m) != nil || m.GetId() == "" {
			return nil, &fault{why: "it is not readable"}
		}
		return m, nil
	case kindLease:
		m := &recordpb.Lease{}
		if proto.Unmarshal(body, m) != nil || m.GetNode() != at.id {
			return nil, &fault{why: "it is not readable, or another node's"}
		}
		return m, nil
	case kindProbe, kindUnknown:
		return nil, nil
	}
	env, wrong := openEnvelope(body)
	if wrong != nil {
		return nil, wrong
	}
	return checkBody(at, env.GetBody())
}

// identified are the messages that know whose they are.
type identified interface {
	proto.Message
	GetId() string
}

// checkBody decodes the message of a shard's record.
func checkBody(at place, body []byte) (proto.Message, *fault) {
	var m proto.Message
	id := func() string { return m.(identified).GetId() }
	switch at.kind {
	case kindTransfer:
		m = &recordpb.Transfer{}
	case kindCompletion:
		m = &recordpb.CompletionGroup{}
	case kindTask:
		m = &recordpb.Task{}
	case kindGroup:
		m = &recordpb.Group{}
		id = func() string { return m.(*recordpb.Group).GetName() }
	}
	switch {
	case proto.Unmarshal(body, m) != nil:
		return nil, &fault{why: "its body is not readable"}
	case id() != at.id:
		return nil, &fault{why: fmt.Sprintf("it is of %q", id())}
	case at.folder != actors.ShardFolder(at.id):
		return nil, &fault{why: "no node looks for it there, but in " + actors.ShardFolder(at.id)}
	}
	return m, nil
}
