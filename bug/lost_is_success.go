//go:build seeded && bug_lost_is_success

package bug

// Seeded is the bug that this program has.
const Seeded = LostIsSuccess
