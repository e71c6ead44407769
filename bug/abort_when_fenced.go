//go:build seeded && bug_abort_when_fenced

package bug

// Seeded is the bug that this program has.
const Seeded = AbortWhenFenced
