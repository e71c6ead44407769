package transfer

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"slices"
	"strconv"
	"time"
)

const (
	// maxChanges bounds how often the content may change under a transfer
	// before it gives up.
	maxChanges = 3
	// maxWaste is how many bytes a crash may cost: an upload that the store
	// finds again by itself is recorded at once only if more is at stake.
	maxWaste = 64 << 20
	// minStoreRetries keeps a transfer alive while its store is away: with
	// Backoff's cap this is more than an hour.
	minStoreRetries = 25
)

// Apply is the one place that decides what a transfer does next. It takes the
// state and an event and returns the new state and the effects to carry out,
// in order. The given state must not be used afterwards.
//
// A command that the phase does not allow is refused with state.conflict and
// changes nothing; a report that arrives too late for its phase is ignored.
func Apply(s State, ev Event, c Context) (State, []Effect, *Error) {
	m := &machine{State: s, c: c}
	m.OnWire += c.OnWire
	err := m.handle(ev)
	if err == nil {
		m.deleteWhenClean()
	}
	if err == nil && len(m.effects) > 0 {
		m.Updated = c.Now
	}
	return m.State, m.effects, err
}

// machine carries one call of Apply.
type machine struct {
	State
	c       Context
	effects []Effect
}

func (m *machine) handle(ev Event) *Error {
	switch ev := ev.(type) {
	case Start:
		return m.onStart()
	case Pause:
		return m.onPause()
	case Resume:
		return m.onResume()
	case Cancel:
		return m.onCancel(ev)
	case Retry:
		return m.onRetry()
	case Acknowledge:
		return m.onAcknowledge()
	case Purge:
		return m.onPurge(ev)
	case Update:
		return m.onUpdate(ev)
	case Recovered:
		m.onRecovered()
	case Granted:
		m.onGranted()
	case Revoked:
		m.onRevoked(ev)
	case DestinationExists:
		m.onDestinationExists()
	case DestinationFree:
		m.onDestinationFree()
	case Opened:
		m.onOpened(ev)
	case BodyLost:
		if m.running() {
			m.attempted(0, ev.Err)
			m.end(PhaseFailed, ev.Err)
		}
	case OpenFailed:
		m.onOpenFailed(ev)
	case Begun:
		m.onBegun(ev)
	case PartsFound:
		m.onPartsFound(ev)
	case PartStored:
		m.onPartStored(ev)
	case Ended:
		m.onEnded(ev)
	case FetchFailed:
		m.onSourceFailed(ev.Err, ev.Active)
	case Digested:
		m.onDigested(ev)
	case Published:
		m.onPublished(ev)
	case StoreFailed:
		m.onStoreFailed(ev)
	case Woken:
		m.onWoken()
	case Announced:
		m.onAnnounced()
	case Resolved:
		m.onResolved(ev)
	case Removed:
		m.onRemoved(ev)
	case RemoveFailed:
		m.onRemoveFailed(ev)
	default:
		m.handleSending(ev)
	}
	return nil
}

// handleSending handles the events that belong to uploads.
func (m *machine) handleSending(ev Event) {
	switch ev := ev.(type) {
	case Probed:
		m.onProbed(ev)
	case SessionOpened:
		m.onSessionOpened(ev)
	case SessionFound:
		m.onSessionFound(ev)
	case Confirmed:
		m.onConfirmed(ev)
	case PartSent:
		m.onPartSent(ev)
	case Answered:
		m.onAnswered(ev)
	case SendFailed:
		m.onSendFailed(ev)
	}
}

func (m *machine) do(e Effect) { m.effects = append(m.effects, e) }

func (m *machine) persist() {
	m.Persisted, m.PersistedBytes = m.c.Now, m.moved()
	m.do(Persist{})
}

// moved is how many bytes need not be moved again.
func (m *machine) moved() int64 {
	if m.uploads() {
		return m.Session.Bytes()
	}
	return m.Gen.Ledger.Bytes()
}

// known tells that an answer was accepted and the plan made.
func (m *machine) known() bool { return m.Gen.Plan.PartSize > 0 }

func (m *machine) running() bool { return m.Phase == PhaseRunning }

// active tells that the transfer holds a slot.
func (m *machine) active() bool {
	return m.Phase == PhaseRunning || m.Phase == PhaseVerifying || m.Phase == PhaseCompleting
}

func (m *machine) sourceCount() int { return 1 + len(m.Spec.Mirrors) }

func (m *machine) nextSource() { m.SourceIndex = (m.SourceIndex + 1) % m.sourceCount() }

// queue makes the transfer wait for a slot.
func (m *machine) queue(notBefore time.Time) {
	m.Phase, m.NotBefore = PhaseQueued, notBefore
	m.persist()
	m.do(Queue{NotBefore: notBefore})
}

// halt ends what is in flight and gives the slot back.
func (m *machine) halt() {
	if m.active() {
		m.do(Halt{})
		m.do(Release{})
	}
}

// open asks the source for the first missing byte.
func (m *machine) open() {
	if m.known() && !m.Gen.Resumable && m.Gen.Upload != (UploadRef{}) {
		m.dropGeneration()
	}
	m.Attempts++
	offset := m.wantOffset()
	m.remember(Attempt{Time: m.c.Now, URL: RedactURL(m.SourceURL()), Node: m.c.Node, Offset: offset})
	m.do(Open{URL: m.SourceURL(), Offset: offset})
}

// remember adds a request to the history. Snapshots share what is there already.
func (m *machine) remember(a Attempt) {
	old := m.History[max(0, len(m.History)+1-maxHistory):]
	m.History = append(slices.Clone(old), a)
}

// attempted notes what came of the last request.
func (m *machine) attempted(status int, err *Error) {
	if n := len(m.History); n > 0 {
		m.History = slices.Clone(m.History)
		m.History[n-1].Status, m.History[n-1].Err = status, err
	}
}

// attemptedFrom notes at which byte the last request begins.
func (m *machine) attemptedFrom(offset int64) {
	if n := len(m.History); n > 0 {
		m.History = slices.Clone(m.History)
		m.History[n-1].Offset = offset
	}
}

func (m *machine) wantOffset() int64 {
	if !m.known() {
		return 0
	}
	n, ok := m.Gen.Ledger.FirstMissing(m.Gen.Plan)
	if !ok {
		return 0
	}
	offset, _ := m.Gen.Plan.Part(n)
	return offset
}

// dropGeneration forgets the content seen so far: the next answer begins a new
// generation. That is recorded before anything else happens: a record that
// names an upload says that no other one was begun.
func (m *machine) dropGeneration() {
	if m.Gen.Ledger.Count() > 0 {
		m.Restarts++
	}
	at := len(m.effects)
	m.discard()
	m.Gen = Generation{Number: m.Gen.Number}
	m.SHA256 = ""
	if cleanup := slices.Clone(m.effects[at:]); len(cleanup) > 0 {
		m.effects = m.effects[:at]
		m.persist()
		m.effects = append(m.effects, cleanup...)
	}
}

// discard has the upload removed.
func (m *machine) discard() {
	if m.Gen.Upload == (UploadRef{}) {
		return
	}
	m.do(Remove{Upload: m.Gen.Upload})
	m.forget()
}

// forget makes the upload garbage, to be removed once that is recorded.
func (m *machine) forget() {
	if m.uploads() {
		m.forgetSession()
		return
	}
	if m.Gen.Upload == (UploadRef{}) {
		return
	}
	m.Garbage = append(m.Garbage, m.Gen.Upload)
	m.Gen.Upload, m.Gen.Token = UploadRef{}, ""
	m.Gen.Ledger = Ledger{}
	m.Gen.Hashed, m.Gen.HashedBytes = nil, 0
}

// letGo makes what is kept garbage, and returns it.
func (m *machine) letGo() []UploadRef {
	before := len(m.Garbage)
	m.forget()
	return slices.Clone(m.Garbage[before:])
}

func (m *machine) removeAll(garbage []UploadRef) {
	for _, up := range garbage {
		m.do(Remove{Upload: up})
	}
}

// end makes the transfer terminal. What must be cleaned up is recorded before
// it is cleaned up.
func (m *machine) end(p Phase, err *Error) {
	m.halt()
	m.Phase, m.Err, m.Finished = p, err, m.c.Now
	m.Pauses, m.CancelWanted = nil, false
	m.attended()
	if (p != PhaseCompleted || m.Skipped) && !m.worthKeeping(err) {
		m.forget()
	}
	m.persist()
	// Older garbage too: whoever was to remove it may have gone to wait in the
	// queue before it could.
	for _, up := range m.Garbage {
		m.do(Remove{Upload: up})
	}
	m.sweep()
	m.announce()
}

// sweep finds an upload that may have been begun without anyone knowing.
func (m *machine) sweep() {
	if m.MaybeBegun && m.Phase.Terminal() {
		m.Gen.Token = m.nextToken()
		m.do(m.search())
	}
}

// search finds a lost upload by beginning it once more; it will hold nothing,
// so no room is asked for.
func (m *machine) search() Begin {
	return Begin{Token: m.Gen.Token, Retry: true, Since: m.Created}
}

// worthKeeping tells that a failed transfer could go on with its bytes.
func (m *machine) worthKeeping(err *Error) bool {
	if m.Phase != PhaseFailed || err == nil || !m.canGoOn() {
		return false
	}
	switch err.Code {
	case CodeUploadTooLarge, CodeUploadIncomplete, CodeSessionLost, CodeMismatch, CodeDestExists, CodeSourceChanged, CodeSizeExceeded, CodeSizeShort:
		return false
	}
	return true
}

// canGoOn tells that bytes were moved that need not be moved again.
func (m *machine) canGoOn() bool {
	if m.uploads() {
		// An upload that somebody else has begun cannot be begun again.
		return m.Session.Protocol == ProtocolS3 || m.Session.Protocol.Resumes() && m.Session.Bytes() > 0
	}
	return m.Gen.Resumable && m.Gen.Ledger.Count() > 0
}

func (m *machine) begin() {
	retry := m.MaybeBegun
	m.MaybeBegun = true
	m.Gen.Token = m.nextToken()
	m.do(Begin{Token: m.Gen.Token, Size: m.Gen.Plan.Size, Retry: retry, Since: m.Created})
}

func (m *machine) nextToken() string { return m.Nonce + "." + strconv.Itoa(m.Begins+1) }

// sumSHA256 finishes a hash from its saved state.
func sumSHA256(state []byte) (string, bool) {
	h := sha256.New()
	if len(state) > 0 {
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
			return "", false
		}
	}
	return hex.EncodeToString(h.Sum(nil)), true
}
