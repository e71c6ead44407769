package actors_test

import (
	"fmt"
	"testing"
	"time"

	"godwit/transfer"
	"godwit/transfer/group"
)

// TestGroupStaysDeleted deletes a group whose last member has ended before the group
// hears of that: late news does not bring the group back.
func TestGroupStaysDeleted(t *testing.T) {
	for i := range 6 {
		name := fmt.Sprint("q", i)
		t.Run(name, func(t *testing.T) {
			inTown(t, 1, 3, func(c *town) {
				c.group(group.Spec{Name: name, Behavior: group.Serialized})
				c.create(c.any(0), c.spec("t", ofGroup(name)), false)
				c.mu.Lock()
				until := time.Now().Add(time.Hour)
				c.refused = func(_, kind string) bool { return kind == "entity" && time.Now().Before(until) }
				c.mu.Unlock()
				c.command(c.systems["n1"], "t", transfer.Cancel{By: "test"})
				settle(time.Second)
				c.mu.Lock()
				until = time.Now()
				c.mu.Unlock()
				if err := c.any(0).DeleteGroup(c.Context(), name); err != nil {
					t.Fatal(err)
				}
				settle(5 * time.Second)
				if _, err := c.any(1).Group(c.Context(), name); codeOf(err) != transfer.CodeGroupNotFound {
					t.Errorf("it is there again: %v", err)
				}
			})
		})
	}
}
