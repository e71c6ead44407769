package client

import (
	"time"

	pb "godwit/protos/godwit/v1"
)

// maxEnds is how many ended transfers a watch remembers at least. One that has
// ended before more than twice as many others may be yielded again after a
// break, by a watch of everything.
const maxEnds = 50_000

// end tells one way that a transfer ended from another.
type end struct {
	status pb.Transfer_Status
	at     time.Time
}

// ends remembers how transfers ended, the latest ones. The zero value is empty.
type ends struct{ young, old map[string]end }

// add notes how a terminal transfer ended and tells whether that is new.
func (e *ends) add(t *pb.Transfer) bool {
	id, now := t.GetId(), end{status: t.GetStatus()}
	if t.GetFinishTime() != nil {
		now.at = t.GetFinishTime().AsTime()
	}
	before, known := e.young[id]
	if !known {
		before, known = e.old[id]
	}
	if known && before == now {
		return false
	}
	if e.young == nil || len(e.young) >= maxEnds {
		e.young, e.old = make(map[string]end), e.young
	}
	e.young[id] = now
	return true
}

// remove forgets a transfer, because it goes on.
func (e *ends) remove(id string) {
	delete(e.young, id)
	delete(e.old, id)
}
