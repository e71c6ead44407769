package transfer

import (
	"slices"
	"time"
)

// finish is reached when every byte is stored: verify, then publish.
func (m *machine) finish() {
	if !m.wantsSHA256() || m.SHA256 != "" {
		m.publish()
		return
	}
	if m.Gen.HashedBytes == m.Gen.Plan.Size {
		if sum, ok := sumSHA256(m.Gen.Hashed); ok {
			m.verified(sum)
			return
		}
	}
	m.Phase = PhaseVerifying
	m.do(Digest{Upload: m.Gen.Upload})
}

func (m *machine) onDigested(ev Digested) {
	switch {
	case m.Phase == PhaseVerifying:
		m.verified(ev.SHA256)
	case m.uploads() && m.running():
		m.onContentDigested(ev.SHA256)
	}
}

func (m *machine) verified(sum string) {
	if want := m.Spec.SHA256; want != "" && want != sum {
		m.end(PhaseFailed, Errorf(CodeMismatch, "the content has sha256 %s, %s was declared; nothing was published", sum, want))
		return
	}
	m.SHA256 = sum
	m.publish()
}

func (m *machine) publish() {
	m.Phase = PhaseCompleting
	m.persist()
	m.complete(false)
}

// complete publishes. What another owner has fetched, or what was to be published
// long ago, is looked at once more.
func (m *machine) complete(check bool) {
	m.do(m.completion(check))
}

func (m *machine) completion(check bool) Complete {
	return Complete{
		Upload:  m.Gen.Upload,
		Token:   m.Gen.Token,
		Parts:   m.Gen.Ledger.Parts(),
		Size:    m.Gen.Plan.Size,
		Replace: m.Spec.IfExists == IfExistsOverwrite,
		Check:   check,
	}
}

func (m *machine) onPublished(ev Published) {
	if m.Phase != PhaseCompleting {
		return
	}
	m.CRC64, m.HasCRC64 = ev.CRC64, true
	m.Gen.Upload = UploadRef{}
	m.Gen.Hashed = nil
	m.Failures = 0
	m.CancelWanted, m.CanceledBy, m.CancelReason = false, "", ""
	m.end(PhaseCompleted, nil)
}

func (m *machine) onRemoved(ev Removed) {
	if !slices.Contains(m.Garbage, ev.Upload) {
		return // removed twice
	}
	m.Garbage = slices.DeleteFunc(slices.Clone(m.Garbage), func(u UploadRef) bool { return u == ev.Upload })
	if m.Phase.Terminal() && len(m.Garbage) == 0 {
		m.persist()
	}
}

// onRemoveFailed tries again later, of an upload that goes on when it ends; a far
// side is not bothered for ever with what it would forget by itself.
func (m *machine) onRemoveFailed(ev RemoveFailed) {
	switch {
	case m.uploads() && !m.Phase.Terminal():
	case m.uploads() && m.c.Now.Sub(m.Finished) > closePatience:
		m.onRemoved(Removed{Upload: ev.Upload})
	default:
		m.do(After{Delay: Backoff(minStoreRetries, m.c.Random), Effect: Remove{Upload: ev.Upload}})
	}
}

func (m *machine) onOpenFailed(ev OpenFailed) {
	if m.running() {
		m.attempted(ev.Err.Status, ev.Err)
		m.onSourceFailed(ev.Err, 0)
	}
}

// onSourceFailed handles a failed request, with others still running or not.
func (m *machine) onSourceFailed(err *Error, active int) {
	if !m.running() {
		return
	}
	switch err.Code.Class() {
	case Restart:
		m.restart(err)
	case Transient:
		if active > 0 {
			return
		}
		if err.Code == CodeOffline {
			m.offline(err)
			return
		}
		m.retryLater(err, m.Spec.Retries)
	default:
		m.refuse(err)
	}
}

// restart begins again at byte 0 because the bytes so far are of no use.
func (m *machine) restart(err *Error) {
	m.Err = err
	if m.uploads() {
		m.restartSending(err)
		return
	}
	if err.Code == CodeSourceChanged && m.known() {
		m.onChanged(nil)
		return
	}
	m.do(Halt{})
	m.dropGeneration()
	m.retryLater(err, m.Spec.Retries)
}

// retryLater gives the slot back and tries again after a while, until the
// budget is spent. Progress refills the budget.
func (m *machine) retryLater(err *Error, budget int) {
	if m.spent(budget) {
		m.end(PhaseFailed, err)
		return
	}
	m.Err = err
	m.nextSource()
	delay := max(err.RetryAfter, Backoff(m.Failures, m.c.Random))
	m.halt()
	m.queue(m.c.Now.Add(delay))
}

// spent counts a failure and tells that there were more in a row without progress
// than may be.
func (m *machine) spent(budget int) bool {
	if done := m.moved(); done > m.HighWater {
		m.HighWater, m.Failures = done, 0
	}
	m.Failures++
	return m.Failures > budget
}

// refuse handles an answer that will not change: the next mirror, a pause for
// declared statuses, or the end.
func (m *machine) refuse(err *Error) {
	m.SourcesTried++
	switch {
	case m.SourcesTried < m.sourceCount():
		m.Err = err
		m.nextSource()
		m.do(Halt{})
		m.open()
	case err.Status != 0 && slices.Contains(m.Spec.Recoverable, err.Status):
		m.askForAttention(err)
	default:
		m.end(PhaseFailed, err)
	}
}

func (m *machine) onStoreFailed(ev StoreFailed) {
	if m.Phase.Terminal() {
		m.searchFailed(ev.Err)
		return
	}
	if !m.active() {
		return
	}
	definite := ev.Exists || ev.UploadLost || ev.PartLost || ev.Err.Code.Class() != Transient
	switch {
	case m.CancelWanted && definite:
		m.end(PhaseCanceled, nil)
	case ev.Exists && m.Spec.IfExists == IfExistsSkip:
		m.Skipped = true
		m.end(PhaseCompleted, nil)
	case ev.Exists:
		m.end(PhaseFailed, ev.Err)
	case ev.UploadLost:
		// What is left of it, a journal perhaps, goes too.
		m.do(Halt{})
		m.dropGeneration()
		m.retryLater(ev.Err, max(m.Spec.Retries, minStoreRetries))
	case ev.PartLost:
		m.retryLater(ev.Err, max(m.Spec.Retries, minStoreRetries))
	case ev.Err.Code.Class() != Transient:
		m.end(PhaseFailed, ev.Err)
	case m.Phase == PhaseCompleting:
		m.completeLater(ev.Err)
	default:
		m.retryLater(ev.Err, max(m.Spec.Retries, minStoreRetries))
	}
}

// searchFailed searches again later for an upload that may have been begun. A
// store that does not have such a place at all holds nothing there.
func (m *machine) searchFailed(err *Error) {
	switch {
	case !m.MaybeBegun:
	case err.Code == CodeStoreInvalid:
		m.MaybeBegun = false
		m.persist()
	default:
		m.do(After{Delay: Backoff(minStoreRetries, m.c.Random), Effect: m.search()})
	}
}

// completeLater repeats Complete: nobody knows whether it happened, so there is
// no way back.
func (m *machine) completeLater(err *Error) {
	m.Err = err
	m.Failures++
	delay := max(err.RetryAfter, Backoff(m.Failures, m.c.Random))
	m.do(After{Delay: min(delay, 5*time.Minute), Effect: m.completion(true)})
}
