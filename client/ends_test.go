package client

import (
	"strconv"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "godwit/protos/godwit/v1"
)

func ended(id string, status pb.Transfer_Status, second int64) *pb.Transfer {
	return &pb.Transfer{Id: id, Status: status, FinishTime: &timestamppb.Timestamp{Seconds: second}}
}

func TestEndsTellNewFromOld(t *testing.T) {
	var e ends
	for i, step := range []struct {
		t    *pb.Transfer
		news bool
	}{
		{ended("a", pb.Transfer_FAILED, 1), true},
		{ended("a", pb.Transfer_FAILED, 1), false},
		{ended("b", pb.Transfer_FAILED, 1), true},
		{ended("a", pb.Transfer_FAILED, 2), true},
		{ended("a", pb.Transfer_COMPLETED, 2), true},
		{&pb.Transfer{Id: "c", Status: pb.Transfer_COMPLETED}, true},
		{&pb.Transfer{Id: "c", Status: pb.Transfer_COMPLETED}, false},
	} {
		if got := e.add(step.t); got != step.news {
			t.Errorf("step %d: news %v", i, got)
		}
	}
	e.remove("b")
	if !e.add(ended("b", pb.Transfer_FAILED, 1)) {
		t.Error("a transfer that went on ended as before, and that is no news")
	}
}

func TestEndsAreBounded(t *testing.T) {
	var e ends
	for i := range 3 * maxEnds {
		e.add(ended(strconv.Itoa(i), pb.Transfer_COMPLETED, 1))
		if i >= maxEnds-1 && e.add(ended(strconv.Itoa(i-maxEnds+1), pb.Transfer_COMPLETED, 1)) {
			t.Fatalf("%d was forgotten after %d others", i-maxEnds+1, maxEnds-1)
		}
	}
	if n := len(e.young) + len(e.old); n > 2*maxEnds {
		t.Errorf("%d are remembered", n)
	}
}
