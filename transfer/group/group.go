package group

import "time"

// Behavior says how many members of a group run at a time.
type Behavior string

// The behaviors. Parallel is the default.
const (
	// Parallel: as many as Spec.Limit says.
	Parallel Behavior = "PARALLEL"
	// Serialized: one.
	Serialized Behavior = "SERIALIZED"
)

// Spec is what a user asked for.
type Spec struct {
	Name     string
	Behavior Behavior
	// Limit is how many members run at a time; 0 for no limit. It is 1 when
	// serialized.
	Limit int
	// StrictOrder: a member that is paused, or waits to try again, keeps its
	// turn.
	StrictOrder bool
	Labels      map[string]string
}

// State is what the record says about a group.
type State struct {
	Spec   Spec
	Paused bool
	// Places are those of members that were moved, in nanoseconds since 1970: as
	// if they had been created then.
	Places           map[string]int64
	Created, Updated time.Time
}

// Where is where a member is moved.
type Where string

// The places.
const (
	First Where = "FIRST"
	Last  Where = "LAST"
	// Before and After another member.
	Before Where = "BEFORE"
	After  Where = "AFTER"
	// PlayFromHere moves all that precede the member behind the last one, and
	// takes the turns of those that run.
	PlayFromHere Where = "PLAY_FROM_HERE"
)

// Move changes the place of a member.
type Move struct {
	ID    string
	Where Where
	// Other is the member that Before and After are about.
	Other string
}

// Change is what a user wants changed: nil fields stay.
type Change struct {
	Behavior    *Behavior
	Limit       *int
	StrictOrder *bool
	Paused      *bool
	Move        *Move
}
