//go:build seeded && bug_complete_with_listed

package bug

// Seeded is the bug that this program has.
const Seeded = CompleteWithListed
