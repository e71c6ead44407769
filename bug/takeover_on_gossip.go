//go:build seeded && bug_takeover_on_gossip

package bug

// Seeded is the bug that this program has.
const Seeded = TakeoverOnGossip
