// Package cluster says who is alive. It wraps memberlist, adds a witness that
// knows within moments that a process has ended, and publishes topologies:
// values that nobody changes.
//
// It owns gossip, the view of members that follows from it, and the refusal of
// nodes that do not belong together. It never decides who should own what
// (package placement does) nor who does own it (the state store does), and it
// never stops anything: who reads a topology acts.
//
// # Names and lives
//
// A member's name is stable, its process is not. To memberlist each process is a
// node of its own, called name@xxxxxxxx, so that news of an earlier life never
// touches a later one, whichever arrives first and wherever either runs. Of
// several lives of one name the one of the highest epoch counts; [Cluster.Failed]
// tells a node that another life of its name has superseded it.
//
// # What has to come first
//
// A process listens on its RemoteAddr before it calls Start and until it ends:
// that this port refuses connections is taken as the proof that it has ended.
package cluster
