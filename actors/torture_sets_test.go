package actors_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"godwit/storage/storagetest"
	"godwit/transfer"
	"godwit/transfer/completion"
)

// TestTortureSets lets the k-th call to the state store fail, for all k, in four
// ways, or has a node die there, while a completion group takes members in a
// transfer group, is enabled and fires. Whatever fails, it fires once, and counts
// every member that was accepted.
func TestTortureSets(t *testing.T) {
	for name, fault := range map[string]*storagetest.Fault{
		"refused":      ptr(storagetest.Refused()),
		"lost request": ptr(storagetest.LostRequest()),
		"lost reply":   ptr(storagetest.LostReply()),
		"conflict":     {Kind: "conflicting operation"},
		"death":        nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for k := 1; tortureSets(t, k, fault); k++ {
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// tortureSets runs one group whose k-th call fails, or kills; false when there
// is no k-th.
func tortureSets(t *testing.T, k int, fault *storagetest.Fault) (more bool) {
	some(t, 2, 0, func(c *town, r *receiver) {
		calls, dead := 0, make(chan struct{}, 1)
		count := c.hook
		c.hook = func(call storagetest.Call) storagetest.Fault {
			count(call)
			if !strings.HasPrefix(call.Name, "shards/") && !strings.HasPrefix(call.Name, "members/") || call.Op == storagetest.OpList {
				return storagetest.Fault{}
			}
			r.mu.Lock()
			calls++
			armed := calls == k
			r.mu.Unlock()
			switch {
			case armed && fault != nil:
				return *fault
			case armed:
				dead <- struct{}{}
				return storagetest.LostRequest()
			}
			return storagetest.Fault{}
		}
		c.start("n1")
		if fault == nil {
			c.start("n2")
			go func() {
				select {
				case <-dead:
					c.kill("n1", true)
				case <-c.Context().Done():
				}
			}()
		}
		accepted := c.insist()
		got := c.wantCompletion("g", completion.PhaseDone)
		settle(time.Minute)
		if got.Completed != accepted || !slices.Equal(r.distinct(), []string{got.State.TaskID}) {
			c.Errorf("call %d: %d of %d completed, delivered %v", k, got.Completed, accepted, r.ids())
		}
		if told := r.last(); len(told.Members) != accepted {
			c.Errorf("call %d: told of %v", k, told.Members)
		}
		r.mu.Lock()
		more = calls >= k && !t.Failed()
		r.mu.Unlock()
	})
	return more
}

// insist makes a group with two members and enables it, and asks again whatever
// fails for the moment. It returns how many members were accepted.
func (c *town) insist() (accepted int) {
	c.Helper()
	c.again("create the group", func() error {
		_, _, err := c.any(0).CreateCompletion(c.Context(), completion.Spec{
			ID: "g", Policy: completion.AllFinished, StartOnEnable: true, Task: webhook(),
		})
		return err
	})
	for i := range 2 {
		c.again("create a member", func() error {
			_, _, err := c.any(0).Create(c.Context(), c.spec(fmt.Sprint("t", i), inGroup("g"), ofGroup("q")), true)
			return err
		})
		accepted++
	}
	c.again("enable the group", func() error {
		_, err := c.any(0).EnableCompletion(c.Context(), "g")
		return err
	})
	return accepted
}

// again repeats what fails because of the store or of a node.
func (c *town) again(what string, try func() error) {
	c.Helper()
	for range 100 {
		err := try()
		if err == nil {
			return
		}
		if code := codeOf(err); code.Class() != transfer.Transient {
			c.Fatalf("%s: %v", what, err)
		}
		settle(time.Second)
	}
	c.Fatalf("%s: it never works", what)
}
