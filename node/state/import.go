package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"godwit/actors"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
)

// Why an import is refused. Nothing was written.
var (
	ErrNotEmpty = errors.New("the state store is not empty")
	ErrInUse    = errors.New("the state store is in use")
)

// writeAhead is how many records are written at a time.
const writeAhead = 16

// ImportConfig says how a copy is put back.
type ImportConfig struct {
	// Replace removes what is in the store before.
	Replace bool
	// LeaseExpiry is for how long a lease is watched before its node counts as
	// gone. It must be longer than nodes take between two renewals.
	LeaseExpiry time.Duration
}

// Import puts a copy back into an empty store. It reads the copy twice: nothing is
// written before all of it was checked. While it writes no node can start on the
// store; an import that was interrupted is repeated with Replace.
//
// Each record gets another write id, an epoch above all that it may have had
// before, and no owner: whoever still holds it from before the restore is refused
// by its next write, and ETags of the API given out before match nothing.
func Import(ctx context.Context, records storage.RecordStore, r io.ReadSeeker, cfg ImportConfig) (Summary, error) {
	summary, cluster, err := verifyCopy(r)
	if err != nil {
		return Summary{}, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Summary{}, fmt.Errorf("read the copy again: %w", err)
	}
	if cfg.Replace {
		err = checkIdle(ctx, records, cfg.LeaseExpiry)
	} else {
		err = checkEmpty(ctx, records)
	}
	if err != nil {
		return Summary{}, err
	}
	gate, err := lock(ctx, records, cluster, cfg.Replace)
	if err != nil {
		return Summary{}, err
	}
	if err := restore(ctx, records, r, uint64(max(time.Now().Unix(), 1))); err != nil {
		return Summary{}, err
	}
	if err := unlock(ctx, records, cluster, gate); err != nil {
		return Summary{}, err
	}
	return summary, nil
}

// verifyCopy reads a copy to its end and checks all that can be checked.
func verifyCopy(r io.Reader) (Summary, *recordpb.Cluster, error) {
	var cluster *recordpb.Cluster
	seen := map[string]bool{}
	summary, err := readCopy(r, func(key string, body []byte) error {
		m, wrong := checkStored(key, body)
		if wrong != nil {
			return noCopy("record %s: %s", key, wrong.why)
		}
		if seen[key] {
			return noCopy("it holds %s twice", key)
		}
		seen[key] = true
		if c, ok := m.(*recordpb.Cluster); ok {
			cluster = c
		}
		return nil
	})
	switch {
	case err != nil:
		return summary, nil, err
	case cluster == nil || cluster.GetId() != summary.ClusterID:
		return summary, nil, noCopy("it does not hold the record of its cluster")
	case cluster.GetShards() != actors.Shards:
		return summary, nil, noCopy("it has %d shards, this version works with %d", cluster.GetShards(), actors.Shards)
	}
	return summary, cluster, nil
}

// checkEmpty refuses a store with anything but what probes left.
func checkEmpty(ctx context.Context, records storage.RecordStore) error {
	return eachKey(ctx, records, "", func(page []string) error {
		for _, key := range page {
			if placeOf(key).kind != kindProbe {
				return fmt.Errorf("%w: it holds the record %s", ErrNotEmpty, key)
			}
		}
		return nil
	})
}

// lock writes the record of the cluster so that no node starts, removes what was
// there before if it is to be replaced, and makes sure once more that nothing else
// is there. The order matters: a store of which only a part was removed must not
// look like one that nodes may use.
func lock(ctx context.Context, records storage.RecordStore, cluster *recordpb.Cluster, replace bool) (storage.Version, error) {
	locked := proto.CloneOf(cluster)
	locked.Restoring = true
	body, err := proto.Marshal(locked)
	if err != nil {
		return "", fmt.Errorf("encode record %s: %w", actors.ClusterKey, err)
	}
	var version storage.Version
	if replace {
		if version, err = overwrite(ctx, records, actors.ClusterKey, body); err == nil {
			err = wipe(ctx, records)
		}
	} else {
		version, err = create(ctx, records, actors.ClusterKey, body)
	}
	if err != nil {
		return "", err
	}
	return version, eachKey(ctx, records, "", func(page []string) error {
		for _, key := range page {
			if kind := placeOf(key).kind; kind != kindProbe && kind != kindCluster {
				return fmt.Errorf("%w: somebody has written %s meanwhile", ErrInUse, key)
			}
		}
		return nil
	})
}

// unlock lets nodes start, unless one has that looked before the store was locked.
func unlock(ctx context.Context, records storage.RecordStore, cluster *recordpb.Cluster, version storage.Version) error {
	err := eachKey(ctx, records, actors.LeasePrefix, func(page []string) error {
		if len(page) > 0 {
			return fmt.Errorf("%w: node %s was started meanwhile", ErrInUse, placeOf(page[0]).id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	body, err := proto.Marshal(cluster)
	if err != nil {
		return fmt.Errorf("encode record %s: %w", actors.ClusterKey, err)
	}
	_, err = records.CompareAndSwap(ctx, actors.ClusterKey, body, version)
	if err != nil {
		_, err = storage.Settle(ctx, records, actors.ClusterKey, body, version, err)
	}
	if err != nil {
		return fmt.Errorf("let nodes use the store: %w", err)
	}
	return nil
}

// restore writes all records of a copy but that of the cluster.
func restore(ctx context.Context, records storage.RecordStore, r io.Reader, epoch uint64) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writeAhead)
	_, err := readCopy(r, func(key string, body []byte) error {
		if kind := placeOf(key).kind; kind == kindCluster || kind == kindLease || kind == kindProbe {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		g.Go(func() error {
			renewed, err := renew(key, body, epoch)
			if err == nil {
				_, err = create(ctx, records, key, renewed)
			}
			return err
		})
		return nil
	})
	if failed := g.Wait(); failed != nil {
		return failed
	}
	return err
}

// renew gives a record of a shard another envelope, whose body is the same.
func renew(key string, body []byte, epoch uint64) ([]byte, error) {
	if placeOf(key).kind == kindUnknown {
		return body, nil
	}
	env, wrong := openEnvelope(body)
	if wrong != nil {
		return nil, noCopy("record %s: %s", key, wrong.why)
	}
	env.WriteId = make([]byte, 16)
	_, _ = rand.Read(env.WriteId) // never fails, see crypto/rand
	env.Epoch = max(env.GetEpoch()+1, epoch)
	env.Sequence++
	env.Owner.Released = true
	out, err := proto.Marshal(env)
	if err != nil {
		return nil, fmt.Errorf("encode record %s: %w", key, err)
	}
	return out, nil
}

// tries of a write whose outcome nobody knows.
const tries = 3

// create writes a record that must not be there.
func create(ctx context.Context, records storage.RecordStore, key string, body []byte) (storage.Version, error) {
	for n := 1; ; n++ {
		version, err := records.Create(ctx, key, body)
		if err != nil {
			version, err = storage.Settle(ctx, records, key, body, "", err)
		}
		switch kind := storage.KindOf(err); {
		case err == nil:
			return version, nil
		case kind == storage.ErrExists:
			return "", fmt.Errorf("%w: somebody has written %s meanwhile", ErrInUse, key)
		case n == tries || kind != storage.ErrConflict && kind != storage.ErrUnknown && kind != storage.ErrUnavailable:
			return "", fmt.Errorf("write record %s: %w", key, err)
		}
	}
}

// overwrite writes a record whether it is there or not.
func overwrite(ctx context.Context, records storage.RecordStore, key string, body []byte) (storage.Version, error) {
	for n := 1; ; n++ {
		rec, err := records.Get(ctx, key)
		if storage.KindOf(err) == storage.ErrNotFound {
			return create(ctx, records, key, body)
		}
		var version storage.Version
		if err == nil {
			if version, err = records.CompareAndSwap(ctx, key, body, rec.Version); err != nil {
				version, err = storage.Settle(ctx, records, key, body, rec.Version, err)
			}
		}
		switch kind := storage.KindOf(err); {
		case err == nil:
			return version, nil
		case n == tries || kind == storage.ErrDenied || kind == storage.ErrCorrupt:
			return "", fmt.Errorf("write record %s: %w", key, err)
		}
	}
}
