package cluster

import (
	"errors"
	"fmt"
)

// Errors of calls that come too late or ask for too much.
var (
	// ErrClosed: the node has left, or the cluster is closed.
	ErrClosed = errors.New("the node has left the cluster")
	// ErrMetaTooLong: what the node says of itself does not fit into gossip.
	ErrMetaTooLong = errors.New("what the node says of itself is too long")
)

// Field is what two nodes of one cluster must have in common.
type Field string

// The fields of Meta that nodes compare. FieldMeta stands for all of them, when
// what a node says cannot be read.
const (
	FieldClusterID    Field = "cluster id"
	FieldShards       Field = "shards"
	FieldRecordFormat Field = "record format"
	FieldMeta         Field = "meta"
)

// ForeignError says that a node does not belong to this cluster.
type ForeignError struct {
	// Node is the other node's name, Addr its gossip address.
	Node, Addr string
	// Field is what differs; Theirs and Ours are its values.
	Field        Field
	Theirs, Ours string
	// newer is whether their record format is above ours.
	newer bool
}

func (e *ForeignError) Error() string {
	switch {
	case e.Field == FieldClusterID:
		return fmt.Sprintf("node %s works on another state store (cluster %s, ours is %s): give all nodes the same --state-store", e.Node, e.Theirs, e.Ours)
	case e.Field == FieldShards:
		return fmt.Sprintf("node %s counts %s shards, this one %s: give all nodes the same --state-store", e.Node, e.Theirs, e.Ours)
	case e.Field == FieldRecordFormat && e.newer:
		return fmt.Sprintf("node %s writes records of format %s, this version knows %s: upgrade godwit on this node", e.Node, e.Theirs, e.Ours)
	case e.Field == FieldRecordFormat:
		return fmt.Sprintf("node %s knows records of format %s, this version writes %s: upgrade godwit on the other nodes first", e.Node, e.Theirs, e.Ours)
	}
	return fmt.Sprintf("node %s says of itself what this version cannot read: is it godwit?", e.Node)
}

// UnintelligibleError says that a seed was reached and that it and this node do
// not understand each other: keys or labels differ, or it is no gossip address.
type UnintelligibleError struct {
	// Seed is the address as configured.
	Seed string
	// Err is what the connection said.
	Err error
}

func (e *UnintelligibleError) Error() string {
	return fmt.Sprintf("the node at %s cannot be understood: is the gossip key the same on all nodes, and is this a gossip address? (%v)", e.Seed, e.Err)
}

func (e *UnintelligibleError) Unwrap() error { return e.Err }

// NameTakenError says that another running node has this node's name.
type NameTakenError struct {
	// Name is the name of both, Addr the other's gossip address.
	Name, Addr string
}

func (e *NameTakenError) Error() string {
	return fmt.Sprintf("the node at %s runs under the name %s too: give each node its own --name", e.Addr, e.Name)
}
