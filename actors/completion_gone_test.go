package actors_test

import (
	"sync/atomic"
	"testing"
	"time"

	"godwit/storage/storagetest"
	"godwit/transfer"
)

// TestCompletionStaysDeleted asks a group for something while it is being removed: it
// does not come back.
func TestCompletionStaysDeleted(t *testing.T) {
	for _, what := range []string{"enable", "delete", "join", "create"} {
		t.Run(what, func(t *testing.T) {
			inTown(t, 1, 0, func(c *town) {
				c.withReceiver()
				count := c.hook
				var stall atomic.Bool
				c.hook = func(call storagetest.Call) storagetest.Fault {
					if call.Op == storagetest.OpList && call.Name == "members/g/" && stall.Swap(false) {
						return storagetest.Fault{Delay: 500 * time.Millisecond}
					}
					return count(call)
				}
				c.start("n1")
				c.completion("g")
				c.create(c.any(0), c.spec("t"), false)
				stall.Store(true)
				deleted, asked := make(chan error, 1), make(chan error, 1)
				go func() { deleted <- c.any(0).DeleteCompletion(c.Context(), "g") }()
				settle(100 * time.Millisecond)
				go func() {
					var err error
					switch what {
					case "enable":
						_, err = c.any(0).EnableCompletion(c.Context(), "g")
					case "delete":
						err = c.any(0).DeleteCompletion(c.Context(), "g")
					case "join":
						g := "g"
						_, err = c.any(0).Command(c.Context(), "t", transfer.Update{CompletionGroup: &g}, "")
					case "create":
						_, _, err = c.any(0).Create(c.Context(), c.spec("u", inGroup("g")), false)
					}
					asked <- err
				}()
				settle(60 * time.Second)
				if err := <-deleted; err != nil {
					t.Error(err)
				}
				err := <-asked
				if what == "join" { // it is in the group until that does not count it
					if left := c.get(c.any(0), "t").State.Spec.CompletionGroup; err != nil || left != "" {
						t.Errorf("it is in %q, %v", left, err)
					}
				} else if codeOf(err) != transfer.CodeCompletionNotFound {
					t.Errorf("%s: %v", what, err)
				}
				got, err := c.any(0).Completion(c.Context(), "g")
				if codeOf(err) != transfer.CodeCompletionNotFound {
					t.Errorf("it is %s, %v", got.State.Phase, err)
				}
			})
		})
	}
}
