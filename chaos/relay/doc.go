// Package relay owns a bad network between processes of one machine: it
// forwards TCP connections and UDP packets, and delays, loses, repeats or holds
// them.
//
// A [Relay] stands for one port of one process: it listens on TCP and UDP and
// forwards both to that port on another address. What goes [There], to the
// process, and what comes [Back] is each treated in its own [Way], so that a
// fault may be asymmetric. It knows bytes only.
//
// # Nodes behind relays
//
// A node tells others the host by which they reach it, and the same ports as it
// listens on. So on loopback, where all of 127.0.0.0/8 is this machine, node n
// listens on 127.0.1.n and advertises 127.0.2.n, where a relay listens on each of
// its ports. Others then reach it through the relays only:
//
//	godwit serve --gossip-addr 127.0.1.3:7482 --remote-addr 127.0.1.3:7481 --advertise 127.0.2.3 …
//
// Who connects is not known, since connections come from any loopback address: a
// relay is a way to one node from all others, not between two. Cutting [There] of
// all relays of a node makes it deaf; to cut two nodes from each other, nodes
// must be in networks of their own.
package relay
