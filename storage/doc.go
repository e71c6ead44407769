// Package storage is the contract of the near side: where records and results
// are kept.
//
// It holds two independent contracts. A [RecordStore] keeps small bodies under
// keys and replaces them only when the caller names the version it has seen;
// it is the one place where ownership is decided. An [ObjectStore] receives
// big results part by part and publishes them whole, or serves them as
// sources.
//
// The package owns the vocabulary (keys, versions, parts, error kinds) and the
// one procedure that settles an uncertain write ([Settle]). It never talks to
// a disk or a network itself: storage/dir and storage/s3 do, and
// storage/storagetest holds both to the same behaviour.
package storage
