package chaos

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"

	"godwit/chaos/proxy"
	"godwit/endpoint/endpointtest"
)

// storeNemeses strike calls of the store, those of records and of results.
var storeNemeses = []Nemesis{
	{Kind: "store.unavailable", About: "a storm of 503 SlowDown or 500, for half of all calls or all", Covers: []string{"ST1"}, Needs: needObjects, Weight: 5, Strike: strikeStore(func(dice *mathrand.Rand) proxy.Rule {
		return proxy.Rule{Do: proxy.Refuse, Status: []int{503, 500, 429}[dice.IntN(3)], Chance: []float64{0.1, 0.5, 0}[dice.IntN(3)]}
	})},
	{Kind: "store.before", About: "connections end before anything is done", Covers: []string{"ST2"}, Needs: needObjects, Weight: 5, Strike: strikeStore(func(dice *mathrand.Rand) proxy.Rule {
		return proxy.Rule{Do: proxy.Drop, Chance: 0.05 + 0.4*dice.Float64()}
	})},
	{Kind: "store.lost", About: "what is asked for is done, and the answer is lost", Covers: []string{"ST3", "M13"}, Needs: needObjects, Weight: 9, Strike: strikeStore(func(dice *mathrand.Rand) proxy.Rule {
		return proxy.Rule{Do: proxy.Lose, Chance: 0.05 + 0.4*dice.Float64()}
	})},
	{Kind: "store.after", About: "what is asked for is done, and told as a 500", Covers: []string{"ST3"}, Needs: needObjects, Weight: 4, Strike: strikeStore(func(dice *mathrand.Rand) proxy.Rule {
		return proxy.Rule{Do: proxy.Refuse, After: true, Status: 500, Chance: 0.05 + 0.4*dice.Float64()}
	})},
	{Kind: "store.hang", About: "calls are not answered, done or not", Covers: []string{"ST2"}, Needs: needObjects, Weight: 4, Strike: strikeStore(func(dice *mathrand.Rand) proxy.Rule {
		return proxy.Rule{Do: proxy.Hang, After: dice.IntN(2) == 0, Chance: 0.05 + 0.2*dice.Float64()}
	})},
	{Kind: "store.conflict", About: "conditional writes are answered with 409", Covers: []string{"ST5"}, Needs: needState, Weight: 4, Strike: strikeStore(func(dice *mathrand.Rand) proxy.Rule {
		return proxy.Rule{Ops: []string{"put"}, Scope: proxy.State, Do: proxy.Refuse, Status: 409, Chance: 0.1 + 0.4*dice.Float64()}
	})},
	{Kind: "store.lostrace", About: "conditional writes are answered with 412 although nobody else wrote", Covers: []string{"ST4"}, Needs: needState, Weight: 2, Strike: strikeStore(func(dice *mathrand.Rand) proxy.Rule {
		return proxy.Rule{Ops: []string{"put"}, Scope: proxy.State, Do: proxy.Refuse, Status: 412, Chance: 0.02 + 0.1*dice.Float64()}
	})},
	{Kind: "store.duplicate", About: "writes of records arrive again after later ones", Covers: []string{"ST7", "M13"}, Needs: needState, Weight: 4, Strike: strikeStore(func(dice *mathrand.Rand) proxy.Rule {
		return proxy.Rule{Ops: []string{"put"}, Scope: proxy.State, Do: proxy.Duplicate, Chance: 0.1 + 0.4*dice.Float64()}
	})},
	{Kind: "store.expire", About: "uploads are gone when their next part or their end comes", Covers: []string{"ST8"}, Needs: needObjects, Weight: 3, Strike: strikeStore(func(*mathrand.Rand) proxy.Rule {
		return proxy.Rule{Ops: []string{"upload.part", "upload.complete"}, Scope: proxy.Data, Do: proxy.Expire, Chance: 0.1, Limit: 3}
	})},
	{Kind: "store.complete", About: "a publication is answered with 200 and an error in the body, done or not", Covers: []string{"ST10"}, Needs: needObjects, Weight: 4, Strike: strikeStore(func(dice *mathrand.Rand) proxy.Rule {
		return proxy.Rule{Ops: []string{"upload.complete"}, Do: proxy.Refuse, Status: 200, After: dice.IntN(2) == 0, Chance: 0.5}
	})},
	{Kind: "store.truncate", About: "answers end in the middle of their body", Covers: []string{"ST12"}, Needs: needObjects, Weight: 3, Strike: strikeStore(func(dice *mathrand.Rand) proxy.Rule {
		return proxy.Rule{Do: proxy.Truncate, Chance: 0.05 + 0.3*dice.Float64()}
	})},
	{Kind: "store.slow", About: "calls take 0.2 s to 2 s longer", Covers: []string{"ST10", "M6"}, Needs: needObjects, Weight: 4, Strike: strikeStore(func(dice *mathrand.Rand) proxy.Rule {
		return proxy.Rule{Delay: seconds(dice, 0.2, 2)}
	})},
}

func strikeStore(decide func(*mathrand.Rand) proxy.Rule) func(*mix, *mathrand.Rand) *strike {
	return func(m *mix, dice *mathrand.Rand) *strike {
		rule, hold := decide(dice), m.lasts(dice, 2, 12)
		if !m.room() {
			return nil
		}
		var undo func()
		return &strike{
			hold: hold, detail: fmt.Sprintf("status %d, chance %.2f, for %.1f s", rule.Status, rule.Chance, hold.Seconds()),
			afresh: rule.Do == proxy.Expire,
			begin:  func(context.Context) error { undo = m.disturb(rule); return nil },
			heal:   func(context.Context) error { undo(); return nil },
		}
	}
}

// sideNemeses strike origins, the far side of uploads, and receivers.
var sideNemeses = []Nemesis{
	{Side: true, Kind: "origin.reset", About: "the origin ends connections in the middle of bodies", Covers: []string{"O1", "O14"}, Weight: 4, Strike: strikeOrigin(originReset)},
	{Side: true, Kind: "origin.change", About: "the content changes in the middle of a body, and its ETag", Covers: []string{"O2", "O4"}, Weight: 3, Strike: strikeOrigin(originChange)},
	{Side: true, Kind: "origin.whole", About: "the origin ignores Range", Covers: []string{"O5"}, Weight: 2, Strike: strikeOrigin(originWhole)},
	{Side: true, Kind: "origin.busy", About: "the origin answers 503 with Retry-After", Covers: []string{"O16"}, Weight: 3, Strike: strikeOrigin(originBusy)},
	{Side: true, Kind: "origin.wrong", About: "the origin sends another range than it was asked for", Covers: []string{"O6"}, Weight: 2, Strike: strikeOrigin(originWrong)},
	{Side: true, Kind: "origin.stall", About: "the origin stops in the middle of bodies", Covers: []string{"O15", "M7"}, Weight: 2, Strike: strikeOrigin(originStall)},
	{Side: true, Kind: "far.cut", About: "the far side of uploads resets connections, or takes everything and resets them", Covers: []string{"U1"}, Weight: 3, Strike: strikeFar},
	{Side: true, Kind: "receiver.refused", About: "webhooks are answered with 503", Covers: []string{"G6"}, Weight: 3, Strike: strikeHooks(string(refused))},
	{Side: true, Kind: "receiver.dropped", About: "webhooks are taken, and the connection is closed without an answer", Covers: []string{"G7"}, Weight: 3, Strike: strikeHooks(string(dropped))},
	{Side: true, Kind: "receiver.slow", About: "webhooks are taken, and answered late", Covers: []string{"G6"}, Weight: 2, Strike: strikeHooks("slow")},
}

func strikeOrigin(f originFault) func(*mix, *mathrand.Rand) *strike {
	return func(m *mix, dice *mathrand.Rand) *strike {
		every, hold := 1+dice.IntN(3), m.lasts(dice, 2, 8)
		m.mu.Lock()
		busy := m.originBusy
		if !busy {
			m.originBusy = true
		}
		m.mu.Unlock()
		if busy {
			return nil
		}
		var hits []string
		return &strike{
			side: true, hold: hold, detail: fmt.Sprintf("one of %d answers for %.1f s", every, hold.Seconds()),
			afresh: once[f],
			begin:  func(context.Context) error { m.origin.set(f, every); return nil },
			heal: func(context.Context) error {
				hits = m.origin.set("", 0)
				m.mu.Lock()
				m.originBusy = false
				m.mu.Unlock()
				return nil
			},
			hit: func() []string { return hits },
		}
	}
}

func strikeFar(m *mix, dice *mathrand.Rand) *strike {
	kind, at := []endpointtest.SinkFaultKind{endpointtest.FaultCut, endpointtest.FaultLost}[dice.IntN(2)], dice.Int64N(2*mib)
	times, hold := 1+dice.IntN(4), m.lasts(dice, 2, 8)
	return &strike{
		side: true, hold: hold, detail: fmt.Sprintf("%d requests", times),
		begin: func(context.Context) error {
			m.far.Fault(endpointtest.SinkFault{Kind: kind, Method: "PUT", At: at, Times: times})
			return nil
		},
		heal: func(context.Context) error { m.far.Heal(); return nil },
	}
}

func strikeHooks(fault string) func(*mix, *mathrand.Rand) *strike {
	return func(m *mix, dice *mathrand.Rand) *strike {
		every, hold := 1+dice.IntN(2), m.lasts(dice, 3, 12)
		return &strike{
			side: true, hold: hold, detail: fmt.Sprintf("one of %d for %.1f s", every, hold.Seconds()),
			begin: func(context.Context) error { m.hooks.set(fault, every); return nil },
			heal:  func(context.Context) error { m.hooks.set("", 1); return nil },
			hit:   func() []string { return nil },
		}
	}
}
