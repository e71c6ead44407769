//go:build seeded && bug_trust_after_pause

package bug

// Seeded is the bug that this program has.
const Seeded = TrustAfterPause
