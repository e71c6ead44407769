package state

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"godwit/storage"
)

// listPage is how many keys are listed at a time, readAhead how many records are
// read at a time.
const (
	listPage  = 500
	readAhead = 16
)

// stored is a record as it was read. A body that the store has lost is nil, with
// the reason.
type stored struct {
	storage.Record
	lost error
}

// eachKey calls visit for all keys under a prefix, in order.
func eachKey(ctx context.Context, records storage.RecordStore, prefix string, visit func(page []string) error) error {
	for after := ""; ; {
		keys, err := records.List(ctx, prefix, after, listPage)
		if err != nil {
			return fmt.Errorf("list records: %w", err)
		}
		if err := visit(keys); err != nil {
			return err
		}
		if len(keys) < listPage {
			return nil
		}
		after = keys[len(keys)-1]
	}
}

// eachRecord calls visit for all records under a prefix that want, in the order
// of their keys. Those that are deleted meanwhile are left out.
func eachRecord(ctx context.Context, records storage.RecordStore, prefix string, wanted func(key string) bool, visit func(stored) error) error {
	return eachKey(ctx, records, prefix, func(page []string) error {
		var keys []string
		for _, key := range page {
			if wanted(key) {
				keys = append(keys, key)
			}
		}
		for len(keys) > 0 {
			now := keys[:min(len(keys), readAhead)]
			keys = keys[len(now):]
			found, err := readAll(ctx, records, now)
			if err != nil {
				return err
			}
			for _, one := range found {
				if err := visit(one); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// readAll reads records side by side and returns those that are there, in order.
func readAll(ctx context.Context, records storage.RecordStore, keys []string) ([]stored, error) {
	all := make([]*stored, len(keys))
	g, ctx := errgroup.WithContext(ctx)
	for i, key := range keys {
		g.Go(func() error {
			one, err := readOne(ctx, records, key)
			all[i] = one
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []stored
	for _, one := range all {
		if one != nil {
			out = append(out, *one)
		}
	}
	return out, nil
}

// readOne returns nil for a record that is not there.
func readOne(ctx context.Context, records storage.RecordStore, key string) (*stored, error) {
	rec, err := records.Get(ctx, key)
	switch storage.KindOf(err) {
	case storage.ErrNotFound:
		return nil, nil
	case storage.ErrCorrupt:
		return &stored{Record: storage.Record{Key: key}, lost: err}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read record %s: %w", key, err)
	}
	return &stored{Record: rec}, nil
}
