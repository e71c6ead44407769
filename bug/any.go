//go:build seeded && bug_any

package bug

import "os"

// Seeded is the bug that this program has, as GODWIT_BUG says: all of them can be
// tried with one program, which is built for tests only.
var Seeded = Bug(os.Getenv("GODWIT_BUG"))
