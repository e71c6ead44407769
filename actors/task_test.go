package actors_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/task"
)

// three starts a town of three nodes with a receiver.
func three(t *testing.T, parts int, test func(c *town, r *receiver)) {
	t.Helper()
	some(t, parts, 3, test)
}

func some(t *testing.T, parts, nodes int, test func(c *town, r *receiver), change ...func(*actors.Config)) {
	t.Helper()
	inTown(t, parts, 0, func(c *town) {
		r := c.withReceiver()
		with := c.config
		c.config = func(cfg *actors.Config) {
			with(cfg)
			for _, f := range change {
				f(cfg)
			}
		}
		for i := range nodes {
			c.start(fmt.Sprintf("n%d", i+1))
		}
		test(c, r)
	})
}

// fired makes a group with some members, and enables it.
func (c *town) fired(id string, members int, change ...func(*completion.Spec)) {
	c.Helper()
	c.completion(id, change...)
	for i := range members {
		c.create(c.any(i), c.spec(fmt.Sprintf("%s-%03d", id, i), inGroup(id)), true)
	}
	c.enable(id)
}

func (c *town) getTask(id string) task.State {
	c.Helper()
	got, err := c.any(1).Task(c.Context(), id)
	if err != nil {
		c.Fatalf("task %s: %v", id, err)
	}
	return got.State
}

func (c *town) wantTask(id string, want task.Phase, within time.Duration) task.State {
	c.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); settle(10 * time.Minute) {
		if got := c.getTask(id); got.Phase == want {
			return got
		}
	}
	got := c.getTask(id)
	c.Fatalf("task %s is %s after %v, not %s: %+v", id, got.Phase, within, want, got)
	return got
}

// TestTaskDelivery has receivers that behave in all the ways they do.
func TestTaskDelivery(t *testing.T) {
	unavailable := &transfer.Error{Code: transfer.CodeWebhookStatus, Status: 503}
	lost := &transfer.Error{Code: transfer.CodeReset, Message: "the reply was lost"}
	for name, tc := range map[string]struct {
		answer   func(n int, since time.Duration) (int, *transfer.Error)
		phase    task.Phase
		group    completion.Phase
		attempts int
	}{
		"takes it": {
			func(int, time.Duration) (int, *transfer.Error) { return 200, nil },
			task.PhaseSucceeded, completion.PhaseDone, 1,
		},
		"takes it and the reply is lost": {
			func(n int, _ time.Duration) (int, *transfer.Error) {
				if n == 1 {
					return 0, lost
				}
				return 200, nil
			}, task.PhaseSucceeded, completion.PhaseDone, 2,
		},
		"fails four times": {
			func(n int, _ time.Duration) (int, *transfer.Error) {
				if n <= 4 {
					return 503, unavailable
				}
				return 204, nil
			}, task.PhaseSucceeded, completion.PhaseDone, 5,
		},
		"is down for a day": {
			func(_ int, since time.Duration) (int, *transfer.Error) {
				if since < 24*time.Hour {
					return 0, &transfer.Error{Code: transfer.CodeConnect}
				}
				return 200, nil
			}, task.PhaseSucceeded, completion.PhaseDone, 8,
		},
		"never takes it": {
			func(int, time.Duration) (int, *transfer.Error) { return 503, unavailable },
			task.PhaseDeadLetter, completion.PhaseFailed, 10,
		},
		"is gone": {
			func(int, time.Duration) (int, *transfer.Error) {
				return 410, &transfer.Error{Code: transfer.CodeWebhookGone, Status: 410}
			}, task.PhaseDeadLetter, completion.PhaseFailed, 1,
		},
		"redirects": {
			func(n int, _ time.Duration) (int, *transfer.Error) {
				if n == 1 {
					return 302, &transfer.Error{Code: transfer.CodeWebhookRedirect, Status: 302}
				}
				return 200, nil
			}, task.PhaseSucceeded, completion.PhaseDone, 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			// Days pass here: more nodes would only make them longer.
			some(t, 1, 1, func(c *town, r *receiver) {
				began := time.Now()
				r.answer = func(n int) (endpoint.Answer, error) {
					status, err := tc.answer(n, time.Since(began))
					if err != nil {
						return endpoint.Answer{Status: status}, err
					}
					return endpoint.Answer{Status: status}, nil
				}
				c.fired("g", 2)
				settle(time.Second)
				id := completion.TaskID("g")
				got := c.wantTask(id, tc.phase, 80*time.Hour)
				if got.Attempts != tc.attempts || len(r.ids()) != tc.attempts || len(r.distinct()) != 1 {
					c.Errorf("%d attempts, %d deliveries of %v, want %d", got.Attempts, len(r.ids()), r.distinct(), tc.attempts)
				}
				if len(got.History) != tc.attempts || got.History[0].Node == "" {
					c.Errorf("history %+v", got.History)
				}
				if n := r.writesTo("/k/" + id); n > 4+tc.attempts {
					c.Errorf("the task's record was written %d times for %d attempts", n, tc.attempts)
				}
				c.wantCompletion("g", tc.group)
			})
		})
	}
}

func TestTaskRedelivered(t *testing.T) {
	three(t, 1, func(c *town, r *receiver) {
		gone := true
		r.answer = func(int) (endpoint.Answer, error) {
			if gone {
				return endpoint.Answer{Status: 410}, &transfer.Error{Code: transfer.CodeWebhookGone, Status: 410}
			}
			return endpoint.Answer{Status: 200}, nil
		}
		c.fired("g", 1)
		c.wantCompletion("g", completion.PhaseFailed)
		gone = false
		id := completion.TaskID("g")
		if _, err := c.any(2).RedeliverTask(c.Context(), id); err != nil {
			c.Fatal(err)
		}
		c.wantTask(id, task.PhaseSucceeded, time.Hour)
		if got := c.wantCompletion("g", completion.PhaseDone); got.State.Err != nil {
			c.Errorf("a group whose task was delivered in the end says %v", got.State.Err)
		}
		if ids := r.ids(); len(ids) != 2 || ids[0] != ids[1] {
			c.Errorf("delivered %v", ids)
		}
		if _, err := c.any(0).RedeliverTask(c.Context(), "nothing"); codeOf(err) != transfer.CodeTaskNotFound {
			c.Errorf("%v", err)
		}
	})
}

// TestTaskOutlivesNodes moves a task that waits for its next attempt from node to
// node.
func TestTaskOutlivesNodes(t *testing.T) {
	three(t, 1, func(c *town, r *receiver) {
		r.answer = func(n int) (endpoint.Answer, error) {
			if n < 5 {
				return endpoint.Answer{Status: 500}, &transfer.Error{Code: transfer.CodeWebhookStatus, Status: 500}
			}
			return endpoint.Answer{Status: 200}, nil
		}
		c.fired("g", 3)
		settle(10 * time.Second)
		for i := range 3 {
			c.start(fmt.Sprintf("m%d", i+1))
			c.kill(fmt.Sprintf("n%d", i+1), i != 1)
			settle(20 * time.Minute)
		}
		got := c.wantTask(completion.TaskID("g"), task.PhaseSucceeded, 80*time.Hour)
		if len(r.distinct()) != 1 || got.Attempts != len(r.ids()) {
			c.Errorf("%d attempts, delivered %v", got.Attempts, r.ids())
		}
		c.wantCompletion("g", completion.PhaseDone)
	})
}

func TestTaskKinds(t *testing.T) {
	three(t, 1, func(c *town, r *receiver) {
		c.fired("exec", 2, func(s *completion.Spec) { s.Task = &task.Spec{Kind: task.Exec, Command: "index"} })
		c.wantCompletion("exec", completion.PhaseDone)
		got := c.getTask(completion.TaskID("exec"))
		if len(got.History) != 1 || !got.History[0].HasExit || !strings.HasPrefix(got.History[0].Output, "index 1 ") {
			c.Errorf("%+v", got.History)
		}

		template := c.spec("template", func(s *transfer.Spec) {
			s.Source, s.Destination = "https://origin.example/{name}", "file:///copies/{group}/{name}"
		})
		c.fired("submit", 3, func(s *completion.Spec) { s.Task = &task.Spec{Kind: task.Submit, Template: &template} })
		c.wantCompletion("submit", completion.PhaseDone)
		got = c.getTask(completion.TaskID("submit"))
		if len(got.Submitted) != 3 {
			c.Fatalf("submitted %v", got.Submitted)
		}
		for i, id := range got.Submitted {
			c.await(c.any(i), id)
			if len(c.objects.Result(fmt.Sprintf("/copies/submit/submit-%03d", i))) == 0 {
				c.Errorf("%s has no result", id)
			}
		}

		c.fired("told", 1, func(s *completion.Spec) {
			s.Task = nil
			s.Notifications = []transfer.Notification{
				{Channel: "ops", Success: "{id}: {completed} of {total}", Failure: "bad"},
				{Channel: transfer.ChannelLog, Failure: "{id} has failed"},
			}
		})
		c.wantCompletion("told", completion.PhaseDone)
		settle(time.Minute)
		r.mu.Lock()
		last := r.deliveries[len(r.deliveries)-1]
		r.mu.Unlock()
		if last.URL != "https://channel.example/ops" || string(last.Body) != `"told: 1 of 1"` {
			c.Errorf("notified %s of %s", last.URL, last.Body)
		}
	})
}

func TestCompletionPolicies(t *testing.T) {
	bad := func(s *transfer.Spec) { s.SHA256 = strings.Repeat("0", 64) }
	for name, tc := range map[string]struct {
		change    func(*completion.Spec)
		good, bad int
		want      completion.Phase
		fires     int
	}{
		"all succeeded":     {func(s *completion.Spec) { s.Policy = completion.AllSucceeded }, 3, 0, completion.PhaseDone, 1},
		"not all succeeded": {func(s *completion.Spec) { s.Policy = completion.AllSucceeded }, 3, 1, completion.PhaseFailed, 0},
		"quorum":            {func(s *completion.Spec) { s.Policy, s.Quorum = completion.Quorum, 2 }, 2, 2, completion.PhaseDone, 1},
		"no quorum":         {func(s *completion.Spec) { s.Policy, s.Quorum = completion.Quorum, 3 }, 2, 2, completion.PhaseFailed, 0},
		"empty":             {func(*completion.Spec) {}, 0, 0, completion.PhaseDone, 1},
		"all failed":        {func(*completion.Spec) {}, 0, 2, completion.PhaseDone, 1},
	} {
		t.Run(name, func(t *testing.T) {
			three(t, 1, func(c *town, r *receiver) {
				c.completion("g", tc.change)
				for i := range tc.good {
					c.create(c.any(i), c.spec(fmt.Sprint("good", i), inGroup("g")), true)
				}
				for i := range tc.bad {
					c.create(c.any(i), c.spec(fmt.Sprint("bad", i), inGroup("g"), bad), true)
				}
				c.enable("g")
				c.wantCompletion("g", tc.want)
				settle(time.Minute)
				if len(r.ids()) != tc.fires {
					c.Errorf("fired %d times", len(r.ids()))
				}
			})
		})
	}
}

func TestCompletionTimes(t *testing.T) {
	three(t, 64, func(c *town, r *receiver) {
		c.slow()
		began := time.Now()
		c.completion("g", func(s *completion.Spec) {
			s.AutoEnableAfter, s.Deadline = 5*time.Second, began.Add(20*time.Second)
		})
		c.createMany(3, inGroup("g"), oneConnection)
		settle(4 * time.Second)
		if got := c.getCompletion("g"); got.State.Phase != completion.PhaseOpen {
			c.Fatalf("%s before its time", got.State.Phase)
		}
		settle(2 * time.Second)
		if got := c.getCompletion("g"); got.State.Phase != completion.PhaseEnabled {
			c.Fatalf("%s after its time", got.State.Phase)
		}
		got := c.wantCompletion("g", completion.PhaseDone)
		if took := time.Since(began); got.Canceled != 3 || took > 40*time.Second {
			c.Errorf("%d canceled after %v", got.Canceled, took)
		}
		snap := c.get(c.any(0), "t000")
		if snap.State.CanceledBy != "completion group g" {
			c.Errorf("canceled by %q: %s", snap.State.CanceledBy, snap.State.CancelReason)
		}
	})
}

// TestCompletionRetried retries what failed in a group of its own.
func TestCompletionRetried(t *testing.T) {
	three(t, 1, func(c *town, r *receiver) {
		broken := &atomic.Bool{}
		broken.Store(true)
		c.source.Script = func(_ int, req endpoint.Request) (a actorstest.Answer) {
			if broken.Load() && strings.HasSuffix(req.URL, "bad") {
				a.Err = &transfer.Error{Code: transfer.CodeStatus, Status: 404}
			}
			return a
		}
		c.completion("g")
		for i, id := range []string{"a", "bad", "alsobad", "d"} {
			c.create(c.any(i), c.spec(id, inGroup("g")), true)
		}
		c.enable("g")
		c.wantCompletion("g", completion.PhaseDone)
		broken.Store(false)
		child, err := c.any(0).RetryCompletion(c.Context(), "g")
		if err != nil {
			c.Fatal(err)
		}
		if again, err := c.any(1).RetryCompletion(c.Context(), "g"); err != nil || again.State.Spec.ID != child.State.Spec.ID {
			c.Errorf("retried again: %+v, %v", again, err)
		}
		got := c.wantCompletion(child.State.Spec.ID, completion.PhaseDone)
		if got.State.Spec.Parent != "g" || got.Total != 2 || got.Completed != 2 {
			c.Errorf("%+v", got)
		}
		if ids := r.distinct(); len(ids) != 2 {
			c.Errorf("delivered %v", ids)
		}
		if snap := c.get(c.any(2), "bad"); snap.State.Spec.CompletionGroup != child.State.Spec.ID {
			c.Errorf("a member of %q", snap.State.Spec.CompletionGroup)
		}
		if _, err := c.any(1).RetryCompletion(c.Context(), child.State.Spec.ID); codeOf(err) != transfer.CodeState {
			c.Errorf("retried what has not failed: %v", err)
		}
	})
}

func TestCompletionDeleted(t *testing.T) {
	three(t, 4, func(c *town, _ *receiver) {
		c.slow()
		c.completion("g")
		c.create(c.any(0), c.spec("t", inGroup("g")), true)
		if err := c.any(1).DeleteCompletion(c.Context(), "g"); codeOf(err) != transfer.CodeState {
			c.Errorf("deleted with a member: %v", err)
		}
		c.enable("g")
		if err := c.any(1).DeleteCompletion(c.Context(), "g"); codeOf(err) != transfer.CodeState {
			c.Errorf("deleted before its end: %v", err)
		}
		c.wantCompletion("g", completion.PhaseDone)
		page, more, err := c.any(2).Completions(c.Context(), "", 10)
		if err != nil || more || len(page) != 1 {
			c.Errorf("%d listed, %v, %v", len(page), more, err)
		}
		if err := c.any(1).DeleteCompletion(c.Context(), "g"); err != nil {
			c.Fatal(err)
		}
		settle(time.Minute)
		if _, err := c.any(0).Completion(c.Context(), "g"); codeOf(err) != transfer.CodeCompletionNotFound {
			c.Errorf("%v", err)
		}
		if keys, err := c.records.List(c.Context(), "members/", "", 10); err != nil || len(keys) > 0 {
			c.Errorf("left behind: %v, %v", keys, err)
		}
		if page, _, err := c.any(2).Completions(c.Context(), "", 10); err != nil || len(page) != 0 {
			c.Errorf("%v listed, %v", page, err)
		}
	})
}

// TestCreatedTwiceAtOnce has two clients create one id on two nodes.
func TestCreatedTwiceAtOnce(t *testing.T) {
	three(t, 1, func(c *town, _ *receiver) {
		c.completion("g")
		for round := range 10 {
			id := fmt.Sprint("t", round)
			answers := make(chan error, 6)
			for i := range 6 {
				spec := c.spec(id, inGroup("g"))
				if i == 5 {
					spec.Priority = transfer.PriorityHigh
				}
				go func() {
					_, _, err := c.any(i).Create(c.Context(), spec, true)
					answers <- err
				}()
			}
			conflicts := 0
			for range 6 {
				if err := <-answers; codeOf(err) == transfer.CodeIDConflict {
					conflicts++
				} else if err != nil {
					c.Errorf("%v", err)
				}
			}
			if conflicts != 1 && conflicts != 5 {
				c.Errorf("%d conflicts", conflicts)
			}
			c.completed(c.any(0), id)
		}
	})
}

// TestCompletionManyMembers decides about many members spread over all nodes.
func TestCompletionManyMembers(t *testing.T) {
	const members = 1000
	three(t, 1, func(c *town, r *receiver) {
		c.completion("g")
		var ids []string
		for i := range members {
			ids = append(ids, fmt.Sprintf("t%04d", i))
			c.create(c.any(i), c.spec(ids[i], inGroup("g")), false)
		}
		began := time.Now()
		c.enable("g")
		got := c.wantCompletion("g", completion.PhaseDone)
		if got.Completed != members || len(r.last().Members) != members {
			c.Errorf("%d completed, told %d", got.Completed, len(r.last().Members))
		}
		var last time.Time
		for _, id := range ids {
			if end := c.get(c.any(0), id).State.Finished; end.After(last) {
				last = end
			}
		}
		if took := got.State.Finished.Sub(last); took > 10*time.Second {
			c.Errorf("decided %v after the last one, %v after it was enabled", took, time.Since(began))
		}
		if n := r.writesTo("/g/g"); n > 10 {
			c.Errorf("the group's record was written %d times", n)
		}
	})
}

// TestSetsAreKeptForAWhile removes groups and tasks when their time is over.
func TestSetsAreKeptForAWhile(t *testing.T) {
	some(t, 1, 1, func(c *town, _ *receiver) {
		c.fired("g", 2)
		c.wantCompletion("g", completion.PhaseDone)
		settle(time.Hour)
		c.kill("n1", true)
		c.start("n2")
		c.getCompletion("g")
		c.getTask(completion.TaskID("g"))
		settle(24 * time.Hour)
		keys, err := c.records.List(c.Context(), "", "", 100)
		if err != nil {
			c.Fatal(err)
		}
		for _, key := range keys {
			if strings.HasPrefix(key, "shards/") || strings.HasPrefix(key, "members/") {
				c.Errorf("%s is still there", key)
			}
		}
	}, func(cfg *actors.Config) { cfg.Retention = 12 * time.Hour })
}
