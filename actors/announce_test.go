package actors_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/transfer"
)

func notified(s *transfer.Spec) {
	s.Notifications = []transfer.Notification{
		{Channel: "ops", Success: "{id} is {status}", Failure: "{id} is {status}: {error}", Tag: "t", TTL: time.Hour},
		{Channel: transfer.ChannelLog, Success: "done"},
	}
}

// texts are what the channel was told, in order, each once.
func (r *receiver) texts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	seen := map[string]bool{}
	for _, d := range r.deliveries {
		if !seen[d.ID] {
			seen[d.ID] = true
			out = append(out, strings.Trim(string(d.Body), `"`))
		}
	}
	return out
}

// TestTransferNotifications tells of each end, and of the wait for attention.
func TestTransferNotifications(t *testing.T) {
	three(t, 1, func(c *town, r *receiver) {
		status := 403
		c.source.Script = func(_ int, req endpoint.Request) (a actorstest.Answer) {
			if strings.HasSuffix(req.URL, "bad") && status != 0 {
				a.Err = &transfer.Error{Code: transfer.CodeStatus, Status: status}
			}
			return a
		}
		c.create(c.any(0), c.spec("good", notified), true)
		c.completed(c.any(1), "good")
		settle(time.Second)
		c.create(c.any(1), c.spec("bad", notified, func(s *transfer.Spec) { s.Recoverable = []int{403} }), true)
		settle(5 * time.Second)
		c.want(c.any(2), "bad", transfer.PhasePaused)
		status = 404
		c.command(c.any(2), "bad", transfer.Resume{})
		settle(5 * time.Second)
		c.want(c.any(0), "bad", transfer.PhaseFailed)
		status = 0
		c.command(c.any(2), "bad", transfer.Retry{})
		c.completed(c.any(1), "bad")
		settle(5 * time.Second)
		want := []string{"good is COMPLETED", "bad is PAUSED: http.status", "bad is FAILED: http.status", "bad is COMPLETED"}
		if got := r.texts(); !slices.Equal(got, want) {
			c.Errorf("told %q", got)
		}
	})
}

// TestTransferNotificationOutlivesNodes kills the owner before it has told
// anybody.
func TestTransferNotificationOutlivesNodes(t *testing.T) {
	for kill := range 6 {
		t.Run(fmt.Sprint(kill), func(t *testing.T) {
			three(t, 1, func(c *town, r *receiver) {
				c.create(c.any(0), c.spec("t", notified), true)
				pass(time.Duration(kill) * 20 * time.Millisecond)
				c.kill(c.get(c.any(0), "t").Node, true)
				c.completed(c.any(0), "t")
				settle(time.Minute)
				if got := r.texts(); !slices.Equal(got, []string{"t is COMPLETED"}) {
					c.Errorf("told %q", got)
				}
			})
		})
	}
}
