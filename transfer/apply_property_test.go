package transfer

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// newWorld draws a transfer, an origin and a store.
func newWorld(t *rapid.T) *world {
	w := &world{t: t, trouble: true, now: time.Unix(1_800_000_000, 0).UTC()}
	w.origin = origin{
		sizes: []int64{rapid.Int64Range(0, 55).Draw(t, "size")}, ranges: w.flip("ranges"),
		sized: w.flip("sized"), strong: w.flip("strong"),
	}
	w.store = store{derivable: w.flip("derivable"), uploads: map[UploadRef]*upload{}}
	spec := Spec{
		ID: "t", Source: "http://h/x", Destination: "file:///d/x", Method: "GET", Size: UnknownSize, PartSize: 10,
		Retries: rapid.IntRange(0, 6).Draw(t, "retries"), WantSHA256: w.flip("digest"),
		IfExists: rapid.SampledFrom([]IfExists{IfExistsFail, IfExistsOverwrite, IfExistsSkip}).Draw(t, "if exists"),
	}
	if w.flip("something is there") {
		w.store.published, w.store.content = foreign, []byte("foreign")
	}
	if w.flip("recoverable") {
		spec.Recoverable = []int{403}
		if w.flip("resolver") {
			spec.Resolver.URL = "https://resolver/"
		}
	}
	if w.flip("notification") {
		spec.Notifications = []Notification{{Channel: ChannelLog, Success: "{id}"}}
	}
	if w.flip("mirror") {
		spec.Mirrors = []string{"http://m/x"}
	}
	switch rapid.IntRange(0, 3).Draw(t, "declared") {
	case 2:
		spec.SHA256 = hexSum(w.origin.content(0))
	case 3:
		spec.SHA256 = hexSum([]byte("something else"))
	}
	w.state = State{
		Spec: spec, Nonce: "nonce", Phase: PhaseIdle, Created: w.now,
		Traits: Traits{
			MinPart: 1, MaxPart: 1 << 30, PreferredPart: 10, MaxParts: 10_000,
			Derivable: w.store.derivable, ReadBack: w.flip("read back"), Checkpoint: 3 * time.Second,
		},
	}
	w.record = copyState(w.state)
	return w
}

// In any world, whatever fails and whenever the owner dies, a transfer ends or
// waits for its user, publishes only whole content of one version, and leaves
// nothing behind.
func TestApplyInAnyWorld(t *testing.T) {
	// The library's own number of worlds is too small for what goes wrong in
	// one of a thousand.
	for range 60 {
		rapid.Check(t, func(t *rapid.T) {
			w := newWorld(t)
			w.apply(Start{})
			for range rapid.IntRange(20, 120).Draw(t, "steps") {
				w.disturb()
			}
			w.calm()
			w.judge()
		})
	}
}

// disturb does one random thing, mostly going on.
func (w *world) disturb() {
	// The library prefers small numbers: spread them over all that can happen.
	what := uint32(rapid.IntRange(0, 1<<16).Draw(w.t, "what")) * 2654435761 >> 16 % 46
	switch what {
	case 30, 31:
		w.kill()
	case 32:
		w.apply(Pause{})
	case 33:
		w.apply(Resume{})
	case 34:
		if w.flip("really cancel") {
			w.apply(Cancel{By: "user"})
		}
	case 35:
		w.apply(Retry{})
	case 36:
		w.change()
	case 37:
		w.origin.ranges = !w.origin.ranges
	case 38:
		w.apply(Revoked{})
		for range 5 {
			w.step()
		}
		w.kill()
	case 39:
		w.losePart()
	case 40, 41, 42:
		w.rest()
	case 44, 45:
		if at := w.state.WakeAt(); at.After(w.now) {
			w.now = at
		}
		w.apply(Woken{})
	case 43:
		url := "http://other/x"
		w.apply(Update{Source: &url, SetHeaders: []Header{{Name: "X-A", Value: "1"}}})
	default:
		w.step()
	}
}

// change gives the origin new content.
func (w *world) change() {
	if w.state.Spec.SHA256 == "" {
		w.origin.version++
		w.origin.sizes = append(w.origin.sizes, rapid.SampledFrom([]int64{w.origin.sizes[0], w.origin.sizes[0], 0, 30}).Draw(w.t, "new size"))
	}
}

// losePart makes the store forget one part.
func (w *world) losePart() {
	if w.far != nil {
		w.far.forget(w)
		return
	}
	if up, ok := w.store.uploads[w.state.Gen.Upload]; ok {
		for _, n := range slices.Sorted(maps.Keys(up.parts)) {
			delete(up.parts, n)
			return
		}
	}
}

// calm ends all trouble and lets the transfer come to an end.
func (w *world) calm() {
	w.trouble = false
	const plenty = 2000
	for range plenty {
		if w.step() {
			continue
		}
		switch w.state.Phase {
		case PhaseIdle:
			w.apply(Start{})
		case PhasePaused:
			w.apply(Resume{})
		default:
			return
		}
	}
	w.t.Fatalf("no end in sight: %s, failures %d, running %v, error %v", w.state.Phase, w.state.Failures, w.running, w.state.Err)
}

// judge looks at what is left.
func (w *world) judge() {
	s := &w.state
	if !s.Phase.Terminal() || !s.Settled() {
		w.t.Fatalf("it rests in %s with garbage %v (maybe begun: %v), error %v", s.Phase, s.Garbage, s.MaybeBegun, s.Err)
	}
	ours := w.store.published != "" && w.store.published != foreign
	if ours != (s.Phase == PhaseCompleted && !s.Skipped) {
		w.t.Fatalf("%s (skipped: %v), but %q is published", s.Phase, s.Skipped, w.store.published)
	}
	if s.Skipped && w.store.published != foreign {
		w.t.Fatal("skipped, but nothing was there")
	}
	if ours && s.Done() != int64(len(w.store.content)) {
		w.t.Fatalf("%d bytes are said to be done of %d", s.Done(), len(w.store.content))
	}
	for ref := range w.store.uploads {
		if s.Phase != PhaseFailed || ref != s.Gen.Upload {
			w.t.Fatalf("%s and upload %v is left behind", s.Phase, ref)
		}
	}
	if s.Phase == PhaseFailed {
		w.apply(Cancel{})
		if w.flip("purged as well") {
			w.purge()
		}
		for w.step() {
			continue
		}
		if len(w.store.uploads) > 0 {
			w.t.Fatalf("a canceled failure leaves %v", w.store.uploads)
		}
	}
	w.purge()
	if !slices.Equal(w.record.Garbage, nil) || w.record.Phase != s.Phase {
		w.t.Fatalf("the record says %s with garbage %v", w.record.Phase, w.record.Garbage)
	}
}

// purge deletes what has ended, perhaps over a death in between.
func (w *world) purge() {
	w.apply(Purge{})
	if w.flip("dies while it is purged") {
		w.step()
		w.kill()
		w.apply(Purge{})
	}
	for w.step() {
		continue
	}
	if !w.deleted {
		w.t.Fatalf("purged, but the record is left with garbage %v", w.state.Garbage)
	}
}
