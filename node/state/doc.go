// Package state looks after what is durable: it copies all records of a state
// store into a file and puts them back, checks that they are whole and fit
// together, and finds what transfers have left behind in stores.
//
// It owns the format of the file. It never decides anything about a transfer,
// never opens a secret but to see whether it can be opened, and deletes nothing
// that a record names.
package state
