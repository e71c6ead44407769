package transfer

import "time"

// onRecovered takes a transfer over from an owner whose last steps are
// unknown. The record it persists is the claim.
func (m *machine) onRecovered() {
	if m.Gen.Upload == (UploadRef{}) && !m.uploads() && !m.Phase.Terminal() && m.Phase != PhaseIdle {
		m.MaybeBegun = true
	}
	if m.interrupted() {
		return
	}
	switch m.Phase {
	case PhaseQueued:
		// Whoever owned it before may have given its place in the queue back.
		m.queue(m.NotBefore)
	case PhaseRunning, PhaseVerifying:
		m.queue(time.Time{})
	case PhaseCompleting:
		// There is no way back, but publishing needs a slot again.
		m.persist()
		m.do(Queue{})
	default:
		m.persist()
	}
	for _, up := range m.Garbage {
		m.do(Remove{Upload: up})
	}
	m.sweep()
	if m.untold() {
		m.announce()
	}
}

// interrupted ends an upload that was cut off while its request was in doubt.
func (m *machine) interrupted() bool {
	if !m.uploads() || !m.running() {
		return false
	}
	m.leaveParts()
	if !m.inDoubt() {
		return false
	}
	m.end(PhaseFailed, m.maybeDuplicate(nil))
	return true
}

func (m *machine) onGranted() {
	switch m.Phase {
	case PhaseCompleting:
		m.complete(true)
		return
	case PhaseQueued:
	default:
		m.do(Release{})
		return
	}
	m.Phase, m.NotBefore, m.Persisted = PhaseRunning, time.Time{}, m.c.Now
	switch {
	case m.uploads():
		m.beginSending()
	case m.Gen.Upload != (UploadRef{}) && m.Gen.Resumable:
		m.do(ListParts{Upload: m.Gen.Upload})
	case m.Spec.IfExists == IfExistsSkip:
		m.do(CheckDestination{})
	default:
		m.open()
	}
}

func (m *machine) onRevoked(ev Revoked) {
	if ev.Unsent {
		m.Session.Sent = false
	} else if m.interrupted() {
		return
	}
	switch m.Phase {
	case PhaseRunning, PhaseVerifying:
		m.halt()
		m.queue(time.Time{})
	case PhaseCompleting:
		m.do(Halt{})
	}
}

func (m *machine) onDestinationExists() {
	if m.running() {
		m.Skipped = true
		m.end(PhaseCompleted, nil)
	}
}

func (m *machine) onDestinationFree() {
	if m.running() {
		m.open()
	}
}

func (m *machine) onOpened(ev Opened) {
	if !m.running() {
		return
	}
	m.Response = ev.Response
	m.attempted(ev.Response.StatusCode, nil)
	m.Outages = 0
	if err := m.checkDeclaredSize(ev.Size); err != nil {
		m.end(PhaseFailed, err)
		return
	}
	if !m.known() || m.Gen.Upload == (UploadRef{}) && ev.Offset == 0 {
		m.newGeneration(ev)
		return
	}
	replaced := m.Gen.Source == sourceReplaced
	mirror := !replaced && m.SourceIndex != m.Gen.Source
	same := m.Gen.Validator.Same(ev.Validator) && (ev.Size < 0 || ev.Size == m.Gen.Plan.Size)
	switch {
	case same && ev.Offset == m.wantOffset():
		if replaced {
			m.Gen.Source = m.SourceIndex
		}
		m.fetchOrBegin()
	case same:
		// The far side stopped serving ranges: what it sends now begins at 0.
		m.dropGeneration()
		ev.Ranges = false
		m.newGeneration(ev)
	case (mirror || replaced) && m.Spec.SHA256 != "" && ev.Size == m.Gen.Plan.Size && ev.Offset == m.wantOffset() && m.Gen.HashedBytes <= ev.Offset:
		// Mirrors name their copies differently; the declared digest vouches,
		// unless bytes that it covers already are to be fetched again.
		m.Gen.Validator, m.Gen.Source = ev.Validator, m.SourceIndex
		m.fetchOrBegin()
	case mirror:
		m.retryLater(Errorf(CodeSourceChanged, "a mirror serves other content than the first source"), m.Spec.Retries)
	default:
		m.onChanged(&ev)
	}
}

func (m *machine) checkDeclaredSize(size int64) *Error {
	switch {
	case m.Spec.Size < 0 || size < 0 || size == m.Spec.Size:
		return nil
	case size > m.Spec.Size:
		return Errorf(CodeSizeExceeded, "the source has %d bytes, %d were declared", size, m.Spec.Size)
	default:
		return Errorf(CodeSizeShort, "the source has %d bytes, %d were declared", size, m.Spec.Size)
	}
}

// onChanged begins again because the content is another one. The answer at
// hand is used when it begins at byte 0.
func (m *machine) onChanged(ev *Opened) {
	if m.Gen.Source != sourceReplaced {
		// That another URL has other content is no surprise.
		m.Changes++
	}
	if m.Changes > maxChanges {
		m.end(PhaseFailed, Errorf(CodeSourceChanged, "the source changed %d times while it was fetched", m.Changes))
		return
	}
	usable := ev != nil && ev.Offset == 0
	if !usable {
		// Nothing may be on its way into an upload that is being removed.
		m.do(Halt{})
	}
	m.dropGeneration()
	m.Gen.Number++
	if usable {
		m.newGeneration(*ev)
		return
	}
	m.open()
}

func (m *machine) newGeneration(ev Opened) {
	plan, err := MakePlan(ev.Size, m.Spec.PartSize, m.Traits)
	if err != nil {
		m.end(PhaseFailed, err)
		return
	}
	m.Gen = Generation{
		Number:    max(m.Gen.Number, 1),
		Source:    m.SourceIndex,
		Validator: ev.Validator,
		Plan:      plan,
		Resumable: ev.Ranges && ev.Size >= 0 && (ev.Validator.Strong() || m.Spec.SHA256 != ""),
	}
	m.SHA256 = ""
	m.begin()
}

func (m *machine) fetchOrBegin() {
	if m.Gen.Upload == (UploadRef{}) {
		m.begin()
		return
	}
	m.do(Fetch{})
}

func (m *machine) onBegun(ev Begun) {
	if !m.Phase.Terminal() && (!m.known() || m.Gen.Upload != (UploadRef{})) {
		// Nobody waits for it any more. The next Begin finds it again.
		return
	}
	m.MaybeBegun = false
	m.Begins++
	switch {
	case m.Phase.Terminal():
		m.Gen.Upload = ev.Upload
		m.discard()
		m.effects = append([]Effect{Persist{}}, m.effects...)
		return
	case !m.running():
		// Begun for nothing, but not lost: the next run uses it.
		m.Gen.Upload = ev.Upload
		m.persist()
		return
	}
	m.Gen.Upload = ev.Upload
	if !m.Traits.Derivable || m.Gen.Plan.Size < 0 || m.Gen.Plan.Size > maxWaste {
		m.persist()
	}
	if m.Gen.Plan.Size == 0 {
		m.finish()
		return
	}
	m.do(Fetch{})
}

// onPartsFound makes the ledger say what is really there. A part that no
// record names counts only if the store vouches for its checksum.
func (m *machine) onPartsFound(ev PartsFound) {
	if !m.running() {
		return
	}
	var found Ledger
	for _, p := range ev.Parts {
		offset, size := m.Gen.Plan.Part(p.Number)
		if offset != p.Offset || size != p.Size {
			continue
		}
		if rec, ok := m.Gen.Ledger.Get(p.Number); ok && rec.ETag == p.ETag && rec.Size == p.Size {
			p.CRC64 = rec.CRC64
		} else if p.CRC64 == 0 {
			continue
		}
		if m.HashesOnTheFly() && offset+size > m.Gen.HashedBytes {
			continue
		}
		found.Add(p)
	}
	m.Gen.Ledger = found
	if found.Complete(m.Gen.Plan) {
		m.finish()
		return
	}
	m.open()
}

func (m *machine) onPartStored(ev PartStored) {
	if !m.running() || !m.Gen.Ledger.Add(ev.Part) {
		return
	}
	m.SourcesTried = 0
	m.attended()
	// A digest found right before was not of these bytes.
	m.SHA256 = ""
	if ev.HashedBytes > m.Gen.HashedBytes {
		m.Gen.Hashed, m.Gen.HashedBytes = ev.Hashed, ev.HashedBytes
	}
	if m.Gen.Plan.Size >= 0 && m.Gen.Ledger.Complete(m.Gen.Plan) {
		m.do(Halt{})
		m.finish()
		return
	}
	if m.checkpointDue() {
		m.persist()
	}
}

// checkpointDue tells that progress is worth a record. A running hash is known
// to nobody but the record, so it is never allowed to fall far behind.
func (m *machine) checkpointDue() bool {
	if m.c.Now.Sub(m.Persisted) >= m.Traits.Checkpoint {
		return true
	}
	return m.HashesOnTheFly() && m.Gen.Ledger.Bytes()-m.PersistedBytes >= maxWaste
}

func (m *machine) onEnded(ev Ended) {
	if !m.running() || m.Gen.Plan.Size >= 0 {
		return
	}
	m.Gen.Plan.Size = ev.Size
	if err := m.checkDeclaredSize(ev.Size); err != nil {
		m.end(PhaseFailed, err)
		return
	}
	m.do(Halt{})
	m.finish()
}
