// Package group says in which order the members of a transfer group run, and
// how many of them at a time. It is pure, as package transfer is.
//
// # Order
//
// Members run in the order of one key, their rank: the time of creation, or the
// place that a move has given them instead, plus what their priority adds
// ([transfer.Rank]). A move gives a member the place with which its rank lands
// where it was asked for. It therefore crosses the lanes of priorities, but is
// no promise against those that come later: one of a higher priority ranks
// before members that are not much older, moved or not.
//
// # Turns
//
// A member runs only while it has a turn. There are never more turns than the
// group's limit, those included that are taken back but may still be in use. Who
// has one keeps it until it has ended, is paused or waits to try again: nobody
// loses it to a higher priority. Only a move to the front takes turns, from those
// that are behind it then. With strict order a member that is paused or waits to
// try again keeps its turn, or the one that it would have.
package group
