package dir_test

import (
	"testing"

	"godwit/storage"
	"godwit/storage/dir"
	"godwit/storage/storagetest"
)

func TestRecords(t *testing.T) {
	storagetest.Records(t, func(t *testing.T) storage.RecordStore { return openRecords(t, t.TempDir()) })
}

func openRecords(t testing.TB, root string) *dir.Records {
	t.Helper()
	records, err := dir.OpenRecords(dir.Config{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := records.Close(); err != nil {
			t.Error(err)
		}
	})
	return records
}
