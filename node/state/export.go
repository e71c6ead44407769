package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"godwit/actors"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
)

// ErrNoStore is wrapped by the errors for a place where no node has ever kept
// anything, or whose record of the cluster cannot be read.
var ErrNoStore = errors.New("there is no state of a cluster")

// Export writes a copy of all records but the leases of nodes. Nodes may run
// meanwhile: each record is read whole, at some moment while the copy is made.
// Damaged records are left out, and named in the summary.
//
// What names others is read before these: completion groups, then transfers, then
// groups, then tasks. So a group that has fired comes with its task.
func Export(ctx context.Context, records storage.RecordStore, version string, w io.Writer) (Summary, error) {
	rec, cluster, err := readCluster(ctx, records)
	if err != nil {
		return Summary{}, err
	}
	header := Header{Format: copyFormat, ClusterID: cluster.GetId(), Time: time.Now().UTC().Truncate(time.Second), Version: version}
	c, err := newCopyWriter(w, header)
	if err != nil {
		return Summary{}, err
	}
	if err := c.record(rec.Key, rec.Body); err != nil {
		return Summary{}, err
	}
	for _, pass := range [][]string{{kindCompletion}, {kindTransfer}, {kindGroup}, {kindTask, kindUnknown}} {
		wanted := func(key string) bool { return slices.Contains(pass, placeOf(key).kind) }
		err := eachRecord(ctx, records, "", wanted, func(one stored) error {
			if one.lost != nil || isDamaged(one.Record) {
				c.trailer.LeftOut = append(c.trailer.LeftOut, one.Key)
				return nil
			}
			return c.record(one.Key, one.Body)
		})
		if err != nil {
			return Summary{}, err
		}
	}
	if err := c.close(); err != nil {
		return Summary{}, err
	}
	return Summary{header, c.trailer}, nil
}

// isDamaged tells that a record would not be put back. One of a later version is
// kept as it is.
func isDamaged(rec storage.Record) bool {
	_, wrong := checkStored(rec.Key, rec.Body)
	return wrong != nil && !wrong.newer
}

func readCluster(ctx context.Context, records storage.RecordStore) (storage.Record, *recordpb.Cluster, error) {
	rec, err := records.Get(ctx, actors.ClusterKey)
	if storage.KindOf(err) == storage.ErrNotFound {
		return rec, nil, fmt.Errorf("%w: the record %q is missing", ErrNoStore, actors.ClusterKey)
	}
	if err != nil {
		return rec, nil, fmt.Errorf("read record %s: %w", actors.ClusterKey, err)
	}
	m, wrong := checkStored(actors.ClusterKey, rec.Body)
	if wrong != nil {
		return rec, nil, fmt.Errorf("%w: the record %q: %s", ErrNoStore, actors.ClusterKey, wrong.why)
	}
	cluster := m.(*recordpb.Cluster)
	if cluster.GetRestoring() {
		return rec, nil, fmt.Errorf("%w: records are being put back into it, or that was interrupted", ErrNoStore)
	}
	return rec, cluster, nil
}
