package transfer

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// world is a model of everything around Apply: an origin whose content may
// change, a store, the record, and a shell that carries effects out in any
// order and may die at any point. Faults strike while trouble is true.
type world struct {
	t       *rapid.T
	trouble bool
	now     time.Time

	state  State
	record State
	// todo are effects still to be carried out, in order; running is what was
	// started and has not reported; timers are effects put off.
	todo    []Effect
	running []Effect
	timers  []After

	origin origin
	store  store
	// body is the version that the last answer brings.
	body int
	// fetching is the upload that the running Fetch writes to.
	fetching UploadRef
	// far is the far side of an upload, nil for a download.
	far *farSide
	// deleted: the record is gone.
	deleted bool
	// wanted: a slot was asked for and not given.
	wanted bool
}

// origin serves content of version one, two, … of size bytes.
type origin struct {
	version int
	// sizes are those of all versions so far.
	sizes  []int64
	ranges bool
	// sized: the answer tells its length. strong: its validator is; a weak one
	// does not even change with the content.
	sized, strong bool
}

func (o origin) size() int64 { return o.sizes[o.version] }

func (o origin) content(version int) []byte {
	return slices.Repeat([]byte{byte('a' + version)}, int(o.sizes[version]))
}

func (o origin) validator() Validator {
	if o.strong {
		return Validator{ETag: fmt.Sprintf(`"v%d"`, o.version)}
	}
	return Validator{ETag: `W/"v"`}
}

// store is an object store with one object.
type store struct {
	derivable bool
	uploads   map[UploadRef]*upload
	begun     int
	// published is the token of the object published, and versions which
	// versions of the content are in it.
	published string
	content   []byte
}

// foreign is the token of an object that is not ours.
const foreign = "foreign"

type upload struct {
	token string
	parts map[int]stored
}

type stored struct {
	part  Part
	bytes []byte
}

// apply feeds an event and checks what must hold after every one.
func (w *world) apply(ev Event) {
	w.t.Logf("%s %+v", w.state.Phase, ev)
	before := w.state
	before.Gen.Ledger = w.state.Gen.Ledger.Clone()
	state, effects, err := Apply(w.state, ev, Context{Now: w.now, Random: 0.5})
	_, retry := ev.(Retry)
	if before.Phase.Terminal() && state.Phase != before.Phase && (before.Phase != PhaseFailed || !retry) {
		w.t.Fatalf("%T moved a transfer from %s to %s", ev, before.Phase, state.Phase)
	}
	if err != nil && (len(effects) > 0 || state.Phase != before.Phase) {
		w.t.Fatalf("%T was refused (%v) but had effects %v", ev, err, effects)
	}
	if w.state = state; w.far != nil && err == nil {
		w.checkSending(ev, &before)
	}
	for _, e := range effects {
		w.t.Logf("    %T%+v", e, e)
		if _, halt := e.(Halt); halt {
			w.halt()
			continue
		}
		w.todo = append(w.todo, e)
	}
}

// halt drops what is in flight: each operation has happened or not, and nothing
// of it is reported. What has not begun does not.
func (w *world) halt() {
	w.todo = slices.DeleteFunc(w.todo, w.bound)
	for _, e := range w.running {
		if w.bound(e) && w.flip("happened before the halt") {
			w.execute(e)
		}
	}
	w.running = slices.DeleteFunc(w.running, w.bound)
}

// bound tells that an effect ends with Halt.
func (w *world) bound(e Effect) bool {
	switch e.(type) {
	case Persist, Remove, Delete, Resolve, Announce, Queue, Release, After:
		return false
	}
	return true
}

func (w *world) flip(label string) bool { return rapid.Bool().Draw(w.t, label) }

// rarely is true one time in n, and only in trouble.
func (w *world) rarely(n int, label string) bool {
	return w.trouble && rapid.IntRange(1, n).Draw(w.t, label) == n
}

// kill loses everything but the record and the store, and recovers.
func (w *world) kill() {
	for _, e := range w.running {
		if w.flip("happened before the kill") {
			w.execute(e)
		}
	}
	w.t.Logf("--- killed")
	w.todo, w.running, w.timers = nil, nil, nil
	w.state = copyState(w.record)
	w.wanted = w.state.Phase == PhaseQueued
	w.apply(Recovered{})
}

// rest ends the shell of a transfer that only waits, as nothing has to run for
// it: what it had under way is not reported, and it comes back as recorded.
func (w *world) rest() {
	if !w.state.Settled() || len(w.todo) > 0 {
		return
	}
	for _, e := range w.running {
		if w.flip("happened before the rest") {
			w.execute(e)
		}
	}
	w.t.Logf("--- at rest")
	w.running, w.timers = nil, nil
	w.state = copyState(w.record)
}

// copyState is what a record keeps of a state.
func copyState(s State) State {
	s.Gen.Ledger = s.Gen.Ledger.Clone()
	s.Garbage = slices.Clone(s.Garbage)
	s.Pauses = slices.Clone(s.Pauses)
	s.Persisted, s.PersistedBytes, s.Resolving, s.Announcing = time.Time{}, 0, false, false
	return s
}

// step carries out one thing; false when there is none.
func (w *world) step() bool {
	switch {
	case len(w.todo) > 0:
		e := w.todo[0]
		w.todo = w.todo[1:]
		w.start(e)
	case len(w.running) > 0:
		i := 0
		if w.trouble {
			i = rapid.IntRange(0, len(w.running)-1).Draw(w.t, "which")
		}
		e := w.running[i]
		w.running = slices.Delete(w.running, i, i+1)
		w.finish(e)
	case len(w.timers) > 0:
		after := w.timers[0]
		w.timers = w.timers[1:]
		w.now = w.now.Add(after.Delay)
		if w.state.Wants(after.Effect) {
			w.todo = append(w.todo, after.Effect)
		}
	case w.wanted:
		w.wanted = false
		if w.now.Before(w.state.NotBefore) {
			w.now = w.state.NotBefore
		}
		w.apply(Granted{})
	default:
		return false
	}
	return true
}

// start carries out an effect, or sets it going when it takes time.
func (w *world) start(e Effect) {
	switch e := e.(type) {
	case Persist:
		if w.record = copyState(w.state); w.far != nil {
			w.far.learn(&w.record)
		}
	case Delete:
		if !w.record.Purging || len(w.store.uploads) > 0 {
			w.t.Fatalf("the record is deleted (purging: %v) while there are uploads %v", w.record.Purging, w.store.uploads)
		}
		w.deleted = true
	case Queue:
		w.wanted = true
	case Release:
	case After:
		w.timers = append(w.timers, e)
	case Fetch:
		w.fetching = w.state.Gen.Upload
		w.running = append(w.running, e)
	case Remove:
		w.checkRemoval(e)
		w.running = append(w.running, e)
	case Send:
		w.beginSend()
		w.running = append(w.running, e)
	default:
		w.running = append(w.running, e)
	}
}

// checkRemoval: what is removed is neither written to nor in the record as what
// to go on with.
func (w *world) checkRemoval(e Remove) {
	if slices.Contains(w.running, Effect(Fetch{})) && w.fetching == e.Upload {
		w.t.Fatalf("upload %v is removed while parts are written to it", e.Upload)
	}
	if w.record.Gen.Upload == e.Upload || w.record.Session.URL != "" && w.record.Session.URL == e.Upload.ID || !slices.Contains(w.record.Garbage, e.Upload) {
		w.t.Fatalf("upload %v is removed but not recorded as garbage", e.Upload)
	}
}

// finish lets an operation end, well or not, and reports it.
func (w *world) finish(e Effect) {
	w.now = w.now.Add(time.Second)
	if fetch, ok := e.(Fetch); ok {
		w.fetch(fetch)
		return
	}
	if send, ok := e.(Send); ok {
		w.sendSome(send)
		return
	}
	switch {
	case w.rarely(6, "fails without effect"):
		w.apply(w.failure(e))
	case w.rarely(60, "is refused") && w.atStore(e):
		w.apply(StoreFailed{Err: Errorf(CodeStoreDenied, "%T", e)})
	case w.rarely(6, "fails after its effect"):
		w.execute(e)
		w.apply(w.failure(e))
	default:
		w.apply(w.execute(e))
	}
}

// atStore tells the operations that a store may refuse for good.
func (w *world) atStore(e Effect) bool {
	switch e := e.(type) {
	case Begin, ListParts, Digest, CheckDestination:
		return w.far == nil
	case Complete:
		// Refused after it has happened unnoticed, nobody could know better.
		return w.store.published != e.Token
	}
	return false
}

// failure is how an operation reports that nobody knows its outcome.
func (w *world) failure(e Effect) Event {
	switch e := e.(type) {
	case Probe, OpenSession, FindSession:
		return SendFailed{Err: failed(rapid.SampledFrom([]Code{CodeReset, CodeStatusRetry, CodeStatus, CodeOffline, CodeUploadLocked}).Draw(w.t, "code"))}
	case Open:
		code := rapid.SampledFrom([]Code{CodeReset, CodeStatusRetry, CodeStatus, CodeOffline, CodeRangeIgnored, CodeSourceChanged}).Draw(w.t, "code")
		return OpenFailed{Err: failed(code)}
	case Resolve:
		return Resolved{}
	case Announce:
		return Announced{}
	case Remove:
		if w.far != nil && w.now.Sub(w.state.Finished) > closePatience {
			delete(w.far.known, e.Upload.ID) // it is left to the far side
		}
		return RemoveFailed{Upload: e.Upload, Err: Errorf(CodeStoreUnavailable, "remove")}
	}
	return StoreFailed{Err: Errorf(CodeStoreUnavailable, "%T", e)}
}

// failed is an error of the far side.
func failed(code Code) *Error {
	err := Errorf(code, "far side")
	if code == CodeStatus {
		err.Status = 403
	}
	return err
}

// execute does what an effect asks for and returns the report.
func (w *world) execute(e Effect) Event {
	if w.far != nil {
		if ev, ok := w.atFarSide(e); ok {
			return ev
		}
	}
	switch e := e.(type) {
	case Open:
		return w.open(e)
	case CheckDestination:
		if w.store.published != "" {
			return DestinationExists{}
		}
		return DestinationFree{}
	case Begin:
		return w.begin(e)
	case ListParts:
		return w.list(e)
	case Digest:
		return w.digest(e)
	case Complete:
		return w.complete(e)
	case Announce:
		return Announced{}
	case Resolve:
		return Resolved{Found: w.flip("the resolver knows")}
	case Remove:
		delete(w.store.uploads, e.Upload)
		return Removed(e)
	case Fetch:
		_, _ = w.fetchOne()
		return nil
	}
	w.t.Fatalf("nobody carries out %T", e)
	return nil
}

func (w *world) open(e Open) Event {
	w.body = w.origin.version
	ev := Opened{Validator: w.origin.validator(), Size: w.origin.size(), Ranges: w.origin.ranges}
	if !w.origin.sized {
		ev.Size = UnknownSize
	}
	if e.Offset > 0 && w.origin.ranges {
		if !w.state.Gen.Validator.Same(ev.Validator) && w.flip("the change is noticed by the request") {
			return OpenFailed{Err: Errorf(CodeSourceChanged, "open")}
		}
		if e.Offset < w.origin.size() {
			ev.Offset = e.Offset
		}
	}
	return ev
}

func (w *world) begin(e Begin) Event {
	for ref, up := range w.store.uploads {
		if up.token != e.Token {
			continue
		}
		if !e.Retry {
			w.t.Fatalf("token %s is in use and the store was not told", e.Token)
		}
		delete(w.store.uploads, ref)
	}
	if w.store.published == e.Token {
		w.t.Fatalf("token %s was published and is begun again", e.Token)
	}
	w.store.begun++
	ref := UploadRef{Name: "object", ID: fmt.Sprint(w.store.begun)}
	if w.store.derivable {
		ref.ID = e.Token
	}
	w.store.uploads[ref] = &upload{token: e.Token, parts: map[int]stored{}}
	return Begun{Upload: ref}
}

func (w *world) list(e ListParts) Event {
	up, ok := w.store.uploads[e.Upload]
	if !ok {
		return StoreFailed{UploadLost: true, Err: Errorf(CodeUploadLost, "list")}
	}
	var found Ledger
	for _, s := range up.parts {
		found.Add(s.part)
	}
	return PartsFound{Parts: found.Parts()}
}

func (w *world) digest(e Digest) Event {
	up, ok := w.store.uploads[e.Upload]
	if !ok {
		return StoreFailed{UploadLost: true, Err: Errorf(CodeUploadLost, "digest")}
	}
	content, ok := assemble(up, w.state.Gen.Ledger.Parts())
	if !ok {
		return StoreFailed{PartLost: true, Err: Errorf(CodeStoreCorrupt, "digest")}
	}
	return Digested{SHA256: hexSum(content)}
}

func (w *world) complete(e Complete) Event {
	up, ok := w.store.uploads[e.Upload]
	if w.store.published == e.Token {
		return Published{}
	}
	if w.store.published != "" && !e.Replace {
		return StoreFailed{Exists: true, Err: Errorf(CodeDestExists, "complete")}
	}
	if !ok {
		return StoreFailed{UploadLost: true, Err: Errorf(CodeUploadLost, "complete")}
	}
	content, ok := assemble(up, e.Parts)
	if !ok {
		return StoreFailed{PartLost: true, Err: Errorf(CodeUploadLost, "complete")}
	}
	if int64(len(content)) != e.Size {
		w.t.Fatalf("%d bytes would be published as %d", len(content), e.Size)
	}
	for _, c := range content {
		if c != content[0] {
			w.t.Fatalf("a mixture of versions would be published: %s", content)
		}
	}
	if want := w.state.Spec.SHA256; want != "" && want != hexSum(content) {
		w.t.Fatalf("content with another digest would be published: %s", content)
	}
	w.store.published, w.store.content = e.Token, content
	delete(w.store.uploads, e.Upload)
	return Published{}
}

// assemble joins parts as the store would; false when one is not as recorded.
func assemble(up *upload, parts []Part) ([]byte, bool) {
	var content []byte
	for i, p := range parts {
		s, ok := up.parts[p.Number]
		if !ok || s.part.ETag != p.ETag || p.Number != i+1 || p.Offset != int64(len(content)) {
			return nil, false
		}
		content = append(content, s.bytes...)
	}
	return content, true
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// fetch stores the next part, fails, or ends; it goes on until it is halted.
func (w *world) fetch(e Fetch) {
	switch {
	case w.rarely(8, "the connection fails"):
		code := rapid.SampledFrom([]Code{CodeReset, CodeStatusRetry, CodeStall, CodeStatus, CodeOffline}).Draw(w.t, "code")
		active := rapid.IntRange(0, 1).Draw(w.t, "others go on")
		if active > 0 {
			w.running = append(w.running, e)
		}
		w.apply(FetchFailed{Err: failed(code), Active: active})
		return
	case w.rarely(12, "the store fails"):
		w.apply(StoreFailed{Err: Errorf(CodeStoreUnavailable, "part")})
		return
	case w.rarely(30, "the upload is lost"):
		delete(w.store.uploads, w.state.Gen.Upload)
	}
	if _, ok := w.store.uploads[w.state.Gen.Upload]; !ok {
		w.apply(StoreFailed{UploadLost: true, Err: Errorf(CodeUploadLost, "part")})
		return
	}
	ev, err := w.fetchOne()
	switch {
	case err != nil:
		if w.flip("others go on after a change") {
			w.running = append(w.running, e)
		}
		w.apply(FetchFailed{Err: err})
		return
	case ev == nil:
		if w.state.Gen.Plan.Size == UnknownSize {
			w.apply(Ended{Size: w.origin.sizes[w.body]})
		}
		return
	}
	w.running = append(w.running, e)
	w.apply(*ev)
	if w.rarely(5, "it is reported twice") {
		before := w.state.Gen.Ledger.Bytes()
		if w.apply(*ev); w.state.Gen.Ledger.Bytes() > before {
			w.t.Fatal("a part counts twice")
		}
	}
}

// fetchOne stores one missing part. The next one comes from the body at hand,
// unseen what the origin has by now; others are asked for, with the validator.
func (w *world) fetchOne() (*PartStored, *Error) {
	gen := w.state.Gen
	up, ok := w.store.uploads[gen.Upload]
	if !ok {
		return nil, nil
	}
	plan := gen.Plan
	if plan.Size == UnknownSize {
		plan.Size = w.origin.sizes[w.body]
	}
	n, ok := gen.Ledger.FirstMissing(plan)
	if !ok {
		return nil, nil
	}
	version := w.body
	if gen.Resumable && !w.state.HashesOnTheFly() && w.flip("another part") {
		if !gen.Validator.Same(w.origin.validator()) || w.origin.size() != plan.Size {
			return nil, Errorf(CodeSourceChanged, "fetch")
		}
		version = w.origin.version
		for n < plan.Count() && (gen.Ledger.Has(n) || w.flip("a later one")) {
			n++
		}
		if gen.Ledger.Has(n) {
			n, _ = gen.Ledger.FirstMissing(plan)
		}
	}
	return w.storePart(up, plan, n, version), nil
}

func (w *world) storePart(up *upload, plan Plan, n, version int) *PartStored {
	offset, size := plan.Part(n)
	content := w.origin.content(version)
	data := content[min(offset, int64(len(content))):min(offset+size, int64(len(content)))]
	ev := &PartStored{Part: Part{
		Number: n, Offset: offset, Size: size, ETag: hexSum(data)[:8], CRC64: uint64(version) + 1,
	}}
	up.parts[n] = stored{part: ev.Part, bytes: data}
	if w.state.HashesOnTheFly() && w.state.Gen.HashedBytes == offset {
		h := sha256.New()
		h.Write(content[:offset+int64(len(data))])
		ev.Hashed, _ = h.(encoding.BinaryMarshaler).MarshalBinary()
		ev.HashedBytes = offset + size
	}
	return ev
}
