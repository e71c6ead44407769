// Package dir keeps records and objects in a local file system.
//
// [Records] is a [storage.RecordStore] that several processes of one machine
// share. All records lie in one log, records.log, to which every write appends
// an entry under one lock; each process keeps in memory where the newest entry
// of each key lies. All writes that wait are appended and synced together, and
// nobody is told of a write, by its own outcome or by a read, before it is
// synced. A log with more garbage than records is written anew beside it and
// renamed.
//
// What a crash leaves half written at the end was never acknowledged and is cut
// off. Damage before that is reported as storage.ErrCorrupt for the keys it may
// concern, never answered with an older record. The file lock holds, beside
// the lock, notes of what has been synced; a copy of a store is records.log
// alone.
//
// [Objects] is a [storage.ObjectStore] whose names are absolute paths. A result
// grows in a partial file beside its destination, with a journal of the parts
// that are whole, and gets its name when everything is there and synced.
//
// Nothing is promised on network file systems, whose locks and renames may
// lie.
package dir
