//go:build !seeded

package bug

// Seeded is the bug that this program has.
const Seeded = None
