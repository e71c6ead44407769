package check

import (
	"fmt"
	"maps"
	"slices"

	"godwit/chaos/history"
)

// spilled is how many bytes one transfer may cost an origin for nothing, without
// any fault: what lies in the buffers of a connection that ends before its
// answer does, because others fetched the rest.
const spilled = 8 << 20

// fetched is what a transfer cost its origin.
type fetched struct {
	*accepted
	// bytes were served in so many generations of content.
	bytes       int64
	generations map[int]bool
	// broken counts the answers that the origin cut off on purpose and the parts
	// that the store refused, faults those that struck the transfer, afresh those
	// of them that cost everything, pauses what its user did.
	broken, faults, afresh, pauses int
}

// extra is how many bytes were fetched more than once.
func (f *fetched) extra() int64 { return max(f.bytes-f.Size, 0) }

// explained is how many of them have a cause.
func (f *fetched) explained(run history.Run, moves int) int64 {
	causes := f.faults
	if !run.Strict {
		causes = max(causes, moves) // as when a node joins
	}
	causes += f.pauses
	part := run.PartSize
	if part == 0 {
		part = run.Waste
	}
	afresh := len(f.generations) - 1 + f.afresh
	if f.Whole {
		afresh += causes + f.broken
	}
	return int64(causes)*run.Waste + int64(f.broken)*part + int64(max(afresh, 0))*f.Size + spilled
}

// fetchedTransfers are the transfers of known size that an origin has served.
func (v *view) fetchedTransfers() map[string]*fetched {
	all := map[string]*fetched{}
	for id, a := range v.acceptedTransfers() {
		if a.Size > 0 {
			all[id] = &fetched{accepted: a, generations: map[int]bool{}}
		}
	}
	for _, e := range v.Serves {
		f := all[e.Serve.ID]
		if f == nil {
			continue
		}
		f.bytes += e.Serve.Bytes
		if e.Serve.Fault != "" {
			f.broken++
		}
		if e.Serve.Bytes > 0 {
			f.generations[e.Serve.Generation] = true
		}
	}
	for _, e := range v.Stores {
		if f := all[idOf(e.Store.Key)]; f != nil && !e.Store.Record && e.Store.Fault != "" && e.Store.Told/100 != 2 {
			f.broken++
		}
	}
	for _, e := range v.Calls {
		if f := all[e.Call.ID]; f != nil && e.Call.Op == "pause" && e.Call.Outcome != history.Refused {
			f.pauses++
		}
	}
	for _, e := range v.Faults {
		for _, id := range e.Fault.Struck {
			f := all[id]
			if f == nil || e.Fault.Graceful {
				continue
			}
			f.faults++
			if e.Fault.Afresh {
				f.afresh++
			}
		}
	}
	maps.DeleteFunc(all, func(_ string, f *fetched) bool { return f.bytes == 0 })
	return all
}

// moves counts the changes of owner of a transfer.
func (v *view) moves(key string) int {
	n := 0
	for i, t := range v.tenures[key] {
		if i > 0 && t.claim.Write.Op != "create" {
			n++
		}
	}
	return n
}

// boundedWaste is S5.
func boundedWaste(v *view) Result {
	all := v.fetchedTransfers()
	switch {
	case v.Run.Waste == 0:
		return Result{Lacks: "how much a fault may cost"}
	case len(all) == 0:
		return Result{Lacks: "answers of origins"}
	}
	var r Result
	var bytes, extra int64
	keys := v.transferKeys()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		f := all[id]
		bytes += f.bytes
		extra += f.extra()
		moves := v.moves(keys[id])
		if explained := f.explained(v.Run, moves); f.extra() > explained {
			r.violate(f.at, id, "%s were fetched more than once; %d faults, %d broken answers, %d pauses, %d generations and %d changes of owner explain %s",
				bytesOf(f.extra()), f.faults, f.broken, f.pauses, len(f.generations), moves, bytesOf(explained))
		}
	}
	r.Judged = fmt.Sprintf("%d transfers, %s served, %s of them more than once", len(all), bytesOf(bytes), bytesOf(extra))
	return r
}
