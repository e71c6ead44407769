package transfer

import "time"

// Event is an input of Apply. The set is closed.
type Event interface{ event() }

// Commands of a user. Each may be refused, see Apply.
type (
	// Start lets an idle transfer run.
	Start struct{}
	// Pause stops it until Resume, keeping its bytes.
	Pause struct{}
	// Resume takes back Pause, and an error pause.
	Resume struct{}
	// Cancel ends it for good and removes its bytes.
	Cancel struct{ By, Reason string }
	// Retry makes a failed transfer run again with the bytes it has.
	Retry struct{}
	// Acknowledge says that the end of a transfer was noticed.
	Acknowledge struct{}
	// Purge deletes a transfer that has ended, and what a failed one keeps. With
	// a time it means only one that ended before then.
	Purge struct{ EndedBefore time.Time }
	// Update replaces what may change while a transfer is not running: nil
	// fields stay.
	Update struct {
		Source *string
		// Headers replaces all headers. Of what remains, those named are removed,
		// those to be set take the place of others of their name, and those to be
		// appended are added. Names are canonical. Headers and SetHeaders do not
		// come together.
		Headers       *[]Header
		RemoveHeaders []string
		SetHeaders    []Header
		AppendHeaders []Header

		Priority  *Priority
		Cost      *CostPolicy
		RateLimit *int64
		// Group moves it to another transfer group; CompletionGroup makes it a
		// member of another completion group. Empty ones are none.
		Group, CompletionGroup *string
	}
)

// What the shell reports.
type (
	// Recovered says that another incarnation owned the transfer before: what
	// it did after its last record is unknown.
	Recovered struct{}
	// Granted gives the transfer a slot.
	Granted struct{}
	// Revoked takes the slot away (a graceful stop): it queues again. Unsent: the
	// Send that was asked for last has not begun.
	Revoked struct{ Unsent bool }
	// Opened is the answer to Open.
	Opened struct {
		Response  Response
		Validator Validator
		// Size of the whole content in bytes, or UnknownSize.
		Size int64
		// Offset is where the body begins; an answer to a ranged request may
		// still begin at 0.
		Offset int64
		// Ranges tells that the far side serves ranges.
		Ranges bool
	}
	// OpenFailed says that no answer could be used.
	OpenFailed struct{ Err *Error }
	// BodyLost says that the body of the request is not what it was at creation:
	// nothing can be asked for any more.
	BodyLost struct{ Err *Error }
	// DestinationExists is the answer to CheckDestination when there is an
	// object.
	DestinationExists struct{}
	// DestinationFree is the answer to CheckDestination when there is none.
	DestinationFree struct{}
	// Begun is the answer to Begin.
	Begun struct{ Upload UploadRef }
	// PartsFound is the answer to ListParts: what is stored intact.
	PartsFound struct{ Parts []Part }
	// PartStored reports one more part, with the hash state if it is computed
	// on the fly.
	PartStored struct {
		Part        Part
		Hashed      []byte
		HashedBytes int64
	}
	// Ended says that a stream of unknown length ended cleanly after Size bytes.
	Ended struct{ Size int64 }
	// FetchFailed says that one connection failed. Active is how many others
	// still run.
	FetchFailed struct {
		Err    *Error
		Active int
	}
	// Digested is the answer to Digest.
	Digested struct{ SHA256 string }
	// Published is the answer to Complete, with the CRC-64/NVME of the whole
	// content, combined from its parts.
	Published struct{ CRC64 uint64 }
	// StoreFailed says that Begin, ListParts, Digest, Complete or a part failed
	// at the store.
	StoreFailed struct {
		// UploadLost: the upload is gone; PartLost: some of its parts are.
		UploadLost, PartLost bool
		// Exists: the destination appeared meanwhile.
		Exists bool
		Err    *Error
	}
	// Woken says that it may be time for what a paused transfer does by itself.
	Woken struct{}
	// Announced is the answer to Announce.
	Announced struct{}
	// Resolved is the answer to Resolve: whether the resolver knows better, and
	// which URL and headers are to be used then; nil for those there are. Headers
	// takes the place of all.
	Resolved struct {
		Found   bool
		Source  *string
		Headers *[]Header
	}
	// Probed is the answer to Probe.
	Probed struct {
		Protocol Protocol
		Reason   string
	}
	// SessionOpened is the answer to OpenSession.
	SessionOpened struct{ Session Session }
	// SessionFound is the answer to FindSession: how many bytes, in order from 0,
	// the far side has.
	SessionFound struct {
		Offset  int64
		Expires time.Time
	}
	// Confirmed says that the far side has Offset bytes, whose CRC-64/NVME it is.
	Confirmed struct {
		Offset  int64
		CRC64   uint64
		Expires time.Time
	}
	// PartSent says that the far side has one more part.
	PartSent struct{ Part SessionPart }
	// Answered says that the far side has taken the upload: its answer, the first
	// bytes of the answer's body and how long that is (or UnknownSize), and the
	// CRC-64/NVME of what was sent.
	Answered struct {
		Response Response
		Body     []byte
		BodySize int64
		CRC64    uint64
	}
	// SendFailed says that a request of an upload failed.
	SendFailed struct {
		Err *Error
		// Unknown: the far side may have carried it out. Lost: the far side has
		// forgotten the session. Sent: content was sent.
		Unknown, Lost, Sent bool
		// Response is the answer, if there was one, as in Answered.
		Response Response
		Body     []byte
		BodySize int64
	}
	// Removed is the answer to Remove.
	Removed struct{ Upload UploadRef }
	// RemoveFailed is the other answer to Remove.
	RemoveFailed struct {
		Upload UploadRef
		Err    *Error
	}
)

func (Start) event()             {}
func (Pause) event()             {}
func (Resume) event()            {}
func (Cancel) event()            {}
func (Retry) event()             {}
func (Acknowledge) event()       {}
func (Purge) event()             {}
func (Update) event()            {}
func (Recovered) event()         {}
func (Granted) event()           {}
func (Revoked) event()           {}
func (Opened) event()            {}
func (OpenFailed) event()        {}
func (BodyLost) event()          {}
func (DestinationExists) event() {}
func (DestinationFree) event()   {}
func (Begun) event()             {}
func (PartsFound) event()        {}
func (PartStored) event()        {}
func (Ended) event()             {}
func (FetchFailed) event()       {}
func (Digested) event()          {}
func (Published) event()         {}
func (StoreFailed) event()       {}
func (Woken) event()             {}
func (Announced) event()         {}
func (Resolved) event()          {}
func (Probed) event()            {}
func (SessionOpened) event()     {}
func (SessionFound) event()      {}
func (Confirmed) event()         {}
func (PartSent) event()          {}
func (Answered) event()          {}
func (SendFailed) event()        {}
func (Removed) event()           {}
func (RemoveFailed) event()      {}

// Context is what an event brings along from the world: the core has no clock
// and no randomness of its own.
type Context struct {
	Now time.Time
	// Random is uniform in [0,1), for jitter.
	Random float64
	// Node is where it happens.
	Node string
	// OnWire is how many bytes this incarnation received since the last event.
	OnWire int64
}
