//go:build seeded && bug_checkpoint_before_sync

package bug

// Seeded is the bug that this program has.
const Seeded = CheckpointBeforeSync
