package actors_test

import (
	"fmt"
	"testing"
	"time"

	"godwit/endpoint"
	"godwit/transfer/completion"
)

// TestTaskTellsPatiently breaks all connections for a moment when a task succeeds:
// its group hears of that a little later, although the task has nothing to do any
// more.
func TestTaskTellsPatiently(t *testing.T) {
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			three(t, 1, func(c *town, r *receiver) {
				r.answer = func(int) (endpoint.Answer, error) {
					c.mu.Lock()
					until := time.Now().Add(time.Second)
					c.refused = func(string, string) bool { return time.Now().Before(until) }
					c.mu.Unlock()
					return endpoint.Answer{Status: 200}, nil
				}
				c.fired(fmt.Sprint("g", i), 1)
				settle(5 * time.Second)
				if got := c.getCompletion(fmt.Sprint("g", i)); got.State.Phase != completion.PhaseDone {
					t.Errorf("it is %s", got.State.Phase)
				}
			})
		})
	}
}
