// Package actors is the supervision tree of one node: who does what, when.
//
//	shards               shard manager: the shards that placement gives to this node
//	└─ s<hhh>.<life>     one shard: its records, and actors for those that do something
//	   ├─ t-<id>.<life>  one transfer: owns a transfer.State and runs its effects
//	   ├─ g-<id>.<life>  one completion group: counts its members, decides once
//	   ├─ q-<id>.<life>  one transfer group: gives turns
//	   └─ k-<id>.<life>  one background task: tries until somebody has taken it
//	slots                admission: who waits, who runs, whose connections
//	links                connections to one origin host, for all nodes together
//	owners               whether the owner of a record may be succeeded
//	health               node lease and self-pause detection
//
// A request goes from System (router.go) to the node that should have the
// transfer: to its manager, on to the shard that holds the id, and on to the
// transfer, which answers the asker itself once the change is recorded. A transfer that waits, or has ended, is no actor: a few bytes in
// its shard, and its record in the store. It becomes one when it gets a slot or
// a command, and goes when it has nothing to do. Groups and tasks are entities
// (entity.go): what is common to them is there, what each decides is in
// packages transfer/completion, transfer/group and transfer/task. Which sets a
// transfer belongs to is settled by its shard: shard_members.go, shard_turns.go.
//
// Who is in the cluster comes in as a Topology, requests of other nodes through
// System.Serve, and requests to them go out through Peers: the package knows
// neither gossip nor sockets. To see how a shard changes hands read
// manager_shards.go, handover.go and shard_load.go.
//
// The package owns ownership: a transfer runs only under a record that this
// incarnation of this node has written, and the first refused write ends it.
// Receive methods never wait, read or write; I/O runs in goroutines under a
// context that ends with the actor, and comes back as messages tagged with the
// actor's life, so that what an earlier one began is not mistaken for our own.
// What happens next is decided by the Apply functions of those packages and
// nowhere in here; bytes are moved by packages fetch and send and never ride in
// messages.
//
// An upload (transfer_send.go) has no store at its destination. What it sends is
// pinned when it is created (pin.go), and must be readable on every node that may
// own it; its far side refuses no stale owner, so that it is only taken from an
// owner that has certainly ended.
package actors
