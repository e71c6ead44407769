package task

import (
	"crypto/sha256"
	"encoding/base32"
	"maps"
	"net/url"
	"slices"
	"strings"

	"godwit/transfer"
)

// Vars are what the variables of a Submit's template stand for: id and
// destination of a member, the last segment of that destination, the completion
// group and the task.
type Vars struct{ ID, Name, Destination, Group, Task string }

// VarsOf are the variables for a member of a group. Member is its id,
// destination its canonical destination.
func VarsOf(member, destination, group, task string) Vars {
	return Vars{ID: member, Name: lastSegment(destination), Destination: destination, Group: group, Task: task}
}

// lastSegment is the name at the end of a destination. Only URLs have queries
// and escapes; one that would hide a slash stays as it is.
func lastSegment(destination string) string {
	path := destination
	if httpURL(destination) {
		path, _, _ = strings.Cut(destination, "?")
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	if plain, err := url.PathUnescape(name); httpURL(destination) && err == nil && !strings.Contains(plain, "/") {
		return plain
	}
	return name
}

func httpURL(text string) bool {
	scheme, _, found := strings.Cut(text, "://")
	return found && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

func (v Vars) values() map[string]string {
	return map[string]string{"id": v.ID, "name": v.Name, "destination": v.Destination, "group": v.Group, "task": v.Task}
}

// Expand makes the transfer of one member from a template: its source, mirrors,
// destination, label values and group are filled in, its id follows from task
// and member, and it is normal. In a text that is an http URL values are
// percent-encoded, so that a name stays one segment or one parameter; elsewhere
// they are taken as they are, and what is not acceptable then is refused.
//
// It fails with template.invalid or an error of transfer.Normalize.
func Expand(template transfer.Spec, v Vars) (transfer.Spec, *transfer.Error) {
	e := expander{plain: v.values()}
	out := template
	out.ID = SubmitID(v.Task, v.ID)
	out.Source = e.end(template.Source, "submit.transfer.source")
	out.Destination = e.end(template.Destination, "submit.transfer.destination")
	out.Group = e.text(template.Group, "submit.transfer.group")
	out.Mirrors = slices.Clone(template.Mirrors)
	for i, mirror := range template.Mirrors {
		out.Mirrors[i] = e.end(mirror, "submit.transfer.mirrors")
	}
	out.Labels = maps.Clone(template.Labels)
	for _, key := range slices.Sorted(maps.Keys(template.Labels)) {
		out.Labels[key] = e.text(template.Labels[key], "submit.transfer.labels")
	}
	if e.err != nil {
		return transfer.Spec{}, e.err
	}
	return transfer.Normalize(out)
}

// SubmitID is the id of the transfer that a task makes of a member: the same
// whichever node makes it, and however often.
func SubmitID(task, member string) string {
	sum := sha256.Sum256([]byte(task + "\x00" + member))
	return "s" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// expander fills in texts and remembers the first error.
type expander struct {
	plain map[string]string
	err   *transfer.Error
}

func (e *expander) text(text, field string) string { return e.expand(text, field, e.plain) }

// end fills in a source or a destination.
func (e *expander) end(text, field string) string {
	if !httpURL(text) {
		return e.expand(text, field, e.plain)
	}
	_, authority, _ := strings.Cut(text, "://")
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority = authority[:i]
	}
	if strings.ContainsAny(authority, "{}") && e.err == nil {
		// The name of a file must not choose whom we talk to.
		e.err = invalid(transfer.CodeTemplate, field, "the host of a URL takes no variables")
	}
	encoded := make(map[string]string, len(e.plain))
	for name, value := range e.plain {
		encoded[name] = percentEncode(value)
	}
	return e.expand(text, field, encoded)
}

func (e *expander) expand(text, field string, values map[string]string) string {
	out, err := transfer.ExpandTemplate(text, field, values)
	if err != nil && e.err == nil {
		e.err = err
	}
	return out
}

// percentEncode leaves unreserved characters only (RFC 3986, section 2.3).
func percentEncode(s string) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			out.WriteByte(c)
		default:
			out.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return out.String()
}

// checkTemplate finds out whether a template can ever make a transfer, by making
// one of a member of each kind.
func checkTemplate(template *transfer.Spec) *transfer.Error {
	if template == nil {
		return invalid(transfer.CodeTemplate, "submit.transfer", "a template is needed")
	}
	var first *transfer.Error
	for _, destination := range []string{"file:///folder/name", "s3://bucket/name", "https://host/name"} {
		_, err := Expand(*template, VarsOf("member", destination, "group", "task"))
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}
