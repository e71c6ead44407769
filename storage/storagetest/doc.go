// Package storagetest holds what tests of and upon storage share.
//
// [Records] and [Objects] are the conformance suites of the two contracts of
// package storage: every implementation runs them. [Faults] decorates any
// store so that chosen calls fail, happen without their reply, or hang.
// [Memory] is a record store without I/O, for tests in virtual time.
package storagetest
