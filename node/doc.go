// Package node is one godwit process: configuration, wiring, start and stop.
//
// It is the only place where contracts meet implementations: it opens the
// stores and the source client that a [Config] names, gives them to the actors
// system, and puts the API in front of it. It owns the node's secrets key and
// its metrics. It holds no rule about transfers.
//
// A [Node] serves on an address; [Attach] shares one node between the commands
// of a person who runs no server; [Doctor] looks at a configuration without
// running it.
package node
