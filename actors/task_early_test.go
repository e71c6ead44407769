package actors_test

import (
	"strings"
	"testing"
	"time"

	"godwit/storage/storagetest"
	"godwit/transfer/completion"
	"godwit/transfer/task"
)

// TestTaskRedeliveredWhileCreated delivers a task by hand while its record is being
// written: that is its first attempt, not one that was lost.
func TestTaskRedeliveredWhileCreated(t *testing.T) {
	inTown(t, 1, 0, func(c *town) {
		r := c.withReceiver()
		count := c.hook
		c.hook = func(call storagetest.Call) storagetest.Fault {
			if call.Op == storagetest.OpCreate && strings.Contains(call.Name, "/k/") {
				pass(500 * time.Millisecond)
			}
			return count(call)
		}
		c.start("n1")
		c.fired("g", 0)
		settle(100 * time.Millisecond)
		go func() { _, _ = c.any(0).RedeliverTask(c.Context(), completion.TaskID("g")) }()
		settle(5 * time.Minute)
		if got := c.getTask(completion.TaskID("g")); got.Phase != task.PhaseSucceeded || got.Attempts != 1 || len(r.ids()) != 1 {
			t.Errorf("%s after %d attempts, delivered %v: %+v", got.Phase, got.Attempts, r.ids(), got.History)
		}
	})
}
