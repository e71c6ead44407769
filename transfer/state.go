package transfer

import "time"

// Phase is where a transfer is in its life. See the diagram in the package
// documentation; Status is what users see of it.
type Phase string

// The phases.
const (
	// PhaseIdle waits for the start command.
	PhaseIdle Phase = "IDLE"
	// PhaseQueued wants to run and waits for a slot, or for State.NotBefore.
	PhaseQueued Phase = "QUEUED"
	// PhaseRunning has a slot: it opens the source, builds the object, fetches.
	PhaseRunning Phase = "RUNNING"
	// PhaseVerifying has every byte and reads the object back for its digest.
	PhaseVerifying Phase = "VERIFYING"
	// PhaseCompleting publishes the object. From here on only the object store
	// decides between COMPLETED and another try: no pause, and a cancel only
	// takes the place of the other try.
	PhaseCompleting Phase = "COMPLETING"
	PhasePaused     Phase = "PAUSED"
	PhaseCompleted  Phase = "COMPLETED"
	PhaseCanceled   Phase = "CANCELED"
	PhaseFailed     Phase = "FAILED"
)

// Terminal phases are never left, except by the retry command on a failed one.
func (p Phase) Terminal() bool {
	return p == PhaseCompleted || p == PhaseCanceled || p == PhaseFailed
}

// Status is the phase in the words of the API.
func (p Phase) Status() string {
	if p == PhaseVerifying || p == PhaseCompleting {
		return string(PhaseRunning)
	}
	return string(p)
}

// PauseReason is one reason not to run. A transfer runs only when it has none.
type PauseReason string

// The pause reasons, in the order they are shown.
const (
	PauseApplication      PauseReason = "APPLICATION"
	PauseCostedNetwork    PauseReason = "COSTED_NETWORK"
	PauseNoNetwork        PauseReason = "NO_NETWORK"
	PauseRecoverableError PauseReason = "RECOVERABLE_ERROR"
	PauseSystemPolicy     PauseReason = "SYSTEM_POLICY"
)

// Traits are what the core must know of the destination's store.
type Traits struct {
	// MinPart, MaxPart and PreferredPart are in bytes.
	MinPart, MaxPart, PreferredPart int64
	MaxParts                        int
	// Derivable: an upload's handle follows from its token, so that it is
	// found again although no record names it.
	Derivable bool
	// ReadBack: an unpublished object can be read, so that its digest need not
	// be computed while the bytes arrive.
	ReadBack bool
	// Checkpoint is the least time between two records of mere progress.
	Checkpoint time.Duration
}

// UploadRef names an object under construction in the destination's store.
type UploadRef struct{ Name, ID string }

// Part is one stored part. Number counts from 1.
type Part struct {
	Number       int
	Offset, Size int64
	ETag         string
	CRC64        uint64
}

// Generation is the state of one version of the content. Parts of two
// generations never meet: each has an upload of its own.
type Generation struct {
	// Number counts from 1; 0 means that no answer was accepted yet.
	Number int
	// Source says which of the sources answered (see State.SourceIndex); -1 when
	// that one was replaced since.
	Source    int
	Validator Validator
	// Plan says where the parts lie.
	Plan Plan
	// Resumable: ranges work and the validator allows to join answers.
	Resumable bool
	// Token names the object under construction, Upload is the store's handle;
	// both are empty until the object was begun.
	Token  string
	Upload UploadRef
	// Ledger holds the stored parts.
	Ledger Ledger
	// Hashed is the state of the running SHA-256 over the first HashedBytes
	// bytes, nil unless the digest is computed on the fly.
	Hashed      []byte
	HashedBytes int64
}

// Attempt is one request that opened the source.
type Attempt struct {
	Time time.Time
	// URL has no query and no userinfo.
	URL  string
	Node string
	// Offset is where it asked the content to begin.
	Offset int64
	// Status is the HTTP status, 0 without an answer; Err is why the answer was
	// not taken.
	Status int
	Err    *Error
}

// maxHistory bounds the requests that a State remembers.
const maxHistory = 16

// State is everything a record says about a transfer. It is a value owned by
// one actor; Apply is the only function that changes it.
type State struct {
	Spec   Spec
	Traits Traits
	// Nonce makes upload tokens of this transfer unlike any other's, even those
	// of another cluster that uses the same id.
	Nonce  string
	Phase  Phase
	Pauses []PauseReason
	Gen    Generation
	// Session belongs to uploads, in place of Gen; SessionsLost counts how often
	// the far side had forgotten one.
	Session      Session
	SessionsLost int
	// Answer is the body of the far side's answer to an upload; AnswerSize is its
	// length in bytes, which may be more than what was kept, or UnknownSize.
	Answer     []byte
	AnswerSize int64
	// MaybeDuplicate: a request was repeated that may have been carried out.
	MaybeDuplicate bool
	// Begins counts the uploads begun; MaybeBegun tells that one more may exist
	// that no record names.
	Begins     int
	MaybeBegun bool
	// SourceIndex says which of Source and Mirrors is in use; SourcesTried
	// counts how many refused in a row.
	SourceIndex, SourcesTried int
	// Restarts counts how often the transfer began again at byte 0, Changes how
	// often because the content had changed.
	Restarts, Changes int
	// Attempts counts how often it was opened; Failures how often it failed in
	// a row without getting past HighWater bytes.
	Attempts, Failures int
	HighWater          int64
	// History are the last requests that opened the source, oldest first.
	History []Attempt
	// Outages counts how often in a row the network was found missing.
	Outages int
	// AttentionDeadline is when a transfer fails that a declared status has
	// paused, unless somebody attends to it. Resolves counts how often in a row
	// the resolver did not help; Resolving tells that it is being asked, which is
	// not part of the record.
	AttentionDeadline time.Time
	Resolves          int
	Resolving         bool
	// Told: its notifications about the end have become tasks. Announcing tells
	// that they are about to, which is not part of the record.
	Told, Announcing bool
	// NotBefore is when a queued transfer may run, zero for at once; of a paused
	// one, when it looks for the network or asks its resolver again.
	NotBefore time.Time
	Response  Response
	// Err is the last failure: what it waits for, paused for, or failed with.
	Err *Error
	// SHA256 (hex) and CRC64 are of the whole content, once known.
	SHA256   string
	CRC64    uint64
	HasCRC64 bool
	// Skipped: completed without fetching, because the destination existed.
	Skipped bool
	// Garbage are uploads to be removed, whatever else happens.
	Garbage []UploadRef
	// CancelWanted: a cancel came while the result was being published.
	CancelWanted bool
	// CanceledBy and CancelReason say who canceled, or wanted to, and why.
	CanceledBy, CancelReason string
	// OnWire is how many bytes were received in all; it never falls.
	OnWire int64
	// Acknowledged is when somebody said that its end was noticed.
	Acknowledged time.Time
	// Purging: it is being deleted, and this cannot be taken back.
	Purging                    bool
	Created, Updated, Finished time.Time
	// Persisted is when the record was last asked to be written, PersistedBytes
	// what was stored then. Not part of the record.
	Persisted      time.Time
	PersistedBytes int64
}

// Size is that of the whole content in bytes as far as it is known: from the
// source or, before it answered, declared. Otherwise it is UnknownSize.
func (s *State) Size() int64 {
	if s.Spec.Direction == Upload {
		return s.Spec.ContentSize()
	}
	if s.Gen.Number == 0 {
		return s.Spec.Size
	}
	return s.Gen.Plan.Size
}

// Done is the number of bytes stored, or known to have arrived at the far side.
func (s *State) Done() int64 {
	if s.Spec.Direction == Upload {
		if s.Phase == PhaseCompleted {
			return s.Spec.ContentSize()
		}
		return s.Session.Bytes()
	}
	if s.Phase == PhaseCompleted && s.Gen.Plan.Size >= 0 {
		return s.Gen.Plan.Size
	}
	return s.Gen.Ledger.Bytes()
}

// Settled tells that nothing is left to do: the actor may go.
func (s *State) Settled() bool {
	switch s.Phase {
	case PhasePaused:
		return !s.Resolving && !s.Announcing
	case PhaseIdle, PhaseQueued:
		return true
	}
	return s.Phase.Terminal() && s.clean() && !s.Purging && !s.untold()
}

// clean tells that no upload is left to be removed.
func (s *State) clean() bool { return len(s.Garbage) == 0 && !s.MaybeBegun }

// SourceURL is the URL in use at the far side.
func (s *State) SourceURL() string {
	if s.Spec.Direction == Upload {
		return s.Spec.Destination
	}
	if i := s.SourceIndex - 1; i >= 0 && i < len(s.Spec.Mirrors) {
		return s.Spec.Mirrors[i]
	}
	return s.Spec.Source
}

// wantsSHA256 tells that the digest is needed before publishing.
func (s *State) wantsSHA256() bool { return s.Spec.WantSHA256 || s.Spec.SHA256 != "" }

// HashesOnTheFly tells that the digest must be computed while bytes arrive,
// because they cannot be read back before they are published.
func (s *State) HashesOnTheFly() bool { return s.wantsSHA256() && !s.Traits.ReadBack }
