package node

import (
	"context"
	"errors"
	"os"
	"testing"

	"godwit/storage"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

// liar accepts every write, whatever its condition.
type liar struct{ *storagetest.Memory }

func (l liar) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	version, err := l.Memory.Create(ctx, key, body)
	if errors.Is(err, storage.ErrExists) {
		return "v", nil
	}
	return version, err
}

// away cannot be reached.
type away struct{ *storagetest.Memory }

func (away) Create(context.Context, string, []byte) (storage.Version, error) {
	return "", &storage.Error{Op: "create", Name: "x", Kind: storage.ErrUnavailable}
}

// holed has lost records, and nobody knows which.
type holed struct{ *storagetest.Memory }

func (holed) Get(context.Context, string) (storage.Record, error) {
	return storage.Record{}, &storage.Error{Op: "get", Name: "x", Kind: storage.ErrCorrupt, Err: errors.New("it is short")}
}

func TestUnsafeStoresAreRefused(t *testing.T) {
	if err := checkStore(t.Context(), storagetest.NewMemory()); err != nil {
		t.Fatalf("a good store: %v", err)
	}
	for code, store := range map[transfer.Code]storage.RecordStore{
		transfer.CodeStoreUnsafe:      liar{storagetest.NewMemory()},
		transfer.CodeStoreUnavailable: away{storagetest.NewMemory()},
		transfer.CodeStoreCorrupt:     holed{storagetest.NewMemory()},
	} {
		if err := checkStore(t.Context(), store); !errors.Is(err, &transfer.Error{Code: code}) {
			t.Errorf("%v, want %s", err, code)
		}
	}
}

func TestAStoreIsCheckedOnce(t *testing.T) {
	cfg := Config{DataDir: t.TempDir(), Version: "1"}
	state := stateStore{dir: t.TempDir()}
	bad := liar{storagetest.NewMemory()}
	if err := checkStoreOnce(t.Context(), bad, cfg, state); err == nil {
		t.Fatal("an unsafe store passed")
	}
	if err := checkStoreOnce(t.Context(), bad, cfg, state); err == nil {
		t.Fatal("a store that failed was remembered as good")
	}
	if err := checkStoreOnce(t.Context(), storagetest.NewMemory(), cfg, state); err != nil {
		t.Fatal(err)
	}
	// That the bad store passes now shows that it was not asked.
	if err := checkStoreOnce(t.Context(), bad, cfg, state); err != nil {
		t.Fatalf("checked again: %v", err)
	}
	cfg.Version = "2"
	if err := checkStoreOnce(t.Context(), bad, cfg, state); err == nil {
		t.Fatal("another version trusts an old check")
	}
	if err := os.RemoveAll(state.dir); err != nil {
		t.Fatal(err)
	}
	wantConfigError(t, checkStoreOnce(t.Context(), bad, cfg, state), "state-store")
}
