package node

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"godwit/storage"
	"godwit/transfer"
)

// probePrefix is the folder of records that probes write and remove.
const probePrefix = "probe"

// checkStore refuses a state store that does not keep the promises ownership
// rests on (store.unsafe), that cannot be asked (store.unavailable), or that has
// lost records of which nobody knows the names (store.corrupt): such a store refuses
// every check of a probe.
func checkStore(ctx context.Context, records storage.RecordStore) error {
	_, err := records.Get(ctx, probePrefix+"/none")
	if lost := new(storage.Error); errors.As(err, &lost) && lost.Kind == storage.ErrCorrupt {
		return &transfer.Error{
			Code: transfer.CodeStoreCorrupt, Op: "read", Subject: "state store", Message: cmp.Or(lost.Err, err).Error(), Err: err,
		}
	}
	report := storage.ProbeQuick(ctx, records, probePrefix)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if report.Safe {
		return nil
	}
	code, faults := transfer.CodeStoreUnavailable, []string(nil)
	for _, check := range report.Checks {
		switch check.Outcome {
		case storage.ProbeFail:
			code = transfer.CodeStoreUnsafe
			faults = append(faults, check.Name+": "+check.Detail)
		case storage.ProbeUnknown:
			faults = append(faults, check.Name+": "+check.Detail)
		}
	}
	return &transfer.Error{Code: code, Op: "probe", Subject: "state store", Message: strings.Join(faults, "; ")}
}

// checkedFile in the data dir remembers the file system that passed its check.
const checkedFile = "store.checked"

// checkStoreOnce is checkStore for the state folder of a person's commands,
// which would each pay for the check: it is made again only where the folder
// has come to lie on another file system, or godwit is another version.
func checkStoreOnce(ctx context.Context, records storage.RecordStore, cfg Config, state stateStore) error {
	info, err := os.Stat(state.dir)
	if err != nil {
		return &ConfigError{Key: "state-store", Message: "cannot be read", Err: err}
	}
	path := filepath.Join(cfg.DataDir, checkedFile)
	passed := cfg.Version + "\n" + state.dir + "\n" + fileSystem(info) + "\n"
	if content, err := os.ReadFile(path); err == nil && string(content) == passed {
		return nil
	}
	if err := checkStore(ctx, records); err != nil {
		return err
	}
	// Without the file the next command checks again, which harms nobody.
	_ = os.WriteFile(path, []byte(passed), 0o600)
	return nil
}
