package actors

import (
	"cmp"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

type countKey struct {
	status    string
	direction transfer.Direction
}

// entry returns what is known of a transfer, nil if nothing is.
func (m *manager) entry(id string) *entry {
	if run := m.shards[shardOf(id)]; run != nil {
		return run.entries[id]
	}
	return nil
}

// otherWriter is the live transfer that writes where this one would.
func (m *manager) otherWriter(e *entry) (id string, busy bool) {
	id, busy = m.writers[e.dest]
	return id, busy && id != e.id
}

func (m *manager) onEntryChanged(msg *entryChanged) {
	e := msg.entry
	run := m.shards[shardOf(e.id)]
	if run == nil {
		return // of a shard that was fenced
	}
	if old := run.entries[e.id]; old != nil {
		m.forgetEntry(old)
	}
	run.entries[e.id] = &e
	if !e.terminal() && e.dest != "" {
		m.writers[e.dest] = e.id
	}
	if e.status == string(transfer.PhaseRunning) {
		m.running[e.id] = struct{}{}
	}
	m.count(&e, 1)
}

func (m *manager) onEntryGone(msg *entryGone) {
	m.freeDestination(&msg.entry)
	if run := m.shards[shardOf(msg.entry.id)]; run != nil && run.entries[msg.entry.id] != nil {
		m.forgetEntry(run.entries[msg.entry.id])
		delete(run.entries, msg.entry.id)
	}
}

// forgetEntry takes back what follows from an entry.
func (m *manager) forgetEntry(e *entry) {
	m.freeDestination(e)
	delete(m.running, e.id)
	m.count(e, -1)
}

func (m *manager) freeDestination(e *entry) {
	if m.writers[e.dest] == e.id {
		delete(m.writers, e.dest)
	}
}

// forgetEntries forgets the transfers of a shard that was given away.
func (m *manager) forgetEntries(run *shardRun) {
	for _, e := range run.entries {
		m.forgetEntry(e)
	}
}

func (m *manager) count(e *entry, by int) {
	k := countKey{e.status, e.direction}
	m.counts[k] += by
	m.cfg.Meter.Transfers(k.status, string(k.direction), m.counts[k])
}

// onList answers with the transfers that this node knows, and which shards
// these are of: a list without the others would be taken for all there is.
func (m *manager) onList(ctx actor.Context, msg *listRequest) {
	out := &listResult{entries: m.list(&msg.query), shards: newShardSet()}
	for n, run := range m.shards {
		if run.state >= shardReady {
			out.shards.add(n)
		}
	}
	ctx.Respond(out)
}

// list returns up to Limit+1 entries in order of creation, so that the caller
// sees whether there is another page.
func (m *manager) list(q *Query) []entry {
	var out []entry
	for _, run := range m.shards {
		if run.state < shardReady {
			continue
		}
		for _, e := range run.entries {
			if e.matches(q) {
				out = append(out, *e)
			}
		}
	}
	slices.SortFunc(out, func(a, b entry) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.id, b.id))
	})
	return out[:min(len(out), q.Limit+1)]
}

func (e *entry) matches(q *Query) bool {
	if len(q.Statuses) > 0 && !slices.Contains(q.Statuses, e.status) {
		return false
	}
	if q.Direction != "" && q.Direction != e.direction {
		return false
	}
	if q.Group != "" && q.Group != e.group || q.CompletionGroup != "" && q.CompletionGroup != e.completion || q.Unacknowledged && e.acknowledged {
		return false
	}
	after := cmp.Or(e.created.Compare(q.After.Created), cmp.Compare(e.id, q.After.ID))
	return q.After == (Cursor{}) || after > 0
}

// shardSet is a set of shards, a bit each.
type shardSet []byte

func newShardSet() shardSet { return make(shardSet, Shards/8) }

func (s shardSet) add(n int) { s[n/8] |= 1 << (n % 8) }

// merge adds the shards of another set; one of another length is of another
// cluster and adds nothing.
func (s shardSet) merge(other []byte) {
	if len(other) != len(s) {
		return
	}
	for i, b := range other {
		s[i] |= b
	}
}

// all tells that no shard is missing.
func (s shardSet) all() bool {
	for _, b := range s {
		if b != 0xff {
			return false
		}
	}
	return true
}
