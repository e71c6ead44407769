package main

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	pb "godwit/protos/godwit/v1"
)

// slowDrain loses a shard with each second, and does not answer now and then.
type slowDrain struct {
	began  time.Time
	shards int
	asked  int
}

func (s *slowDrain) Node(context.Context, string) (*pb.Node, error) {
	s.asked++
	if s.asked == 3 {
		return nil, errors.New("no answer")
	}
	n := &pb.Node{Name: "n1", State: pb.Node_ALIVE, Shards: int32(s.shards), Transfers: &pb.NodeTransfers{Running: 1}}
	if !s.began.IsZero() {
		n.State = pb.Node_DRAINING
		n.Shards -= int32(time.Since(s.began) / time.Second)
	}
	return n, nil
}

func (s *slowDrain) Drain(ctx context.Context, name string) (*pb.Node, error) {
	s.began = time.Now()
	select {
	case <-time.After(time.Duration(s.shards) * time.Second):
		return &pb.Node{Name: name, State: pb.Node_DRAINING}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func TestDrainSaysWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		n, begun, err := followDrain(t.Context(), &slowDrain{shards: 17}, "n1", &said)
		if err != nil || !begun || n.GetState() != pb.Node_DRAINING {
			t.Errorf("%v, begun %v, %v", n, begun, err)
		}
		want := "n1: draining, it has 17 shards, 1 running, 0 queued\n" +
			"n1: DRAINING, 12 shards, 1 running, 0 queued left\n" +
			"n1: DRAINING, 2 shards, 1 running, 0 queued left\n"
		if said.String() != want {
			t.Errorf("said\n%s, want\n%s", said.String(), want)
		}
	})
}

func TestDrainEndsItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTimedOut)
		defer cancel()
		_, begun, err := followDrain(ctx, &slowDrain{shards: 17}, "n1", new(bytes.Buffer))
		if !begun || !errors.Is(err, errTimedOut) || !unfinished(err) {
			t.Errorf("begun %v, %v", begun, err)
		}
		// One that cannot even be asked for is not drained.
		_, begun, err = followDrain(ctx, &slowDrain{shards: 17, asked: 2}, "n1", new(bytes.Buffer))
		if begun || err == nil {
			t.Errorf("begun %v, %v", begun, err)
		}
	})
}

func TestStatesHaveColours(t *testing.T) {
	for text, want := range map[string]string{
		"ALIVE  ": green("ALIVE  "), "ALIVE,cordoned": yellow("ALIVE,cordoned"), "DRAINING": yellow("DRAINING"),
		"SUSPECT": yellow("SUSPECT"), "DEAD": red("DEAD"), "DEAD,cordoned": red("DEAD,cordoned"),
	} {
		if got := paintState(statusColumn, text); got != want {
			t.Errorf("%q is painted %q", text, got)
		}
		if got := paintState(0, text); got != text {
			t.Errorf("a name is painted %q", got)
		}
	}
}
