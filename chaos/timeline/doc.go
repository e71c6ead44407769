// Package timeline owns the report of a chaos run that a person reads: one HTML
// file that needs no network, with what happened drawn over time.
//
// It shows what a history holds and what package check says about it, and
// judges nothing itself. However long a run was, its report stays of the size of
// the picture: what falls on one point of it is drawn as one.
package timeline
