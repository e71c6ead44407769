package actors_test

import (
	"sync/atomic"
	"testing"
	"time"

	"godwit/actors"
	"godwit/storage/storagetest"
	"godwit/transfer/task"
)

// TestPausedAttempt has a node stand still between the record of an attempt and
// the delivery, until it has written its lease anew. Its next incarnation makes the
// delivery meanwhile: what the earlier one had begun is not carried out any more.
func TestPausedAttempt(t *testing.T) {
	var away, paused atomic.Bool
	rendering := func(cfg *actors.Config) {
		render := cfg.Outlets.Finished
		cfg.Outlets.Finished = func(id string, at time.Time, c *actors.Completion, members []actors.Snapshot) ([]byte, error) {
			if paused.CompareAndSwap(false, true) {
				away.Store(true)
				pass(12 * time.Second)
				away.Store(false)
				pass(time.Minute)
			}
			return render(id, at, c, members)
		}
	}
	inTown(t, 1, 0, func(c *town) {
		r := c.withReceiver()
		hook, with := c.hook, c.config
		c.hook = func(call storagetest.Call) storagetest.Fault {
			if away.Load() && call.Name == lease {
				return storagetest.Refused()
			}
			if hook == nil {
				return storagetest.Fault{}
			}
			return hook(call)
		}
		c.config = func(cfg *actors.Config) {
			with(cfg)
			rendering(cfg)
		}
		c.start("n1")
		c.fired("g", 1)
		settle(2 * time.Minute)
		group, err := c.any(0).Completion(c.Context(), "g")
		if err != nil {
			c.Fatal(err)
		}
		if n := len(r.ids()); n != 1 || !paused.Load() {
			c.Errorf("%d deliveries", n)
		}
		if got := c.getTask(group.State.TaskID); got.Phase != task.PhaseSucceeded {
			c.Errorf("the task is %+v", got)
		}
	})
}
