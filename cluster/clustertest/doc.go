// Package clustertest is a network in memory: packets and connections between
// hosts that can be parted, paused and crashed. Nothing in it blocks on real
// I/O, so that whole clusters run in a bubble of testing/synctest, where hours
// take moments.
//
// It owns what is on the wire and never what is said there. Packets and dials
// take [Latency] each way; what is written to a connection is there at once.
package clustertest
