//go:build seeded && bug_no_backoff

package bug

// Seeded is the bug that this program has.
const Seeded = NoBackoff
