package completion

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"godwit/transfer"
	"godwit/transfer/task"
)

// A history is a text file: a line "spec …", lines "> event …", and after each
// event what Apply made of it: its effects, indented, and a summary of the
// state. Lines that begin with "#" are comments. To accept changed output run
//
//	go test ./transfer/completion -run TestHistories -rewrite
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
				t.Errorf("%s is\n%s", file, got)
			}
		})
	}
}

// history is one run of a script.
type history struct {
	t             *testing.T
	out           bytes.Buffer
	now, start    time.Time
	state, record State
}

func replay(t *testing.T, script string) string {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	h := &history{t: t, now: now, start: now}
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
			fmt.Fprintln(&h.out, line)
		case strings.HasPrefix(line, "spec"):
			fmt.Fprintln(&h.out, line)
			h.begin(strings.Fields(line)[1:])
		case strings.HasPrefix(line, "> "):
			fmt.Fprintf(&h.out, "\n%s\n", line)
			h.event(strings.Fields(line[2:]))
		}
	}
	return h.out.String()
}

func (h *history) begin(words []string) {
	spec := Spec{ID: "g", Policy: AllFinished}
	var adopt []string
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "policy":
			spec.Policy = Policy(value)
		case "quorum":
			spec.Quorum = h.number(value)
		case "deadline":
			spec.Deadline = h.now.Add(h.duration(value))
		case "auto-enable":
			spec.AutoEnableAfter = h.duration(value)
		case "start":
			spec.StartOnEnable = true
		case "task":
			spec.Task = &task.Spec{Kind: task.Exec, Command: "c"}
		case "notify":
			spec.Notifications = append(spec.Notifications, transfer.Notification{
				Channel: "log", Success: "{id}_{status}_{completed}/{total}", Failure: "{status}_{failed}_failed_{canceled}_canceled", TTL: time.Hour,
			})
		case "adopt":
			spec.Parent, adopt = "p", strings.Split(value, ",")
		default:
			h.t.Fatalf("no setting is called %q", key)
		}
	}
	state, effects := New(spec, h.now, adopt...)
	h.tell(state, effects, nil)
}

func (h *history) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *history) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

func (h *history) event(words []string) {
	switch words[0] {
	case "wait":
		h.now = h.now.Add(h.duration(words[1]))
		h.apply(Tick{})
	case "kill":
		h.state = reload(h.record)
		h.apply(Recovered{})
	default:
		h.apply(h.parse(words[0], words[1:]))
	}
}

func (h *history) parse(name string, args []string) Event {
	switch name {
	case "enable":
		return Enable{}
	case "delete":
		return Delete{}
	case "listed":
		return MembersListed{IDs: args}
	case "listed-finally":
		return MembersListed{IDs: args, Final: true}
	case "task-created":
		return TaskCreated{}
	case "task-succeeded":
		return TaskEnded{Succeeded: true}
	case "task-failed":
		return TaskEnded{Err: transfer.Errorf(transfer.CodeExecFailed, "")}
	case "notified":
		return Notified{Index: h.number(args[0])}
	}
	id := args[0]
	switch name {
	case "join":
		return Join{ID: id}
	case "left":
		return Left{ID: id}
	case "ended":
		return Ended{ID: id, Phase: transfer.Phase(args[1])}
	case "revived":
		return Revived{ID: id}
	case "adopted":
		return Adopted{ID: id}
	case "adopt-failed":
		return AdoptFailed{ID: id}
	}
	h.t.Fatalf("no event is called %q", name)
	return nil
}

func (h *history) apply(ev Event) { h.tell(Apply(h.state, ev, Context{Now: h.now})) }

// tell writes down what came of an event.
func (h *history) tell(state State, effects []Effect, err *transfer.Error) {
	h.state = state
	for _, e := range effects {
		if _, ok := e.(Persist); ok {
			h.record = reload(state)
		}
		fmt.Fprintf(&h.out, "    %s\n", h.effect(e))
	}
	if err != nil {
		fmt.Fprintf(&h.out, "    refused: %v\n", err)
	}
	fmt.Fprintln(&h.out, h.summary())
}

func (h *history) effect(e Effect) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", e), "completion.")
	switch e := e.(type) {
	case ListMembers:
		return fmt.Sprintf("%s final %v", name, e.Final)
	case StartMembers:
		return fmt.Sprintf("%s %v", name, e.IDs)
	case CancelMembers:
		return fmt.Sprintf("%s %v", name, e.IDs)
	case Adopt:
		return fmt.Sprintf("%s %v from %s", name, e.IDs, e.From)
	case CreateTask:
		return fmt.Sprintf("%s %s %s", name, e.ID, e.Spec.Kind)
	case AskTask:
		return fmt.Sprintf("%s %s", name, e.ID)
	case Notify:
		return fmt.Sprintf("%s %d %s %q until %v", name, e.Index, e.ID, e.Spec.Text, e.Spec.Expires.Sub(h.start))
	case WakeAt:
		if e.Time.IsZero() {
			return name + " never"
		}
		return fmt.Sprintf("%s %v", name, e.Time.Sub(h.start))
	}
	return name
}

// summary is the state in one line, without what is at its default.
func (h *history) summary() string {
	s := &h.state
	out := string(s.Phase)
	add := func(when bool, format string, args ...any) {
		if when {
			out += " " + fmt.Sprintf(format, args...)
		}
	}
	add(s.Sealed, "sealed")
	add(len(s.Adopting) > 0, "adopting %v", s.Adopting)
	add(len(s.Members) > 0, "members %d", len(s.Members))
	add(s.Completed > 0, "completed %d", s.Completed)
	add(s.Failed > 0, "failed %d", s.Failed)
	add(s.Canceled > 0, "canceled %d", s.Canceled)
	waiting := s.WaitingOn(100)
	add(len(waiting) > 0, "waiting on %v", waiting)
	add(len(s.Unsuccessful) > 0, "unsuccessful %v", s.Unsuccessful)
	add(s.TaskID != "", "task %s", s.TaskID)
	add(s.Err != nil, "error %v", s.Err)
	return out
}

// reload makes what a new owner reads from the record of a state.
func reload(s State) State {
	r := s
	r.memory, r.Members = memory{}, nil
	r.Adopting, r.Unsuccessful = slices.Clone(s.Adopting), slices.Clone(s.Unsuccessful)
	if s.Sealed {
		r.Members = map[string]transfer.Phase{}
		for id := range maps.Keys(s.Members) {
			r.Members[id] = ""
		}
	}
	return r
}
