// Package actorstest holds the two ends of a transfer in memory: a source that
// answers as a script says, and an object store. Neither does I/O, and waiting
// is all timers and contexts, so that both work inside testing/synctest.
//
// To make the store fail, decorate it with storagetest.Faults.
package actorstest
