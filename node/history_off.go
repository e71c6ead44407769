//go:build !history

package node

import "godwit/storage"

// recordHistory writes down nothing: programs that users run do not carry the
// recorder.
func recordHistory(store storage.RecordStore, _ string) storage.RecordStore { return store }

// poisonRecords changes nothing: programs that users run do not spoil records.
func poisonRecords(store storage.RecordStore) storage.RecordStore { return store }

// failpoint is nowhere: programs that users run do not die on request.
func failpoint() func(string) { return nil }

// pointRecords and pointObjects change nothing either.
func pointRecords(store storage.RecordStore) storage.RecordStore { return store }

func pointObjects(stores map[string]storage.ObjectStore) map[string]storage.ObjectStore {
	return stores
}
