package actors

import "strings"

// Abandon ends a system as kill -9 would: nothing is recorded, nothing is
// finished.
func (s *System) Abandon() {
	s.actors.Root.Send(s.deps.manager, &fence{})
	s.shutdown()
}

// TransferKey is where a transfer is recorded.
func TransferKey(id string) string { return transferKey(id) }

// ShardOf is the shard of a transfer.
func ShardOf(id string) int { return shardOf(id) }

// Actors counts the transfers that are actors at the moment.
func (s *System) Actors() int {
	n := 0
	for _, shard := range s.actors.ProcessRegistry.LocalPIDs.LocalPIDs {
		for _, name := range shard.Keys() {
			if strings.Contains(name, "/t-") {
				n++
			}
		}
	}
	return n
}

// Tally counts the members of a group as what is delivered does.
func Tally(c *Completion, members []Snapshot) { c.tally(members) }
