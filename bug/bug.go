// Package bug owns the seeded bugs: defects that are built in on purpose, one at
// a time, by a build tag, to prove that the checkers of package chaos see them.
// Without such a tag Seeded is none of them, a constant, so that the compiler
// leaves nothing of them in what users run.
package bug

// Bug is the name of a seeded bug, which is its build tag without "bug_".
type Bug string

// None is what users run.
const None Bug = ""
