// The compiler takes functions without a body, as in library.go, only in a
// package that has assembly.
