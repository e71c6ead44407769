//go:build seeded && bug_drop_if_match

package bug

// Seeded is the bug that this program has.
const Seeded = DropIfMatch
