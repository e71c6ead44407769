package actors_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"godwit/actors"
	"godwit/transfer"
	"godwit/transfer/group"
)

func ofGroup(name string) func(*transfer.Spec) {
	return func(s *transfer.Spec) { s.Group, s.Connections = name, 1 }
}

func (c *town) group(spec group.Spec) {
	c.Helper()
	if spec.Behavior == "" {
		spec.Behavior = group.Parallel
	}
	if spec.Behavior == group.Serialized {
		spec.Limit = 1
	}
	if _, created, err := c.any(2).CreateGroup(c.Context(), spec); err != nil || !created {
		c.Fatalf("group %s: %v, created %v", spec.Name, err, created)
	}
}

func (c *town) getGroup(name string) actors.Group {
	c.Helper()
	got, err := c.any(1).Group(c.Context(), name)
	if err != nil {
		c.Fatalf("group %s: %v", name, err)
	}
	return got
}

func (c *town) change(name string, change group.Change) {
	c.Helper()
	if _, err := c.any(0).ChangeGroup(c.Context(), name, change, ""); err != nil {
		c.Fatalf("change group %s: %v", name, err)
	}
}

// queueUp creates members a moment apart, so that their order is certain.
func (c *town) queueUp(n int, change ...func(*transfer.Spec)) []string {
	c.Helper()
	var ids []string
	for i := range n {
		id := fmt.Sprintf("t%03d", i)
		c.create(c.any(i), c.spec(id, change...), true)
		ids = append(ids, id)
		pass(time.Millisecond)
	}
	return ids
}

// running are those of the transfers that run.
func (c *town) running(ids []string) []string {
	c.Helper()
	var out []string
	for _, id := range ids {
		if c.get(c.any(0), id).State.Phase.Status() == "RUNNING" {
			out = append(out, id)
		}
	}
	return out
}

// ends are the transfers in the order in which they ended.
func (c *town) ends(ids []string) []string {
	c.Helper()
	at := map[string]time.Time{}
	for i, id := range ids {
		at[id] = c.completed(c.any(i), id).State.Finished
	}
	out := slices.Clone(ids)
	slices.SortFunc(out, func(a, b string) int { return at[a].Compare(at[b]) })
	return out
}

// mostActive checks that no more than so many requests were open at a time.
func (c *town) mostActive(want int) {
	c.Helper()
	if _, most := c.source.Active(); most > want {
		c.Errorf("%d at a time, want at most %d", most, want)
	}
}

func TestGroupSerialized(t *testing.T) {
	inTown(t, 2, 3, func(c *town) {
		c.slow()
		c.group(group.Spec{Name: "q", Behavior: group.Serialized})
		ids := c.queueUp(6, ofGroup("q"))
		settle(time.Second)
		if got := c.getGroup("q"); got.Total != 6 || got.Running != 1 || got.Queued != 5 || !slices.Equal(got.Order, ids) {
			c.Errorf("%+v", got)
		}
		if got := c.ends(ids); !slices.Equal(got, ids) {
			c.Errorf("ended in the order %v", got)
		}
		c.mostActive(1)
		settle(time.Minute)
		if got := c.getGroup("q"); got.Total != 0 {
			c.Errorf("%+v", got)
		}
		if err := c.any(0).DeleteGroup(c.Context(), "q"); err != nil {
			c.Fatal(err)
		}
		if _, err := c.any(1).Group(c.Context(), "q"); codeOf(err) != transfer.CodeGroupNotFound {
			c.Errorf("%v", err)
		}
	})
}

func TestGroupLimit(t *testing.T) {
	inTown(t, 3, 3, func(c *town) {
		c.slow()
		c.group(group.Spec{Name: "q", Limit: 2})
		ids := c.queueUp(7, ofGroup("q"))
		settle(time.Second)
		if got := c.running(ids); !slices.Equal(got, ids[:2]) {
			c.Errorf("%v run", got)
		}
		if _, why, err := c.any(0).Explain(c.Context(), ids[4]); err != nil || len(why) == 0 || !strings.Contains(why[0], "turn in the transfer group q") {
			c.Errorf("explained by %q, %v", why, err)
		}
		if err := c.any(0).DeleteGroup(c.Context(), "q"); codeOf(err) != transfer.CodeState {
			c.Errorf("deleted with members: %v", err)
		}
		c.ends(ids)
		c.mostActive(2)
	})
}

// TestGroupUpsert has a transfer name a group that nobody has made.
func TestGroupUpsert(t *testing.T) {
	inTown(t, 1, 3, func(c *town) {
		ids := c.queueUp(3, ofGroup("new"))
		c.ends(ids)
		page, more, err := c.any(1).Groups(c.Context(), "", 10)
		if err != nil || more || len(page) != 1 || page[0].State.Spec.Name != "new" || page[0].State.Spec.Behavior != group.Parallel {
			c.Errorf("%+v, %v, %v", page, more, err)
		}
	})
}

func TestGroupPriorities(t *testing.T) {
	inTown(t, 2, 3, func(c *town) {
		c.slow()
		c.group(group.Spec{Name: "q", Behavior: group.Serialized})
		of := func(p transfer.Priority) func(*transfer.Spec) {
			return func(s *transfer.Spec) { s.Priority = p }
		}
		first := c.queueUp(1, ofGroup("q"))
		settle(500 * time.Millisecond)
		for _, m := range []struct {
			id       string
			priority transfer.Priority
		}{{"low", transfer.PriorityLow}, {"default", transfer.PriorityDefault}, {"high", transfer.PriorityHigh}} {
			c.create(c.any(0), c.spec(m.id, ofGroup("q"), of(m.priority)), true)
		}
		want := []string{first[0], "high", "default", "low"}
		if got := c.ends(want); !slices.Equal(got, want) {
			c.Errorf("ended in the order %v", got)
		}
	})
}

func TestGroupPausedHeadDoesNotBlock(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprint("strict ", strict), func(t *testing.T) {
			inTown(t, 4, 3, func(c *town) {
				c.slow()
				c.group(group.Spec{Name: "q", Behavior: group.Serialized, StrictOrder: strict})
				ids := c.queueUp(3, ofGroup("q"))
				settle(1500 * time.Millisecond)
				if _, err := c.any(0).Command(c.Context(), ids[0], transfer.Pause{}, ""); err != nil {
					c.Fatal(err)
				}
				settle(2 * time.Second)
				want := ids[1:2]
				if strict {
					want = nil
				}
				if got := c.running(ids); !slices.Equal(got, want) {
					c.Errorf("%v run, want %v", got, want)
				}
				if _, err := c.any(0).Command(c.Context(), ids[0], transfer.Resume{}, ""); err != nil {
					c.Fatal(err)
				}
				c.ends(ids)
				c.mostActive(1)
			})
		})
	}
}

// TestGroupPlayFromHere makes a transfer in the middle the current one.
func TestGroupPlayFromHere(t *testing.T) {
	inTown(t, 4, 3, func(c *town) {
		c.slow()
		c.group(group.Spec{Name: "q", Behavior: group.Serialized})
		ids := c.queueUp(5, ofGroup("q"))
		settle(1500 * time.Millisecond)
		c.change("q", group.Change{Move: &group.Move{ID: ids[2], Where: group.PlayFromHere}})
		settle(2 * time.Second)
		if got := c.running(ids); !slices.Equal(got, ids[2:3]) {
			c.Errorf("%v run", got)
		}
		want := append(slices.Clone(ids[2:]), ids[:2]...)
		if got := c.getGroup("q").Order; !slices.Equal(got, want) {
			c.Errorf("order %v", got)
		}
		if got := c.ends(ids); !slices.Equal(got, want) {
			c.Errorf("ended in the order %v", got)
		}
		c.mostActive(1)
	})
}

// TestGroupMoveOfStrangers moves what is no member, in a group that has some and
// in one that has none any more.
func TestGroupMoveOfStrangers(t *testing.T) {
	inTown(t, 2, 2, func(c *town) {
		c.group(group.Spec{Name: "q", Behavior: group.Serialized})
		c.create(c.any(0), c.spec("outside"), false)
		for _, members := range []string{"none", "some", "ended"} {
			if members == "some" {
				c.create(c.any(0), c.spec("t", ofGroup("q")), true)
			}
			began := time.Now()
			_, err := c.any(1).ChangeGroup(c.Context(), "q", group.Change{Move: &group.Move{ID: "outside", Where: group.First}}, "")
			if took := time.Since(began); codeOf(err) != transfer.CodeNotFound || took > time.Second {
				c.Errorf("with %s members: %v after %v", members, err, took)
			}
			if members == "some" {
				c.completed(c.any(0), "t")
				settle(time.Minute)
			}
		}
	})
}

func TestGroupPaused(t *testing.T) {
	inTown(t, 4, 3, func(c *town) {
		c.slow()
		c.group(group.Spec{Name: "q", Limit: 2})
		ids := c.queueUp(4, ofGroup("q"))
		settle(1500 * time.Millisecond)
		yes, no := true, false
		c.change("q", group.Change{Paused: &yes})
		settle(2 * time.Second)
		if got := c.running(ids); len(got) > 0 || !c.getGroup("q").State.Paused {
			c.Errorf("%v run although the group is paused", got)
		}
		before := c.meter.count("received")
		settle(time.Minute)
		if got := c.meter.count("received"); got != before {
			c.Errorf("%d bytes came while the group was paused", got-before)
		}
		c.change("q", group.Change{Paused: &no})
		c.ends(ids)
		c.mostActive(2)
	})
}

// TestGroupOwnerKilled kills nodes under a serialized group: order and limit hold.
func TestGroupOwnerKilled(t *testing.T) {
	for _, proof := range []bool{true, false} {
		t.Run(fmt.Sprint("proof ", proof), func(t *testing.T) {
			inTown(t, 3, 4, func(c *town) {
				c.slow()
				c.group(group.Spec{Name: "q", Behavior: group.Serialized})
				ids := c.queueUp(12, ofGroup("q"))
				for i := range 3 {
					settle(4 * time.Second)
					c.kill(fmt.Sprintf("n%d", i+1), proof)
					c.start(fmt.Sprintf("m%d", i+1))
				}
				if got := c.ends(ids); !slices.Equal(got, ids) {
					c.Errorf("ended in the order %v", got)
				}
				c.mostActive(1)
			})
		})
	}
}

// TestGroupManyMembers gives turns to many, on all nodes.
func TestGroupManyMembers(t *testing.T) {
	inTown(t, 1, 3, func(c *town) {
		c.group(group.Spec{Name: "q", Limit: 4})
		ids := c.queueUp(300, ofGroup("q"))
		for i, id := range ids {
			c.completed(c.any(i), id)
		}
		c.mostActive(4)
	})
}

// TestGroupLeft moves a transfer that waits for its turn to another group, and to
// none.
func TestGroupLeft(t *testing.T) {
	inTown(t, 9, 3, func(c *town) {
		c.slow()
		c.group(group.Spec{Name: "q", Behavior: group.Serialized})
		c.group(group.Spec{Name: "p", Behavior: group.Serialized})
		ids := c.queueUp(4, ofGroup("q"))
		settle(1500 * time.Millisecond)
		none, other := "", "p"
		c.command(c.any(0), ids[2], transfer.Update{Group: &none})
		c.command(c.any(1), ids[3], transfer.Update{Group: &other})
		settle(2 * time.Second)
		if got := c.running(ids); !slices.Equal(got, []string{ids[0], ids[2], ids[3]}) {
			c.Errorf("%v run", got)
		}
		// The one that runs leaves, and gives its turn to the next.
		c.command(c.any(2), ids[0], transfer.Update{Group: &none})
		settle(time.Second)
		if got := c.running(ids); !slices.Equal(got, ids) {
			c.Errorf("%v run", got)
		}
		for i, id := range ids {
			c.completed(c.any(i), id)
		}
	})
}
