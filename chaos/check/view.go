package check

import (
	"slices"
	"strings"
	"time"

	"godwit/chaos/history"
)

// view is a history with what many promises need of it.
type view struct {
	*history.History
	// keys are those of all records, sorted; lives are what became of each.
	keys  []string
	lives map[string][]life
	// breaches are those of the writes as nodes saw them, stored those of the
	// writes as the store saw them, of which there are so many.
	breaches, stored []breach
	storeWrites      int
	// restores are the faults that put the store back.
	restores []*history.Event
	// tenures are who owned each record, in their order.
	tenures map[string][]tenure
}

func newView(h *history.History) *view {
	v := &view{History: h, lives: map[string][]life{}, tenures: map[string][]tenure{}}
	for _, e := range h.Faults {
		if e.Fault.Is(history.FaultRestore) {
			v.restores = append(v.restores, e)
		}
	}
	for i, part := range v.parts(h.Writes) {
		keys, of := byKey(part)
		v.keys = append(v.keys, keys...)
		for _, key := range keys {
			found, lives := checkKey(key, of[key], i > 0)
			v.breaches = append(v.breaches, found...)
			v.lives[key] = append(v.lives[key], lives...)
		}
	}
	slices.Sort(v.keys)
	v.keys = slices.Compact(v.keys)
	for _, key := range v.keys {
		for _, l := range v.lives[key] {
			v.tenures[key] = append(v.tenures[key], tenuresOf(key, l)...)
		}
	}
	writes := storeWrites(h.Stores)
	v.storeWrites = len(writes)
	for i, part := range v.parts(writes) {
		v.stored = append(v.stored, checkWrites(part, i > 0)...)
	}
	return v
}

// parts cuts writes where the store was put back to what it was before. What was
// written meanwhile is in none of them: it came before or after.
func (v *view) parts(writes []*history.Event) [][]*history.Event {
	parts := make([][]*history.Event, len(v.restores)+1)
	for _, e := range writes {
		part, meanwhile := 0, false
		for _, r := range v.restores {
			if e.At >= r.Until() {
				part++
			} else if e.Until() > r.At {
				meanwhile = true
			}
		}
		if !meanwhile {
			parts[part] = append(parts[part], e)
		}
	}
	return parts
}

// storeWrites are the writes to records as the store saw them. What it has
// answered has one outcome, whatever the node was told.
func storeWrites(stores []*history.Event) []*history.Event {
	var all []*history.Event
	for _, e := range stores {
		s := e.Store
		if !s.Record || s.Op != "put" && s.Op != "delete" || !ours(s.Key) || s.Status == 0 && s.Fault != "" {
			continue
		}
		w := &history.Write{
			Op: "cas", Key: s.Key, Old: strings.Trim(s.IfMatch, `"`), New: strings.Trim(s.ETag, `"`), Outcome: history.Unknown,
			Epoch: s.Epoch, Sequence: s.Sequence, Owner: s.Owner, Incarnation: s.Incarnation,
		}
		switch {
		case s.Op == "delete":
			w.Op, w.New = "delete", absent
		case s.IfNoneMatch != "":
			w.Op = "create"
		}
		switch {
		case s.Status/100 == 2 && s.Op == "delete":
			w.Outcome = history.Unknown // the same is answered when there was nothing
		case s.Status/100 == 2:
			w.Outcome = history.OK
		case s.Status != 0:
			w.Outcome = history.Error
		}
		all = append(all, &history.Event{At: e.At, End: e.End, Node: e.Node, Life: e.Life, Write: w})
	}
	return all
}

// ours tells whether a key is that of a record, and not of a trial that a node
// puts a store to.
func ours(key string) bool {
	return key == "cluster" || strings.HasPrefix(key, "nodes/") || strings.HasPrefix(key, "shards/")
}

// tenure is a time in which one life of a node owned a record.
type tenure struct {
	key, node, incarnation string
	epoch                  uint64
	// claim is the write that began it, next the one of whoever came after, nil
	// for nobody. released tells that it was given up, phase is what its last
	// write said.
	claim, next *history.Event
	released    bool
	phase       string
}

// since is when it had begun for certain.
func (t *tenure) since() time.Duration { return t.claim.Until() }

// tenuresOf are those of a record's life.
func tenuresOf(key string, l life) []tenure {
	var all []tenure
	for _, e := range l {
		w := e.Write
		if w.Epoch == 0 {
			continue
		}
		if n := len(all); n == 0 || all[n-1].epoch != w.Epoch || all[n-1].incarnation != w.Incarnation {
			if n > 0 {
				all[n-1].next = e
			}
			all = append(all, tenure{key: key, node: w.Owner, incarnation: w.Incarnation, epoch: w.Epoch, claim: e})
		}
		all[len(all)-1].released, all[len(all)-1].phase = w.Released, w.Phase
	}
	return all
}

// owner is who owned a record for certain at a moment, nil for nobody.
func (v *view) owner(key string, at time.Duration) *tenure {
	all := v.tenures[key]
	for i := range slices.Backward(all) {
		if t := &all[i]; t.since() <= at {
			if t.next != nil && t.next.At <= at {
				return nil // somebody was about to take it
			}
			return t
		}
	}
	return nil
}

// idOf is what a key ends with: the id of a transfer, group or task.
func idOf(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }

// kindOf is the folder of a record in its shard: "t" for transfers, "g" for
// completion groups, "k" for tasks, "" for other records.
func kindOf(key string) string {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[0] != "shards" {
		return ""
	}
	return parts[2]
}

// transferKeys are the keys of the records of transfers, by id.
func (v *view) transferKeys() map[string]string {
	all := map[string]string{}
	for _, key := range v.keys {
		if kindOf(key) == "t" {
			all[idOf(key)] = key
		}
	}
	return all
}

// terminal tells that a transfer, by its phase or status, has ended.
func terminal(phase string) bool {
	switch phase {
	case "COMPLETED", "FAILED", "CANCELED":
		return true
	}
	return false
}
