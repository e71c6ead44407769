package state

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"godwit/actors"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
)

// wipe removes all records but that of the cluster.
func wipe(ctx context.Context, records storage.RecordStore) error {
	var keys []string
	err := eachKey(ctx, records, "", func(page []string) error {
		for _, key := range page {
			if key != actors.ClusterKey {
				keys = append(keys, key)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := remove(ctx, records, key); err != nil {
			return fmt.Errorf("remove record %s: %w", key, err)
		}
	}
	return nil
}

// remove deletes a record as it is now.
func remove(ctx context.Context, records storage.RecordStore, key string) error {
	for n := 1; ; n++ {
		rec, err := records.Get(ctx, key)
		if storage.KindOf(err) == storage.ErrNotFound {
			return nil
		}
		if err == nil {
			err = records.Delete(ctx, key, rec.Version)
		}
		if kind := storage.KindOf(err); err == nil || n == tries || kind == storage.ErrMismatch || kind == storage.ErrDenied || kind == storage.ErrCorrupt {
			return err
		}
	}
}

// checkIdle refuses a store of which a node holds a lease: one that is renewed
// while it is watched.
func checkIdle(ctx context.Context, records storage.RecordStore, expiry time.Duration) error {
	before, err := heldLeases(ctx, records)
	if err != nil || len(before) == 0 {
		return err
	}
	timer := time.NewTimer(expiry)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	after, err := heldLeases(ctx, records)
	if err != nil {
		return err
	}
	for key, version := range after {
		if before[key] != version {
			return fmt.Errorf("%w: node %s runs; stop it", ErrInUse, strings.TrimPrefix(key, actors.LeasePrefix))
		}
	}
	return nil
}

// heldLeases are the versions of leases that were not released.
func heldLeases(ctx context.Context, records storage.RecordStore) (map[string]storage.Version, error) {
	held := map[string]storage.Version{}
	all := func(string) bool { return true }
	err := eachRecord(ctx, records, actors.LeasePrefix, all, func(one stored) error {
		lease := &recordpb.Lease{}
		if one.lost == nil && proto.Unmarshal(one.Body, lease) == nil && !lease.GetReleased() {
			held[one.Key] = one.Version
		}
		return nil
	})
	return held, err
}
