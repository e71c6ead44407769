package task

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"godwit/transfer"
)

// A history is a text file: a line "spec …", lines "> event …", and after each
// event what Apply made of it: its effects, indented, and a summary of the
// state. Lines that begin with "#" are comments. To accept changed output run
//
//	go test ./transfer/task -run TestHistories -rewrite
var rewrite = flag.Bool("rewrite", false, "rewrite the histories in testdata")

func TestHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d histories (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s is now\n%s", file, got)
			}
		})
	}
}

// history is one run of a script.
type history struct {
	t             *testing.T
	out           bytes.Buffer
	now           time.Time
	state, record State
}

func replay(t *testing.T, script string) string {
	h := &history{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "#"):
			fmt.Fprintln(&h.out, line)
		case strings.HasPrefix(line, "spec"):
			fmt.Fprintln(&h.out, line)
			h.begin(fields[1:])
		case strings.HasPrefix(line, "> "):
			fmt.Fprintf(&h.out, "\n%s\n", line)
			h.event(fields[1], fields[2:])
		}
	}
	return h.out.String()
}

func (h *history) begin(args []string) {
	spec := Spec{Kind: Kind(strings.ToUpper(args[0])), Command: "c", Channel: "ch"}
	if d := h.named(args, "expires"); d != "" {
		spec.Expires = h.now.Add(h.duration(d))
	}
	h.state = New("task", spec, h.now)
	h.record = copyState(h.state)
}

func copyState(s State) State {
	s.History, s.Submitted = slices.Clone(s.History), slices.Clone(s.Submitted)
	return s
}

func (h *history) named(args []string, name string) string {
	for _, arg := range args {
		if k, v, ok := strings.Cut(arg, "="); ok && k == name {
			return v
		}
	}
	return ""
}

func (h *history) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

func (h *history) event(name string, args []string) {
	number := h.state.Attempts
	if n := h.named(args, "number"); n != "" {
		number, _ = strconv.Atoi(n)
	}
	a := Attempt{Start: h.now, End: h.now.Add(time.Second), Node: "n1"}
	switch name {
	case "pass":
		h.now = h.now.Add(h.duration(args[0]))
	case "kill":
		h.state = copyState(h.record)
		h.apply(Recovered{})
	case "recovered":
		h.apply(Recovered{})
	case "due":
		if h.state.NotBefore.After(h.now) && !slices.Contains(args, "early") {
			h.now = h.state.NotBefore
		}
		h.apply(Due{})
	case "ok":
		ev := Delivered{Number: number, Attempt: a}
		if s := h.named(args, "submitted"); s != "" {
			ev.Submitted = strings.Split(s, ",")
		}
		h.apply(ev)
	case "fail":
		a.Err = &transfer.Error{Code: transfer.Code(args[0])}
		if d := h.named(args, "retry-after"); d != "" {
			a.Err.RetryAfter = h.duration(d)
		}
		ev := Delivered{Number: number, Attempt: a}
		if s := h.named(args, "submitted"); s != "" {
			ev.Submitted = strings.Split(s, ",")
		}
		h.apply(ev)
	case "interrupted":
		h.apply(Interrupted{Number: number, Attempt: a})
	case "redeliver":
		h.apply(Redeliver{})
	default:
		h.t.Fatalf("no event is called %q", name)
	}
}

// apply feeds one event and writes down what came of it.
func (h *history) apply(ev Event) {
	state, effects, err := Apply(h.state, ev, Context{Now: h.now, Node: "n1", Random: 0.5})
	if err != nil {
		h.t.Fatal(err)
	}
	h.state = state
	for _, e := range effects {
		text := strings.TrimPrefix(fmt.Sprintf("%T", e), "task.")
		switch e := e.(type) {
		case Persist:
			h.record = copyState(state)
		case Deliver:
			text += fmt.Sprintf(" %d", e.Number)
		case Wait:
			text += fmt.Sprintf(" %v", e.Until.Sub(h.now))
		}
		fmt.Fprintf(&h.out, "    %s\n", text)
	}
	fmt.Fprintln(&h.out, h.summary())
}

// summary is the state in one line, without what is at its default.
func (h *history) summary() string {
	s := &h.state
	out := fmt.Sprintf("%s attempts %d planned %d", s.Phase, s.Attempts, s.Planned)
	if len(s.History) > 0 {
		out += " history"
		for _, a := range s.History {
			switch {
			case a.End.IsZero():
				out += " begun"
			case a.Err == nil:
				out += " ok"
			default:
				out += " " + string(a.Err.Code)
			}
		}
	}
	if len(s.Submitted) > 0 {
		out += fmt.Sprintf(" submitted %v", s.Submitted)
	}
	if s.Err != nil {
		out += " error " + string(s.Err.Code)
	}
	if !s.Finished.IsZero() {
		out += " finished"
	}
	return out
}
