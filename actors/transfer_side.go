package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
)

// What an event of one transfer means beyond it: for the meter, and for other
// transfers from the same host.

// maxHold is how long one answer may keep all transfers from a host.
const maxHold = 5 * time.Minute

// holdHost has the other transfers leave a host alone that asked for it.
func (t *transferActor) holdHost(ctx actor.Context, ev transfer.Event) {
	var err *transfer.Error
	switch ev := ev.(type) {
	case transfer.OpenFailed:
		err = ev.Err
	case transfer.FetchFailed:
		err = ev.Err
	case transfer.SendFailed:
		err = ev.Err
	}
	if err != nil && err.RetryAfter > 0 {
		until := time.Now().Add(min(err.RetryAfter, maxHold))
		ctx.Send(t.slots, &hostBusy{host: hostOf(t.state.SourceURL()), until: until})
	}
}

// takeover is why a transfer was taken from another incarnation.
type takeover string

const (
	// afterRestart: it was this node's own before.
	afterRestart takeover = "restart"
	// afterRelease: its owner gave it away.
	afterRelease takeover = "release"
	// afterDeath: its owner is gone.
	afterDeath takeover = "death"
)

func takeoverFrom(owner *recordpb.Owner, node string) takeover {
	switch {
	case owner.GetNode() == node:
		return afterRestart
	case owner.GetReleased():
		return afterRelease
	}
	return afterDeath
}

// runs tells that the far side has answered.
func runs(ev transfer.Event) bool {
	switch ev.(type) {
	case transfer.Opened, transfer.SessionOpened, transfer.SessionFound, transfer.Confirmed, transfer.PartSent, transfer.Answered:
		return true
	}
	return false
}

// countTakeover measures how long a claimed transfer took to run again: from
// the start of this node, or from when it was given the shard.
func (t *transferActor) countTakeover(ev transfer.Event) {
	if t.claimed != "" && runs(ev) {
		since := t.gained
		if t.claimed == afterRestart {
			since = t.started
		}
		t.cfg.Meter.Takeover(string(t.claimed), time.Since(since))
		t.claimed = ""
	}
}
