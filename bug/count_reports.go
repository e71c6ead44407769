//go:build seeded && bug_count_reports

package bug

// Seeded is the bug that this program has.
const Seeded = CountReports
