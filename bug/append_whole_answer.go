//go:build seeded && bug_append_whole_answer

package bug

// Seeded is the bug that this program has.
const Seeded = AppendWholeAnswer
