package group

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"godwit/transfer"
)

// A history is a text file: a line "spec …", lines "> event …", and after each
// event the plan, indented, and the members in order: "*" after one that has a
// turn, "~" after one that is to give it back. What a plan grants is in effect at
// once, what it takes back when the member says so with "> gave a". To accept
// changed output run
//
//	go test ./transfer/group -run TestHistories -rewrite
var rewrite = flag.Bool("rewrite", false, "rewrite the histories in testdata")

func TestHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 8 {
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
	t       *testing.T
	out     bytes.Buffer
	now     time.Time
	state   State
	members *Members
}

func replay(t *testing.T, script string) string {
	h := &history{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), members: NewMembers()}
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
			words := strings.Fields(line[2:])
			h.event(words[0], words[1:])
			h.plan()
		}
	}
	return h.out.String()
}

func (h *history) begin(words []string) {
	spec := Spec{Name: "q"}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "limit":
			spec.Limit = h.number(value)
		case "serialized":
			spec.Behavior = Serialized
		case "strict":
			spec.StrictOrder = true
		default:
			h.t.Fatalf("no setting is called %q", key)
		}
	}
	normal, err := Normalize(spec)
	if err != nil {
		h.t.Fatal(err)
	}
	h.state = New(normal, h.now)
}

func (h *history) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *history) event(name string, args []string) {
	switch name {
	case "wait":
		d, err := time.ParseDuration(args[0])
		if err != nil {
			h.t.Fatal(err)
		}
		h.now = h.now.Add(d)
	case "add", "add-high", "add-low":
		priority := map[string]transfer.Priority{"add": transfer.PriorityDefault, "add-high": transfer.PriorityHigh, "add-low": transfer.PriorityLow}
		for _, id := range args {
			h.members.Put(Member{ID: id, Priority: priority[name], Created: h.now, Standing: Waiting})
			h.now = h.now.Add(time.Second)
		}
	case "ended":
		h.members.Remove(args[0])
	case "gave":
		h.put(args[0], func(m *Member) { m.Turn = false })
	case "change":
		h.change(args)
	case "move":
		mv := Move{ID: args[0], Where: Where(args[1])}
		if len(args) > 2 {
			mv.Other = args[2]
		}
		h.apply(Change{Move: &mv})
	default:
		h.put(args[0], func(m *Member) {
			m.Standing = Standing(strings.ToUpper(name))
			m.NotBefore = h.now.Add(10 * time.Second)
		})
	}
}

func (h *history) put(id string, change func(*Member)) {
	m, known := h.members.Get(id)
	if !known {
		h.t.Fatalf("no member is called %q", id)
	}
	change(&m)
	h.members.Put(m)
}

func (h *history) change(args []string) {
	key, value, _ := strings.Cut(args[0], "=")
	var c Change
	switch key {
	case "limit":
		n := h.number(value)
		c.Limit = &n
	case "behavior":
		b := Behavior(value)
		c.Behavior = &b
	case "strict":
		is := value == "true"
		c.StrictOrder = &is
	case "paused":
		is := value == "true"
		c.Paused = &is
	}
	h.apply(c)
}

func (h *history) apply(c Change) {
	state, err := ApplyChange(h.state, h.members, c, h.now)
	if err != nil {
		fmt.Fprintf(&h.out, "    refused: %v\n", err)
		return
	}
	h.state = state
}

func (h *history) plan() {
	grant, revoke := Plan(h.state, h.members, h.now)
	taken := map[string]bool{}
	for _, id := range revoke {
		fmt.Fprintf(&h.out, "    revoke %s\n", id)
		taken[id] = true
	}
	for _, id := range grant {
		fmt.Fprintf(&h.out, "    grant %s\n", id)
		h.put(id, func(m *Member) { m.Turn = true })
	}
	var shown []string
	for _, id := range h.members.Order(h.state, 100) {
		m, _ := h.members.Get(id)
		switch {
		case taken[id]:
			id += "~"
		case m.Turn:
			id += "*"
		}
		if m.Standing != Waiting && m.Standing != Running {
			id += "(" + strings.ToLower(string(m.Standing)) + ")"
		}
		shown = append(shown, id)
	}
	fmt.Fprintln(&h.out, strings.Join(shown, " "))
}
