package main

import (
	"fmt"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

// tally sums up many transfers.
type tally struct {
	expected, completed, failed int
	// bytes is the sum of all positions.
	bytes int64
	at    map[string]int64
	ended map[string]pb.Transfer_Status
}

func newTally(expected int) tally {
	return tally{expected: expected, at: map[string]int64{}, ended: map[string]pb.Transfer_Status{}}
}

// take notes the newest state of a transfer; the same state twice counts once.
func (s *tally) take(t *pb.Transfer) {
	id, status := t.GetId(), t.GetStatus()
	s.bytes += position(t) - s.at[id]
	s.at[id] = position(t)
	before, wasEnded := s.ended[id]
	if wasEnded && before == status {
		return
	}
	if wasEnded {
		s.count(before, -1)
		delete(s.ended, id)
	}
	if client.Terminal(status) {
		s.ended[id] = status
		s.count(status, 1)
	}
}

func (s *tally) count(status pb.Transfer_Status, n int) {
	if status == pb.Transfer_COMPLETED {
		s.completed += n
	} else {
		s.failed += n
	}
}

// String is "120/1000 files, 2 failed, 3.1 GiB".
func (s *tally) String() string {
	text := fmt.Sprintf("%d/%d files", s.completed, max(s.expected, len(s.at)))
	if s.failed > 0 {
		text += fmt.Sprintf(", %d failed", s.failed)
	}
	return text + ", " + humanBytes(s.bytes)
}
