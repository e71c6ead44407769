package transfer

import "time"

// Effect is an output of Apply: something the shell must do. The set is
// closed. Effects are carried out in order; those after a Persist wait until
// the record is written, and are dropped when it turns out that another owner
// has it.
type Effect interface{ effect() }

// The effects.
type (
	// Persist writes the record.
	Persist struct{}
	// Open asks the source for its bytes from Offset on, with the generation's
	// validator when Offset is not 0. It is answered by Opened or OpenFailed;
	// the shell keeps the body for the Fetch that follows.
	Open struct {
		URL    string
		Offset int64
	}
	// CheckDestination looks whether the destination exists.
	CheckDestination struct{}
	// Begin starts an object. Answered by Begun or StoreFailed.
	Begin struct {
		Token string
		Size  int64
		Retry bool
		Since time.Time
	}
	// ListParts finds what the upload holds. Answered by PartsFound or
	// StoreFailed.
	ListParts struct{ Upload UploadRef }
	// Fetch fetches all parts that the ledger does not have, using the open
	// body first. Each part is answered by PartStored.
	Fetch struct{}
	// Halt stops everything in flight and closes the body; nothing of it is
	// reported any more. Requests and store calls asked for earlier that have
	// not begun are dropped too, except Remove.
	Halt struct{}
	// Digest reads the object back, or the content of an upload. Answered by
	// Digested, StoreFailed or, of an upload, SendFailed.
	Digest struct{ Upload UploadRef }
	// Complete publishes the object, with Check only after its parts were read once
	// more. Answered by Published or StoreFailed.
	Complete struct {
		Upload  UploadRef
		Token   string
		Parts   []Part
		Size    int64
		Replace bool
		Check   bool
	}
	// Remove aborts an object, or asks the far side to forget an upload: then Name
	// is the protocol and ID the URL. Answered by Removed or RemoveFailed.
	Remove struct{ Upload UploadRef }
	// Probe asks the far side which protocol it speaks. Answered by Probed or
	// SendFailed.
	Probe struct{}
	// OpenSession makes a resource for the upload. Answered by SessionOpened or
	// SendFailed.
	OpenSession struct{}
	// FindSession asks what the far side has. Answered by SessionFound, Answered
	// or SendFailed.
	FindSession struct{}
	// Send sends the content from byte From on, or the parts that are missing. It
	// reports Confirmed and PartSent, and is answered by Answered or
	// SendFailed.
	Send struct{ From int64 }
	// Queue asks for a slot, not before the given time.
	Queue struct{ NotBefore time.Time }
	// Release gives the slot back.
	Release struct{}
	// Announce makes tasks of the notifications. It is answered by Announced.
	Announce struct{}
	// Resolve asks the resolver. It is answered by Resolved.
	Resolve struct{}
	// Delete deletes the record: it is the last effect of a transfer.
	Delete struct{}
	// After runs the effect again later, because it failed.
	After struct {
		Delay  time.Duration
		Effect Effect
	}
)

func (Persist) effect()          {}
func (Open) effect()             {}
func (CheckDestination) effect() {}
func (Begin) effect()            {}
func (ListParts) effect()        {}
func (Fetch) effect()            {}
func (Halt) effect()             {}
func (Digest) effect()           {}
func (Complete) effect()         {}
func (Remove) effect()           {}
func (Probe) effect()            {}
func (OpenSession) effect()      {}
func (FindSession) effect()      {}
func (Send) effect()             {}
func (Queue) effect()            {}
func (Release) effect()          {}
func (Announce) effect()         {}
func (Resolve) effect()          {}
func (Delete) effect()           {}
func (After) effect()            {}
