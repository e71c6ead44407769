//go:build !future

package node

import "godwit/storage"

// futureRecords changes nothing: a program writes what it knows.
func futureRecords(store storage.RecordStore) storage.RecordStore { return store }

// futureVersion is the version as it was built.
func futureVersion(version string) string { return version }
