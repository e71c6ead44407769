package storagetest_test

import (
	"testing"

	"godwit/storage"
	"godwit/storage/storagetest"
)

func TestMemoryRecords(t *testing.T) {
	storagetest.Records(t, func(*testing.T) storage.RecordStore { return storagetest.NewMemory() })
}
