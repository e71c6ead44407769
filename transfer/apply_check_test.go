package transfer

import (
	"testing"
	"time"
)

// Whoever publishes what it has just fetched does not read it again. Who takes that
// over, or tries once more, does: the bytes may have changed meanwhile.
func TestWhatOthersFetchedIsCheckedBeforeItIsPublished(t *testing.T) {
	fetched := State{Phase: PhaseVerifying, Gen: Generation{Number: 1, Upload: UploadRef{Name: "a", ID: "u"}}}
	checks := func(s State, ev Event) (State, bool) {
		t.Helper()
		s, effects, err := Apply(s, ev, Context{Now: time.Unix(2, 0)})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range effects {
			if after, ok := e.(After); ok {
				e = after.Effect
			}
			if c, ok := e.(Complete); ok {
				return s, c.Check
			}
		}
		t.Fatalf("%T publishes nothing: %v", ev, effects)
		return s, false
	}
	done, check := checks(fetched, Digested{SHA256: "0"})
	if check {
		t.Error("what was just fetched is read again")
	}
	if _, check := checks(done, StoreFailed{Err: Errorf(CodeStoreUnavailable, "down")}); !check {
		t.Error("a second attempt does not look at the parts")
	}
	if _, check := checks(done, Granted{}); !check {
		t.Error("who takes it over does not look at the parts")
	}
}
