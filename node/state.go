package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"godwit/actors"
	"godwit/node/state"
	"godwit/storage"
	"godwit/storage/dir"
	"godwit/storage/s3"
)

// leaseWatch is for how long leases are watched before a state store counts as
// unused: longer than the 15 s after which other nodes give a lease up.
const leaseWatch = 16 * time.Second

// withRecords opens the state store of a configuration. One that is a folder must
// be there, unless it is to be made.
func withRecords(cfg Config, make bool, use func(Config, stateStore, storage.RecordStore) error) error {
	cfg, err := cfg.Validate()
	if err != nil {
		return err
	}
	at, err := parseStateStore(cfg.StateStore)
	if err != nil {
		return err
	}
	if _, err := os.Stat(at.dir); at.dir != "" && !make && err != nil {
		return &ConfigError{Key: "state-store", Message: "cannot be opened", Err: err}
	}
	records, err := at.openRecords()
	if storage.KindOf(err) != "" {
		return actors.StoreError(err)
	} else if err != nil {
		return fmt.Errorf("open the state store: %w", err)
	}
	if err = use(cfg, at, records); storage.KindOf(err) != "" {
		err = actors.StoreError(err)
	}
	if closer, ok := records.(io.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	return err
}

// ExportState writes a copy of the records in a configuration's state store; see
// [state.Export].
func ExportState(ctx context.Context, cfg Config, w io.Writer) (out state.Summary, err error) {
	err = withRecords(cfg, false, func(cfg Config, _ stateStore, records storage.RecordStore) error {
		out, err = state.Export(ctx, records, cfg.Version, w)
		return err
	})
	return out, err
}

// ImportState puts a copy back into a configuration's state store; see
// [state.Import]. The store is probed before.
func ImportState(ctx context.Context, cfg Config, r io.ReadSeeker, replace bool) (out state.Summary, err error) {
	err = withRecords(cfg, true, func(_ Config, _ stateStore, records storage.RecordStore) error {
		if err := checkStore(ctx, records); err != nil {
			return err
		}
		out, err = state.Import(ctx, records, r, state.ImportConfig{Replace: replace, LeaseExpiry: leaseWatch})
		return err
	})
	return out, err
}

// CheckState reads all records of a configuration's state store and looks for what
// transfers have left behind below its file roots, in the buckets that records name
// and in these buckets; see [state.Check].
func CheckState(ctx context.Context, cfg Config, buckets []string, repair, unclaimed bool) (out state.Report, err error) {
	err = withRecords(cfg, false, func(cfg Config, at stateStore, records storage.RecordStore) error {
		check := state.CheckConfig{Records: records, Spool: at.spool(), Repair: repair, Unclaimed: unclaimed}
		sealer, err := sealerIfAny(cfg)
		if err != nil {
			return err
		}
		if sealer != nil {
			check.Sealer = sealer
		}
		if err := addPlaces(&check, cfg, at, buckets); err != nil {
			return err
		}
		out, err = state.Check(ctx, check)
		return err
	})
	return out, err
}

// addPlaces opens the stores in which a check looks for what was left behind.
func addPlaces(check *state.CheckConfig, cfg Config, at stateStore, buckets []string) error {
	objects, err := s3.OpenObjects(at.objectConfig(storage.NewBufferPool(int64(minMemoryBudget))))
	if err != nil {
		return fmt.Errorf("open the object store: %w", err)
	}
	check.Objects = map[string]storage.PendingLister{"s3": objects}
	for _, place := range buckets {
		place = strings.Trim(strings.TrimPrefix(place, "s3://"), "/")
		bucket, _, _ := strings.Cut(place, "/")
		if err := s3.ValidateBucket(bucket); err != nil {
			return wrong("bucket", "%q: %s", place, err)
		}
		check.Places = append(check.Places, "s3://"+place+"/")
	}
	var roots []string
	for _, root := range cfg.FileRoots {
		real, err := filepath.EvalSymlinks(root)
		if err != nil {
			return &ConfigError{Key: "file-root", Message: "cannot be opened", Err: err}
		}
		roots = append(roots, real)
		check.Places = append(check.Places, "file://"+real+"/")
	}
	if spool := at.spoolDir(); spool != "" {
		if _, err := os.Stat(spool); err == nil {
			roots = append(roots, spool)
		} else {
			check.Spool = "" // nothing was ever spooled
		}
	}
	if len(roots) == 0 {
		return nil
	}
	if check.Objects["file"], err = dir.OpenObjects(dir.Config{Roots: roots}); err != nil {
		return &ConfigError{Key: "file-root", Message: "cannot be opened", Err: err}
	}
	return nil
}

// sealerIfAny is the sealer of a configuration, nil where there is no key yet.
func sealerIfAny(cfg Config) (*Sealer, error) {
	path := cfg.SecretsKeyFile
	if path == "" {
		path = filepath.Join(cfg.DataDir, madeKey)
	}
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) && cfg.SecretsKeyFile == "" {
		return nil, nil
	}
	if err != nil {
		return nil, &ConfigError{Key: "secrets-key-file", Message: "cannot be used", Err: err}
	}
	return NewSealer(key)
}
