package transfer

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
)

// A history is a text file: a line "spec …", lines "> event …", and after each
// event what Apply made of it: its effects, indented, and a summary of the
// state. Lines that begin with "#" are comments. To accept changed output run
//
//	go test ./transfer -run TestHistories -rewrite
var rewrite = flag.Bool("rewrite", false, "rewrite the histories in testdata")

func TestHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 20 {
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
				t.Errorf("%s\n%s", file, firstDifference(got, string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			return fmt.Sprintf("line %d\n got: %s\nwant: %s", i+1, g[i], strings.Join(w[min(i, len(w)):min(i+1, len(w))], ""))
		}
	}
	return fmt.Sprintf("it ends after line %d", len(g))
}

// history is one run of a script.
type history struct {
	t             *testing.T
	out           bytes.Buffer
	now           time.Time
	state, record State
	uploads       int
	digest        string
}

func replay(t *testing.T, script string) string {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	h := &history{t: t, now: now, digest: strings.Repeat("ab", 32)}
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
			fmt.Fprintln(&h.out, line)
		case strings.HasPrefix(line, "spec"):
			fmt.Fprintln(&h.out, line)
			h.begin(parseWords(line))
		case strings.HasPrefix(line, "> "):
			fmt.Fprintf(&h.out, "\n%s\n", line)
			h.event(parseWords(line[2:]))
		}
	}
	return h.out.String()
}

// words are a name, plain arguments and named ones.
type words struct {
	name  string
	args  []string
	named map[string]string
}

func parseWords(line string) words {
	fields := strings.Fields(line)
	w := words{name: fields[0], named: map[string]string{}}
	for _, f := range fields[1:] {
		if k, v, ok := strings.Cut(f, "="); ok {
			w.named[k] = v
		} else {
			w.args = append(w.args, f)
		}
	}
	return w
}

func (w words) has(arg string) bool { return slices.Contains(w.args, arg) }

func (w words) number(t *testing.T, key string, otherwise int64) int64 {
	s, ok := w.named[key]
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (h *history) begin(w words) {
	spec := Spec{
		ID: "t", Source: "http://origin/x", Destination: "file:///d/x", Method: "GET", PartSize: 10,
		Size: w.number(h.t, "size", UnknownSize), Retries: int(w.number(h.t, "retries", 3)),
		WantSHA256: w.has("digest"), IfExists: IfExists(strings.ToUpper(w.named["if-exists"])),
	}
	if w.has("checksum") {
		spec.SHA256 = h.digest
	}
	if w.has("mirror") {
		spec.Mirrors = []string{"http://mirror/x"}
	}
	if n := w.number(h.t, "recoverable", 0); n > 0 {
		spec.Recoverable = []int{int(n)}
	}
	if w.has("resolver") {
		spec.Resolver = Webhook{URL: "https://resolver/"}
	}
	if m := w.named["method"]; m != "" {
		spec.Method = m
	}
	if p := w.named["upload"]; p != "" {
		outgoing(w, Protocol(p), &spec, h.t)
	}
	h.state = State{Spec: spec, Nonce: "n", Phase: PhaseIdle, Created: h.now, Traits: Traits{
		MinPart: 1, MaxPart: 1 << 30, PreferredPart: 10, MaxParts: 100,
		Derivable: !w.has("s3"), ReadBack: !w.has("s3"), Checkpoint: 10 * time.Second,
	}}
	h.record = copyState(h.state)
}

func (h *history) event(w words) {
	switch w.name {
	case "wait":
		d, err := time.ParseDuration(w.args[0])
		if err != nil {
			h.t.Fatal(err)
		}
		h.now = h.now.Add(d)
		return
	case "wake":
		if at := h.state.WakeAt(); at.After(h.now) {
			fmt.Fprintf(&h.out, "    after %v\n", at.Sub(h.now))
			h.now = at
		}
		h.apply(Woken{})
		return
	case "history":
		h.history()
		return
	case "kill":
		h.state = copyState(h.record)
		h.apply(Recovered{})
		return
	}
	h.apply(h.parse(w))
}

func (h *history) parse(w words) Event {
	switch w.name {
	case "start":
		return Start{}
	case "pause":
		return Pause{}
	case "resume":
		return Resume{}
	case "cancel":
		return Cancel{By: "user"}
	case "retry":
		return Retry{}
	case "acknowledge":
		return Acknowledge{}
	case "purge":
		return Purge{}
	case "update":
		return parseUpdate(w)
	case "woken":
		return Woken{}
	case "resolved":
		u := parseUpdate(w)
		return Resolved{Found: !w.has("none"), Source: u.Source, Headers: u.Headers}
	case "granted":
		return Granted{}
	case "revoked":
		return Revoked{}
	case "body-lost":
		return BodyLost{Err: Errorf(CodeSourceChanged, "")}
	case "exists":
		return DestinationExists{}
	case "free":
		return DestinationFree{}
	default:
		return h.report(w)
	}
}

// history shows the requests that are remembered.
func (h *history) history() {
	for _, a := range h.state.History {
		fmt.Fprintf(&h.out, "    %s from %d: %d %s\n", a.URL, a.Offset, a.Status, codeOf(a.Err))
	}
}

func parseUpdate(w words) Update {
	ev := Update{}
	if len(w.args) > 0 && w.args[0] != "none" {
		ev.Source = &w.args[0]
	}
	header := func(key string) []Header {
		if name, value, ok := strings.Cut(w.named[key], ":"); ok {
			return []Header{{Name: name, Value: value}}
		}
		return nil
	}
	ev.SetHeaders, ev.AppendHeaders = header("set"), header("append")
	if name, ok := w.named["remove"]; ok {
		ev.RemoveHeaders = []string{name}
	}
	if _, ok := w.named["replace"]; ok {
		headers := header("replace")
		ev.Headers = &headers
	}
	return ev
}

// report parses what workers report.
func (h *history) report(w words) Event {
	switch w.name {
	case "opened":
		return Opened{
			Validator: Validator{ETag: w.named["etag"]}, Size: w.number(h.t, "size", UnknownSize),
			Offset: w.number(h.t, "offset", 0), Ranges: w.has("ranges"),
			Response: Response{StatusCode: 200},
		}
	case "open-failed":
		return OpenFailed{Err: h.failure(w)}
	case "begun":
		h.uploads++
		return Begun{Upload: UploadRef{Name: "/d/x", ID: fmt.Sprintf("u%d", h.uploads)}}
	case "found":
		return PartsFound{Parts: h.parts(w)}
	case "part":
		return PartStored{Part: h.parts(w)[0]}
	case "ended":
		return Ended{Size: w.number(h.t, "size", 0)}
	case "fetch-failed":
		return FetchFailed{Err: h.failure(w), Active: int(w.number(h.t, "active", 0))}
	case "digested":
		if w.has("right") {
			return Digested{SHA256: h.digest}
		}
		return Digested{SHA256: strings.Repeat("00", 32)}
	case "published":
		return Published{CRC64: 1}
	case "store-failed":
		return StoreFailed{
			UploadLost: w.has("upload-lost"), PartLost: w.has("part-lost"), Exists: w.has("exists"), Err: h.failure(w),
		}
	case "removed":
		return Removed{Upload: h.garbage(w.args[0])}
	case "remove-failed":
		return RemoveFailed{Upload: h.garbage(w.args[0]), Err: Errorf(CodeStoreUnavailable, "")}
	}
	return h.reportSending(w)
}

func (h *history) failure(w words) *Error {
	return &Error{
		Code: Code(w.args[0]), Status: int(w.number(h.t, "status", 0)),
		RetryAfter: time.Duration(w.number(h.t, "retry-after", 0)) * time.Second,
	}
}

func (h *history) parts(w words) []Part {
	var out []Part
	for _, arg := range w.args {
		n, err := strconv.Atoi(arg)
		if err != nil {
			h.t.Fatal(err)
		}
		p := planned(h.state.Gen.Plan, n)
		if size := w.number(h.t, "size", 0); size > 0 {
			p.Size = size
		}
		out = append(out, p)
	}
	return out
}

// apply feeds one event and writes down what came of it.
func (h *history) apply(ev Event) {
	state, effects, err := Apply(h.state, ev, Context{Now: h.now, Random: 0.5})
	h.state = state
	for _, e := range effects {
		if _, ok := e.(Persist); ok {
			h.record = copyState(state)
		}
		fmt.Fprintf(&h.out, "    %s\n", h.effect(e))
	}
	if err != nil {
		fmt.Fprintf(&h.out, "    refused: %v\n", err)
	}
	fmt.Fprintln(&h.out, h.summary())
}

func (h *history) effect(e Effect) string {
	switch e := e.(type) {
	case Open:
		return fmt.Sprintf("Open %s from %d", e.URL, e.Offset)
	case Begin:
		return fmt.Sprintf("Begin %s size %d retry %v", e.Token, e.Size, e.Retry)
	case ListParts:
		return "ListParts " + e.Upload.ID
	case Digest:
		return "Digest " + e.Upload.ID
	case Complete:
		return fmt.Sprintf("Complete %s %s with %d parts, %d bytes, replace %v", e.Upload.ID, e.Token, len(e.Parts), e.Size, e.Replace)
	case Remove:
		return "Remove " + e.Upload.ID
	case Queue:
		if e.NotBefore.IsZero() {
			return "Queue"
		}
		return fmt.Sprintf("Queue after %v", e.NotBefore.Sub(h.now))
	case After:
		return fmt.Sprintf("After %v: %s", e.Delay, h.effect(e.Effect))
	}
	return effectOfSending(e)
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
	add(len(s.Pauses) > 0, "%v", s.Pauses)
	add(s.Gen.Number > 0, "generation %d", s.Gen.Number)
	add(s.Gen.Upload.ID != "", "upload %s", s.Gen.Upload.ID)
	add(s.Gen.Resumable, "resumable")
	add(s.Gen.Ledger.Count() > 0, "parts %v", s.Gen.Ledger.Intervals())
	add(s.MaybeBegun, "maybe-begun")
	add(s.Failures > 0, "failures %d", s.Failures)
	add(s.Restarts > 0, "restarts %d", s.Restarts)
	add(s.Changes > 0, "changes %d", s.Changes)
	add(s.SourceIndex > 0, "on the mirror")
	add(len(s.Garbage) > 0, "garbage %d", len(s.Garbage))
	add(s.Skipped, "skipped")
	h.session(add)
	add(!s.Acknowledged.IsZero(), "acknowledged")
	add(s.Purging, "purging")
	add(s.CancelWanted, "cancel wanted")
	add(s.Outages > 0, "outages %d", s.Outages)
	add(s.Resolves > 0, "resolves %d", s.Resolves)
	add(s.Resolving, "resolving")
	add(!s.AttentionDeadline.IsZero(), "fails in %v", s.AttentionDeadline.Sub(h.now))
	add(s.CanceledBy != "", "by %s", s.CanceledBy)
	for _, header := range s.Spec.Headers {
		add(true, "%s:%s", header.Name, header.Value)
	}
	add(s.Err != nil && s.Phase != PhaseRunning, "error %v", codeOf(s.Err))
	return out
}

func codeOf(e *Error) Code {
	if e == nil {
		return ""
	}
	return e.Code
}
