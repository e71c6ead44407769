package task

import "time"

// Event is an input of Apply. The set is closed.
type Event interface{ event() }

// The events.
type (
	// Recovered says that the state was read from its record: by the owner at
	// first, or by one after another. What happened since the record was written
	// is unknown.
	Recovered struct{}
	// Due says that the time of a Wait has come.
	Due struct{}
	// Delivered is the answer to Attempt, with its number. Submitted are the ids
	// of the transfers that a Submit has created so far.
	Delivered struct {
		Number    int
		Attempt   Attempt
		Submitted []string
	}
	// Interrupted is the other answer to Attempt: it was ended because its node
	// stops or gives the task away, not because of what it did.
	Interrupted struct {
		Number  int
		Attempt Attempt
	}
	// Redeliver is the command of a user: deliver once more, or now.
	Redeliver struct{}
)

func (Recovered) event()   {}
func (Due) event()         {}
func (Delivered) event()   {}
func (Interrupted) event() {}
func (Redeliver) event()   {}

// Effect is an output of Apply: something the shell must do. The set is closed.
// Effects are carried out in order; those after a Persist wait until the record
// is written, and are dropped when another owner has it.
type Effect interface{ effect() }

// The effects.
type (
	// Persist writes the record.
	Persist struct{}
	// Deliver makes an attempt with the number that Attempts has. It is answered
	// by Delivered or Interrupted.
	Deliver struct{ Number int }
	// Wait answers with Due at a time. A later Wait replaces it.
	Wait struct{ Until time.Time }
	// Tell tells what triggered the task how it ended. It may be told twice.
	Tell struct{}
)

func (Persist) effect() {}
func (Deliver) effect() {}
func (Wait) effect()    {}
func (Tell) effect()    {}

// Context is what an event brings along from the world: the core has no clock
// and no randomness of its own.
type Context struct {
	Now time.Time
	// Node is the name of the node that applies the event, for the history.
	Node string
	// Random is uniform in [0,1), for jitter.
	Random float64
}
