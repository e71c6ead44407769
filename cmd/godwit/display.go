package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/pflag"

	pb "godwit/protos/godwit/v1"
)

// display shows the progress of transfers on standard error. It is safe for
// concurrent use.
type display interface {
	// show takes the newest state of a transfer.
	show(t *pb.Transfer)
	// note writes a line that stays.
	note(line string)
	// close leaves the screen in order; nothing is shown after it.
	close()
}

// quietFlags say how much is shown.
type quietFlags struct {
	quiet, noProgress bool
}

func (q *quietFlags) add(fs *pflag.FlagSet) {
	fs.BoolVarP(&q.quiet, "quiet", "q", false, "show errors only")
	fs.BoolVar(&q.noProgress, "no-progress", false, "do not show progress")
}

// newDisplay chooses by where standard error goes. Expected is the number of
// transfers there will be, 0 when that is open.
func (a *app) newDisplay(q quietFlags, expected int) display {
	switch {
	case q.quiet:
		return silent{w: io.Discard}
	case q.noProgress:
		return silent{w: a.stderr}
	case isTerminal(a.stderr):
		return newBars(a.stderr, expected)
	default:
		return newLines(a.stderr, expected, lineInterval, time.Now)
	}
}

// silent shows only notes.
type silent struct{ w io.Writer }

func (silent) show(*pb.Transfer)  {}
func (s silent) note(line string) { fmt.Fprintln(s.w, line) }
func (silent) close()             {}

// followOne shows a transfer until it is terminal and returns its last state.
// The error, if any, is about the watching, never the transfer's own.
func followOne(ctx context.Context, s *session, t *pb.Transfer, d display) (*pb.Transfer, error) {
	d.show(t)
	for next, err := range s.Watch(ctx, t.GetId()) {
		if err != nil {
			return t, err
		}
		if waits := repairable(next); waits != "" && waits != repairable(t) {
			d.note(waits)
		}
		t = next
		d.show(t)
	}
	return t, nil
}

// repairable says what makes a transfer go on that waits for its user, or "".
func repairable(t *pb.Transfer) string {
	if !slices.Contains(t.GetPauseReasons(), pb.Transfer_RECOVERABLE_ERROR) {
		return ""
	}
	id := quote(t.GetId())
	return fmt.Sprintf("%s waits: %s\n  To go on: godwit transfer set %s --url … (or -H …), then godwit transfer resume %s",
		name(t), trouble(t), id, id)
}

// unfinished tells that a command stopped waiting, not that anything failed.
func unfinished(err error) bool {
	return errors.Is(err, errInterrupted) || errors.Is(err, errTimedOut) || errors.Is(err, context.Canceled)
}
