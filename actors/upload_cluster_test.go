package actors_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/transfer"
	"godwit/transfer/group"
)

// inUploadTown is a cluster with a far side, and a source of some chunks.
func inUploadTown(t *testing.T, protocol transfer.Protocol, chunks, nodes int, test func(c *town, far *actorstest.Far)) {
	t.Helper()
	inTown(t, 1, 0, func(c *town) {
		far := c.farSide(protocol, chunks)
		far.Script = func(actorstest.FarCall) actorstest.FarFault { return actorstest.FarFault{Rate: chunk} }
		for i := range nodes {
			c.start(fmt.Sprintf("n%d", i+1))
		}
		test(c, far)
	})
}

// putAs gives each upload a URL of its own.
func putAs(id string) func(*transfer.Spec) {
	return func(s *transfer.Spec) { s.Destination = "https://far.example/" + id }
}

func (c *town) uploadMany(n int, change ...func(*transfer.Spec)) []string {
	c.Helper()
	var ids []string
	for i := range n {
		id := fmt.Sprintf("u%03d", i)
		c.create(c.any(i), outgoing(id, append(change, putAs(id))...), true)
		ids = append(ids, id)
	}
	return ids
}

// sentAll waits for all, and checks that each arrived whole and once; it returns
// how many bytes were sent for nothing.
func (c *town) sentAll(far *actorstest.Far, ids []string) int64 {
	c.Helper()
	want := c.objects.Result("/sources/a")
	for i, id := range ids {
		snap := c.await(c.any(i), id)
		if snap.State.Phase != transfer.PhaseCompleted {
			c.Fatalf("%s ended %s: %v", id, snap.State.Phase, snap.State.Err)
		}
		if got := far.Arrived("https://far.example/" + id); len(got) != 1 || !bytes.Equal(got[0], want) {
			c.Errorf("%s arrived %d times, or otherwise", id, len(got))
		}
		c.answer(c.any(i+1), id, 0, "taken")
	}
	return far.Read() - int64(len(ids)*len(want))
}

// TestUploadsOfAKilledNode go on elsewhere, where the far side is.
func TestUploadsOfAKilledNode(t *testing.T) {
	inUploadTown(t, transfer.ProtocolTus, 8, 3, func(c *town, far *actorstest.Far) {
		ids := c.uploadMany(12)
		settle(4500 * time.Millisecond)
		mine := c.owners(ids)["n2"]
		c.kill("n2", true)
		settle(time.Second)
		for i, id := range ids {
			if snap := c.want(c.any(i), id, transfer.PhaseRunning); snap.Node == "n2" || snap.State.Done() == 0 {
				c.Errorf("%s is on %s, %d bytes done", id, snap.Node, snap.State.Done())
			}
		}
		if extra := c.sentAll(far, ids); mine == 0 || extra > int64(mine)*chunk {
			c.Errorf("%d bytes were sent twice for %d uploads of a killed node", extra, mine)
		}
		if len(far.Sessions()) > 0 {
			c.Errorf("left %v", far.Sessions())
		}
	})
}

// TestUploadsOfALostNode wait until its lease has run out, even where the source
// is in a store that refuses stale owners: the far side does not.
func TestUploadsOfALostNode(t *testing.T) {
	inTown(t, 1, 0, func(c *town) {
		c.objects = actorstest.NewObjects(s3Limits())
		far := c.farSide(transfer.ProtocolPost, 12)
		far.Script = func(actorstest.FarCall) actorstest.FarFault { return actorstest.FarFault{Rate: chunk} }
		for i := range 3 {
			c.start(fmt.Sprintf("n%d", i+1))
		}
		ids := c.uploadMany(12, posting)
		settle(2500 * time.Millisecond)
		var lost []string
		for i, id := range ids {
			if c.get(c.any(i), id).Node == "n3" {
				lost = append(lost, id)
			}
		}
		c.kill("n3", false)
		settle(9 * time.Second)
		for i, id := range lost {
			if snap := c.get(c.any(i), id); snap.Node != "n3" || snap.State.Phase.Terminal() {
				c.Errorf("%s is on %s after 9 s: %s", id, snap.Node, snap.State.Phase)
			}
		}
		for i, id := range ids {
			snap := c.await(c.any(i), id)
			arrived := len(far.Arrived("https://far.example/" + id))
			completed := snap.State.Phase == transfer.PhaseCompleted
			if !completed {
				c.code(snap.State.Err, transfer.CodeMaybeDuplicate)
			}
			if arrived > 1 || completed && arrived != 1 {
				c.Errorf("%s is %s and arrived %d times", id, snap.State.Phase, arrived)
			}
		}
		if n := far.Count(actorstest.FarSend); n != 12 || len(lost) == 0 {
			c.Errorf("%d requests were made for 12 uploads, %d of them lost", n, len(lost))
		}
	})
}

// TestUploadsDrain drains a node under load: chunks come to their end, so nothing
// is sent twice.
func TestUploadsDrain(t *testing.T) {
	for name, test := range map[string]struct {
		protocol transfer.Protocol
		change   func(*transfer.Spec)
	}{"sessions": {transfer.ProtocolTus, func(*transfer.Spec) {}}, "parts": {transfer.ProtocolS3, presigned}} {
		t.Run(name, func(t *testing.T) {
			inUploadTown(t, test.protocol, 8, 3, func(c *town, far *actorstest.Far) {
				ids := c.uploadMany(12, test.change)
				settle(3500 * time.Millisecond)
				mine := c.owners(ids)["n1"]
				if _, err := c.any(1).Drain(c.Context(), "n1"); err != nil {
					c.Fatal(err)
				}
				if owners := c.owners(ids); owners["n1"] != 0 || mine == 0 {
					c.Errorf("owned by %v after a drain", owners)
				}
				if extra := c.sentAll(far, ids); extra != 0 {
					c.Errorf("%d bytes were sent twice", extra)
				}
			})
		})
	}
}

// TestPostsDrain lets requests that must not be made twice come to their end when
// there is time, and gives up those that need more.
func TestPostsDrain(t *testing.T) {
	for name, chunks := range map[string]int{"short": 4, "long": 20} {
		t.Run(name, func(t *testing.T) {
			inUploadTown(t, transfer.ProtocolPost, chunks, 3, func(c *town, far *actorstest.Far) {
				ids := c.uploadMany(12, posting)
				settle(2500 * time.Millisecond)
				mine := c.owners(ids)["n1"]
				if _, err := c.any(1).Drain(c.Context(), "n1"); err != nil {
					c.Fatal(err)
				}
				failed := 0
				for i, id := range ids {
					if snap := c.await(c.any(i), id); snap.State.Phase == transfer.PhaseFailed {
						c.code(snap.State.Err, transfer.CodeMaybeDuplicate)
						failed++
					}
				}
				if want := map[string]int{"short": 0, "long": mine}[name]; failed != want || mine == 0 {
					c.Errorf("%d failed, want %d", failed, want)
				}
				if n := far.Count(actorstest.FarSend); n != 12 {
					c.Errorf("%d requests were made", n)
				}
			})
		})
	}
}

// TestUploadsInAGroup go one after another, mixed with downloads, and are counted
// by a completion group.
func TestUploadsInAGroup(t *testing.T) {
	r := &receiver{}
	inTown(t, 3, 0, func(c *town) {
		far := c.farSide(transfer.ProtocolTus, 3)
		far.Script = func(actorstest.FarCall) actorstest.FarFault { return actorstest.FarFault{Rate: chunk} }
		config := c.config
		c.config = func(cfg *actors.Config) {
			config(cfg)
			cfg.Outlets = r.outlets()
		}
		for i := range 3 {
			c.start(fmt.Sprintf("n%d", i+1))
		}
		c.slow()
		c.group(group.Spec{Name: "photos", Behavior: group.Serialized})
		c.completion("all")
		c.create(c.any(0), c.spec("down", ofGroup("photos"), inGroup("all")), true)
		ids := c.uploadMany(4, ofGroup("photos"), inGroup("all"))
		c.enable("all")
		for range 6 {
			settle(1300 * time.Millisecond)
			if n := len(c.running(append(ids, "down"))); n != 1 {
				c.Errorf("%d run at a time", n)
			}
		}
		if extra := c.sentAll(far, ids); extra != 0 {
			c.Errorf("%d bytes were sent twice", extra)
		}
		c.completed(c.any(0), "down")
		settle(5 * time.Second)
		if told := r.last(); told.Total != 5 || told.Completed != 5 {
			c.Errorf("told %+v", told)
		}
	})
}
