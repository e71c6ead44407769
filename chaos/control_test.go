package chaos

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"godwit/bug"
)

// control is a seeded bug, and the scenario that is to show it.
type control struct {
	bug bug.Bug
	// promises are those that it may be seen to break, as ids of docs/chaos.md.
	promises []string
	scene    scene
}

// scene is a short scenario that a healthy cluster passes without a complaint.
type scene struct {
	name string
	// play adds to the report of a proof what was broken. It ends the
	// test when it cannot go on, which proves nothing.
	play func(*proof)
}

// scenes of the controls.
var (
	cutFromResults = scene{"cut-s3", func(p *proof) { p.cut("s3", 12*time.Second) }}
	cutFromFiles   = scene{"cut-files", func(p *proof) { p.cut("files", 26*time.Second) }}
	lossyStore     = scene{"lossy-store", (*proof).loseWrites}
	storeAway      = scene{"store-away", (*proof).takeStoreAway}
	powerCut       = scene{"power-cut", (*proof).cutPower}
	otherBytes     = scene{"other-bytes", (*proof).overwritePart}
	wholeAnswer    = scene{"whole-answer", (*proof).answerWhole}
	otherContent   = scene{"other-content", (*proof).changeContent}
	packedContent  = scene{"packed-content", (*proof).packContent}
	groupEnds      = scene{"group-ends", (*proof).endGroup}
	stoppedTask    = scene{"stopped-task", (*proof).stopTask}
)

// controls are all seeded bugs, in the order of package bug.
var controls = []control{
	{bug.DropIfMatch, []string{"S3"}, cutFromResults},
	{bug.TimeoutIsSuccess, []string{"S1", "S3"}, lossyStore},
	{bug.LostIsSuccess, []string{"S3"}, cutFromResults},
	{bug.NoWriteID, []string{"S3", "S6"}, cutFromFiles},
	{bug.CheckpointBeforeSync, []string{"S5"}, powerCut},
	{bug.AppendWholeAnswer, []string{"S2"}, wholeAnswer},
	{bug.IgnoreChange, []string{"S2"}, otherContent},
	{bug.CountReports, []string{"S9"}, groupEnds},
	{bug.WebhookIDPerAttempt, []string{"S8"}, groupEnds},
	{bug.AbortWhenFenced, []string{"S14"}, cutFromResults},
	{bug.CompleteWithListed, []string{"S2"}, otherBytes},
	{bug.TrustAfterPause, []string{"S6"}, stoppedTask},
	{bug.TakeoverOnGossip, []string{"S6"}, cutFromFiles},
	{bug.DecodeGzip, []string{"S2"}, packedContent},
	{bug.NoBackoff, []string{"L6"}, storeAway},
}

// broken finds the promise that a violation is about. What a scene says itself
// begins with the id.
var broken = []struct {
	promise string
	text    *regexp.Regexp
}{
	{"S1", regexp.MustCompile(`was accepted and is not listed|is not listed`)},
	{"S2", regexp.MustCompile(`^the result of .* is not right`)},
	{"S3", regexp.MustCompile(`: rule (chain|epoch|fenced|owner): `)},
	{"S5", regexp.MustCompile(`was fetched with .* more than it has`)},
	{"S8", regexp.MustCompile(`^delivery .* has the id`)},
	{"S9", regexp.MustCompile(`^delivery .*: it has \d+ members`)},
	{"S10", regexp.MustCompile(`: rule terminal: `)},
}

var named = regexp.MustCompile(`^([SL]\d+): `)

// promiseOf is the promise that a violation is about, or "".
func promiseOf(violation string) string {
	if m := named.FindStringSubmatch(violation); m != nil {
		return m[1]
	}
	for _, b := range broken {
		if b.text.MatchString(violation) {
			return b.promise
		}
	}
	return ""
}

// caught is the first violation that is about a promise which the bug may break.
func (c control) caught(r *Report) (promise, violation string) {
	for _, v := range r.Violations {
		if promise := promiseOf(v); slices.Contains(c.promises, promise) {
			return promise, v
		}
	}
	return "", ""
}

// seeded is a node that has the bug that its environment names. One program for
// all bugs takes a fraction of the time that one for each would, and the healthy
// one of a control differs from it in nothing else.
var seeded = sync.OnceValues(func() (string, error) {
	return Build(context.Background(), filepath.Dir(binary), "history", "seeded", "bug_any")
})

// perform plays the scene once against nodes with a bug. It returns nil when the
// scene could not be played.
func (s scene) perform(ctx context.Context, t *testing.T, b bug.Bug, seed uint64, logf func(string, ...any)) *Report {
	t.Helper()
	bin, err := seeded()
	if err != nil {
		t.Fatal(err)
	}
	name := "healthy"
	if b != bug.None {
		name = string(b)
	}
	var report *Report
	t.Run(fmt.Sprintf("%s/%s/%d", s.name, name, seed), func(t *testing.T) {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		p := &proof{T: t, ctx: ctx, binary: bin, bug: b, seed: seed, folder: t.TempDir(), logf: logf}
		s.play(p)
		report = &p.report
	})
	return report
}

// clean fails unless a healthy cluster passes the scene.
func (s scene) clean(ctx context.Context, t *testing.T, logf func(string, ...any)) bool {
	t.Helper()
	if _, err := seeded(); err != nil { // takes its own time
		t.Fatal(err)
	}
	began := time.Now()
	r := s.perform(ctx, t, bug.None, 1, logf)
	if r == nil {
		t.Errorf("%s cannot be played here", s.name)
		return false
	}
	logf("%s, healthy: %d complaints, %.1f s", s.name, len(r.Violations), time.Since(began).Seconds())
	if err := r.Err(); err != nil {
		t.Errorf("%s complains of healthy nodes: %v", s.name, err)
		return false
	}
	return true
}

// outcome is what became of a control.
type outcome struct {
	control
	promise, violation string
	runs               int
	took               time.Duration
}

// try repeats the scene with seeds from 1 on until the bug is caught.
func (c control) try(ctx context.Context, t *testing.T, budget int, logf func(string, ...any)) outcome {
	t.Helper()
	o := outcome{control: c}
	began := time.Now()
	for o.runs < budget && o.promise == "" && ctx.Err() == nil {
		o.runs++
		if r := c.scene.perform(ctx, t, c.bug, uint64(o.runs), logf); r != nil {
			o.promise, o.violation = c.caught(r)
			if o.promise == "" {
				logf("%s escaped run %d; other complaints: %q", c.bug, o.runs, r.Violations)
			}
		}
	}
	o.took = time.Since(began)
	logf("%s", o)
	return o
}

func (o outcome) String() string {
	if o.promise == "" {
		return fmt.Sprintf("%-24s %-15s ESCAPED %d runs, %.0f s", o.bug, o.scene.name, o.runs, o.took.Seconds())
	}
	return fmt.Sprintf("%-24s %-15s %-4s %2d runs %5.1f s  %.160s", o.bug, o.scene.name, o.promise, o.runs, o.took.Seconds(),
		strings.ReplaceAll(o.violation, "\n", " "))
}

// askedControls are the flags of chaos/cmd/controls.
var askedControls struct {
	bug    string
	budget int
}

func init() {
	flag.StringVar(&askedControls.bug, "control.bug", "", "the seeded bugs to look for, with commas between, or all; for chaos/cmd/controls")
	flag.IntVar(&askedControls.budget, "control.budget", 20, "how often a scenario is repeated until it complains")
}

// TestControlsAreWhole: each seeded bug has a control.
func TestControlsAreWhole(t *testing.T) {
	var have []bug.Bug
	for _, c := range controls {
		have = append(have, c.bug)
		if len(c.promises) == 0 || c.scene.play == nil {
			t.Errorf("%s has no scene, or breaks no promise", c.bug)
		}
	}
	if !slices.Equal(have, bug.All) {
		t.Errorf("controls: %q, bugs: %q", have, bug.All)
	}
}

// TestQuickControls: those that take seconds run always.
func TestQuickControls(t *testing.T) {
	for _, c := range controls {
		if !slices.Contains([]bug.Bug{bug.AppendWholeAnswer, bug.IgnoreChange}, c.bug) {
			continue
		}
		if c.scene.clean(t.Context(), t, t.Logf) && c.try(t.Context(), t, 3, t.Logf).promise == "" {
			t.Errorf("%s escaped", c.bug)
		}
	}
}
