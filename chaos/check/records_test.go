package check

import (
	"math/rand/v2"
	"testing"
	"time"

	"godwit/chaos/history"
)

// forged makes the writes of one transfer out of short words: what happened,
// the versions, epoch, incarnation and phase.
type forged struct {
	op       string
	old, new string
	epoch    uint64
	by       string
	phase    string
	outcome  history.Outcome
	sequence uint64
}

func forge(rows []forged) []*history.Event {
	var writes []*history.Event
	for i, f := range rows {
		if f.outcome == "" {
			f.outcome = history.OK
		}
		if f.sequence == 0 && f.epoch > 0 && f.op != "delete" {
			f.sequence = uint64(i + 1)
		}
		writes = append(writes, &history.Event{At: time.Duration(i), Node: f.by, Write: &history.Write{
			Attempt: version(i), Op: f.op, Key: "shards/001/t/x", Old: f.old, New: f.new,
			Outcome: f.outcome, Epoch: f.epoch, Owner: "n", Incarnation: f.by, Phase: f.phase, Sequence: f.sequence,
		}})
	}
	return writes
}

func TestCheckWrites(t *testing.T) {
	made := forged{op: "create", new: "v1", epoch: 1, by: "A", phase: "QUEUED"}
	for _, tc := range []struct {
		name string
		rows []forged
		want []rule
	}{
		{"one owner to the end", []forged{
			made,
			{op: "cas", old: "v1", new: "v2", epoch: 1, by: "A", phase: "RUNNING"},
			{op: "cas", old: "v2", new: "v3", epoch: 1, by: "A", phase: "COMPLETED"},
			{op: "cas", old: "v3", new: "v4", epoch: 1, by: "A", phase: "COMPLETED"},
		}, nil},
		{"a takeover, and the loser's last try", []forged{
			made,
			{op: "cas", old: "v1", new: "v2", epoch: 2, by: "B", phase: "RUNNING"},
			{op: "cas", old: "v1", epoch: 1, by: "A", phase: "RUNNING", outcome: history.Lost},
			{op: "cas", old: "v2", new: "v3", epoch: 3, by: "A", phase: "RUNNING", sequence: 3},
		}, nil},
		{"a lost reply", []forged{
			made,
			{op: "cas", old: "v1", epoch: 1, by: "A", phase: "RUNNING", outcome: history.Unknown},
			{op: "cas", old: "v2", new: "v3", epoch: 1, by: "A", phase: "COMPLETED"},
		}, nil},
		{"killed in two writes in a row", []forged{
			made,
			{op: "cas", old: "v1", epoch: 2, by: "B", phase: "RUNNING", outcome: history.Begun},
			{op: "cas", old: "v2", epoch: 3, by: "C", phase: "RUNNING", outcome: history.Begun},
			{op: "cas", old: "v3", new: "v4", epoch: 4, by: "A", phase: "RUNNING"},
		}, nil},
		{"killed in two claims of one version", []forged{
			made,
			{op: "cas", old: "v1", epoch: 1, by: "A", phase: "PAUSED", outcome: history.Begun, sequence: 2},
			{op: "cas", old: "v1", epoch: 2, by: "B", phase: "RUNNING", outcome: history.Begun, sequence: 2},
			{op: "cas", old: "v2", new: "v3", epoch: 3, by: "C", phase: "RUNNING", sequence: 3},
		}, nil},
		{"killed three times in records that count nothing", []forged{
			{op: "create", new: "v1"},
			{op: "cas", old: "v1", outcome: history.Begun},
			{op: "cas", old: "z2", new: "v3"},
			{op: "cas", old: "v3", outcome: history.Begun},
			{op: "cas", old: "y4", new: "v5"},
			{op: "cas", old: "v5", outcome: history.Begun},
			{op: "cas", old: "x6", new: "v7"},
		}, nil},
		{"killed while creating", []forged{
			{op: "create", epoch: 1, by: "A", phase: "QUEUED", outcome: history.Begun},
			{op: "cas", old: "v1", new: "v2", epoch: 2, by: "B", phase: "RUNNING"},
		}, nil},
		{"a write that never happened", []forged{
			made,
			{op: "cas", old: "v1", epoch: 9, by: "Z", phase: "CANCELED", outcome: history.Unknown},
			{op: "cas", old: "v1", new: "v2", epoch: 1, by: "A", phase: "RUNNING", sequence: 2},
		}, nil},
		{"removed and made again", []forged{
			made,
			{op: "delete", old: "v1", epoch: 0},
			{op: "create", new: "v2", epoch: 1, by: "B", phase: "QUEUED"},
		}, nil},
		{"removed, the reply lost, and made again", []forged{
			made,
			{op: "delete", old: "v1", outcome: history.Unknown},
			{op: "create", new: "v2", epoch: 1, by: "B", phase: "QUEUED"},
		}, nil},
		{"a failed one is tried again", []forged{
			made,
			{op: "cas", old: "v1", new: "v2", epoch: 1, by: "A", phase: "FAILED"},
			{op: "cas", old: "v2", new: "v3", epoch: 1, by: "A", phase: "QUEUED"},
		}, nil},
		{"clocks disagree", []forged{
			{op: "cas", old: "v1", new: "v2", epoch: 2, by: "B", phase: "RUNNING", sequence: 2},
			{op: "create", new: "v1", epoch: 1, by: "A", phase: "QUEUED", sequence: 1},
		}, nil},

		{"a version replaced twice", []forged{
			made,
			{op: "cas", old: "v1", new: "v2", epoch: 1, by: "A"},
			{op: "cas", old: "v1", new: "w2", epoch: 1, by: "A"},
		}, []rule{ruleChain}},
		{"created twice", []forged{
			made,
			{op: "create", new: "w1", epoch: 1, by: "B"},
		}, []rule{ruleCreate}},
		{"a version out of nowhere", []forged{
			made,
			{op: "cas", old: "w1", new: "w2", epoch: 1, by: "A"},
		}, []rule{ruleChain}},
		{"an unknown write cannot explain what came later", []forged{
			made,
			{op: "cas", old: "v1", epoch: 1, by: "A", outcome: history.Unknown, sequence: 2},
			{op: "cas", old: "w7", new: "w8", epoch: 1, by: "A", sequence: 8},
		}, []rule{ruleChain}},
		{"a refused write explains nothing", []forged{
			made,
			{op: "cas", old: "v1", epoch: 1, by: "A", outcome: history.Error},
			{op: "cas", old: "v2", new: "v3", epoch: 1, by: "A"},
		}, []rule{ruleChain}},
		{"an epoch falls", []forged{
			made,
			{op: "cas", old: "v1", new: "v2", epoch: 3, by: "A"},
			{op: "cas", old: "v2", new: "v3", epoch: 2, by: "A"},
		}, []rule{ruleEpoch}},
		{"a fenced owner writes", []forged{
			made,
			{op: "cas", old: "v1", new: "v2", epoch: 2, by: "B"},
			{op: "cas", old: "v2", new: "v3", epoch: 1, by: "A"},
		}, []rule{ruleFenced}},
		{"a fenced owner's write with a lost reply", []forged{
			made,
			{op: "cas", old: "v1", new: "v2", epoch: 2, by: "B"},
			{op: "cas", old: "v2", epoch: 1, by: "A", outcome: history.Unknown},
			{op: "cas", old: "v3", new: "v4", epoch: 2, by: "B"},
		}, []rule{ruleFenced}},
		{"two owners in one epoch", []forged{
			made,
			{op: "cas", old: "v1", new: "v2", epoch: 1, by: "B"},
		}, []rule{ruleOwner}},
		{"completed and running again", []forged{
			{op: "create", new: "v1", epoch: 1, by: "A", phase: "COMPLETED"},
			{op: "cas", old: "v1", new: "v2", epoch: 2, by: "B", phase: "RUNNING"},
		}, []rule{ruleTerminal}},
		{"canceled and completed", []forged{
			{op: "create", new: "v1", epoch: 1, by: "A", phase: "CANCELED"},
			{op: "cas", old: "v1", new: "v2", epoch: 1, by: "A", phase: "COMPLETED"},
		}, []rule{ruleTerminal}},
		{"failed and completed at once", []forged{
			{op: "create", new: "v1", epoch: 1, by: "A", phase: "FAILED"},
			{op: "cas", old: "v1", new: "v2", epoch: 1, by: "A", phase: "COMPLETED"},
		}, []rule{ruleTerminal}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found := checkWrites(forge(tc.rows), false)
			var got []rule
			for _, v := range found {
				got = append(got, v.rule)
			}
			if len(got) != len(tc.want) || len(got) == 1 && got[0] != tc.want[0] {
				t.Errorf("%v, want %v", found, tc.want)
			}
		})
	}
}

// TestCheckWritesNeedsNoOrder shuffles a good history, whose chain is told by
// its versions, and breaks it in one place.
func TestCheckWritesNeedsNoOrder(t *testing.T) {
	rows := []forged{{op: "create", new: version(0), epoch: 1, by: "A"}}
	for i := range 200 {
		f := forged{op: "cas", old: version(i), new: version(i + 1), epoch: uint64(i/10 + 1), by: string(rune('A' + i/10))}
		if i%7 == 3 {
			f.new, f.outcome = "", history.Unknown
		}
		rows = append(rows, f)
	}
	writes := forge(rows)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		random.Shuffle(len(writes), func(i, j int) {
			writes[i], writes[j] = writes[j], writes[i]
			writes[i].At, writes[j].At = writes[j].At, writes[i].At
		})
		if found := checkWrites(writes, false); len(found) > 0 {
			t.Fatal(found)
		}
	}
	for i := range writes {
		if writes[i].Write.Old == version(100) {
			writes[i].Write.Outcome = history.Error
		}
	}
	if found := checkWrites(writes, false); len(found) != 1 || found[0].rule != ruleChain {
		t.Errorf("%v", found)
	}
}

func version(i int) string {
	return "v" + string(rune('0'+i/100)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10))
}
