//go:build seeded && bug_no_write_id

package bug

// Seeded is the bug that this program has.
const Seeded = NoWriteID
