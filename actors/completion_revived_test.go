package actors_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/storage/storagetest"
	"godwit/transfer"
	"godwit/transfer/completion"
)

// TestCompletionHearsOfRetry loses what a failed member's node says when the member
// is retried: the group waits for it all the same.
func TestCompletionHearsOfRetry(t *testing.T) {
	for i := range 4 {
		id := fmt.Sprint("g", i)
		t.Run(id, func(t *testing.T) {
			three(t, 60, func(c *town, r *receiver) {
				fails := true
				c.source.Script = func(_ int, req endpoint.Request) actorstest.Answer {
					c.mu.Lock()
					defer c.mu.Unlock()
					if fails && strings.HasSuffix(req.URL, "/bad") {
						return actorstest.Answer{Err: &transfer.Error{Code: transfer.CodeStatus, Status: 404}}
					}
					return actorstest.Answer{Rate: partSize}
				}
				c.completion(id)
				c.create(c.any(0), c.spec("good", inGroup(id), oneConnection), true)
				c.create(c.any(0), c.spec("bad", inGroup(id), oneConnection), true)
				c.enable(id)
				settle(5 * time.Second)
				c.want(c.any(0), "bad", transfer.PhaseFailed)
				c.mu.Lock()
				fails = false
				until := time.Now().Add(12 * time.Second)
				c.refused = func(_, kind string) bool { return kind == "entity" && time.Now().Before(until) }
				c.mu.Unlock()
				c.command(c.any(0), "bad", transfer.Retry{})
				settle(35 * time.Second)
				if got := c.getCompletion(id); got.Failed != 0 || !slices.Equal(got.WaitingOn, []string{"bad", "good"}) {
					t.Errorf("%d failed, it waits on %v", got.Failed, got.WaitingOn)
				}
				if got := c.wantCompletion(id, completion.PhaseDone); got.Completed != 2 {
					t.Errorf("%d completed, %d failed", got.Completed, got.Failed)
				}
			})
		})
	}
}

// TestCompletionReadsEndsAgain loses the news of a member's end, and then the first read
// of its record: the group does not wait for its next regular look at the members.
func TestCompletionReadsEndsAgain(t *testing.T) {
	var away atomic.Bool
	faults := storagetest.Faults{Hook: func(c storagetest.Call) storagetest.Fault {
		if away.Load() && c.Op == storagetest.OpGet && strings.HasSuffix(c.Name, "/t/m") {
			return storagetest.Refused()
		}
		return storagetest.Fault{}
	}}
	for i := range 4 {
		id := fmt.Sprint("g", i)
		t.Run(id, func(t *testing.T) {
			some(t, 2, 3, func(c *town, r *receiver) {
				c.slow()
				c.completion(id)
				c.create(c.any(0), c.spec("m", inGroup(id), oneConnection), true)
				c.enable(id)
				until := time.Now().Add(15 * time.Second)
				c.mu.Lock()
				c.refused = func(_, kind string) bool { return kind == "entity" && time.Now().Before(until) }
				c.mu.Unlock()
				settle(15 * time.Second)
				away.Store(true)
				settle(5500 * time.Millisecond)
				away.Store(false)
				settle(2 * time.Second)
				if got := c.getCompletion(id); got.State.Phase != completion.PhaseDone {
					t.Errorf("it is %s", got.State.Phase)
				}
			}, func(cfg *actors.Config) { cfg.Records = faults.Records(cfg.Records) })
		})
	}
}
