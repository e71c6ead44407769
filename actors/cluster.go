package actors

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/transfer"
)

// ClusterKey is the record that says what this state store is, LeasePrefix begins
// those of nodes.
const (
	ClusterKey  = "cluster"
	LeasePrefix = "nodes/"
)

// CheckCluster creates the cluster record in a new store and returns the id of
// the cluster. It refuses a store that was made for another number of shards, and
// one into which records are still being put back.
func CheckCluster(ctx context.Context, store storage.RecordStore) (string, error) {
	rec, err := store.Get(ctx, ClusterKey)
	if storage.KindOf(err) == storage.ErrNotFound {
		rec.Body, err = createCluster(ctx, store)
	}
	if err != nil {
		return "", storeError(err)
	}
	var c recordpb.Cluster
	if err := proto.Unmarshal(rec.Body, &c); err != nil {
		return "", transfer.Errorf(transfer.CodeStoreCorrupt, "the record %q is not readable", ClusterKey)
	}
	if c.Restoring {
		return "", transfer.Errorf(transfer.CodeStoreInvalid, "records are being put back into the state store; if no godwit state import runs, repeat it with --replace")
	}
	if c.Shards != Shards {
		return "", transfer.Errorf(transfer.CodeStoreInvalid, "the state store has %d shards, this version works with %d", c.Shards, Shards)
	}
	return c.GetId(), nil
}

func createCluster(ctx context.Context, store storage.RecordStore) ([]byte, error) {
	body, err := proto.Marshal(&recordpb.Cluster{Id: newNonce(), Shards: Shards, CreateTime: timestamppb.Now()})
	if err != nil {
		return nil, fmt.Errorf("encode cluster record: %w", err)
	}
	if _, err = store.Create(ctx, ClusterKey, body); err == nil {
		return body, nil
	}
	if _, err = storage.Settle(ctx, store, ClusterKey, body, "", err); err != nil && storage.KindOf(err) != storage.ErrExists {
		return nil, err
	}
	rec, err := store.Get(ctx, ClusterKey)
	return rec.Body, err
}
