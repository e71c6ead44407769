//go:build seeded && bug_ignore_change

package bug

// Seeded is the bug that this program has.
const Seeded = IgnoreChange
