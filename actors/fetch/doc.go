// Package fetch is the data plane of one running transfer: connections that
// read from an endpoint and write parts into a store.
//
// It owns goroutines, open answers and counters of one run, from the moment a
// transfer starts to fetch until it halts. What it finds out it reports as
// events; it never decides what a failure means for the transfer, never writes
// a record, and never publishes or removes an object.
package fetch
