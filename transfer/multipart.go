package transfer

import "strings"

// Segment is a piece of an upload's content: bytes, or what lies at a source.
type Segment struct {
	Text []byte
	// Source is file:// or s3://, "" for Text; Pin is what it must be.
	Source string
	Pin    Pin
}

// Size is the segment's length in bytes.
func (s Segment) Size() int64 {
	if s.Source == "" {
		return int64(len(s.Text))
	}
	return s.Pin.Size
}

// Content is what an upload sends, in order. It is the same each time.
func (s *Spec) Content() []Segment {
	if len(s.Outgoing.Form.Parts) > 0 {
		return s.Outgoing.Form.segments()
	}
	return []Segment{{Source: s.Source, Pin: s.Outgoing.SourcePin}}
}

// ContentSize is the length of an upload's content in bytes.
func (s *Spec) ContentSize() (n int64) {
	for _, segment := range s.Content() {
		n += segment.Size()
	}
	return n
}

// ContentType is that of an upload's content, unless the user's headers have
// one.
func (s *Spec) ContentType() string {
	if f := &s.Outgoing.Form; len(f.Parts) > 0 {
		return `multipart/` + f.Subtype + `; boundary="` + f.Boundary + `"`
	}
	return "application/octet-stream"
}

// segments writes the form as RFC 2046, section 5.1.1, wants it.
func (f *Form) segments() (out []Segment) {
	var text strings.Builder
	for i := range f.Parts {
		p := &f.Parts[i]
		if i > 0 {
			text.WriteString("\r\n")
		}
		text.WriteString("--" + f.Boundary + "\r\n")
		p.writeHeader(&text, f.Subtype)
		if p.Source == "" {
			text.WriteString(p.Text)
			continue
		}
		out = append(out, Segment{Text: []byte(text.String())}, Segment{Source: p.Source, Pin: p.Pin})
		text.Reset()
	}
	text.WriteString("\r\n--" + f.Boundary + "--\r\n")
	return append(out, Segment{Text: []byte(text.String())})
}

func (p *FormPart) writeHeader(w *strings.Builder, subtype string) {
	if subtype == formData {
		w.WriteString(`Content-Disposition: form-data; name="` + escapeQuoted(p.Name) + `"`)
		if p.FileName != "" {
			w.WriteString(`; filename="` + escapeQuoted(p.FileName) + `"`)
		}
		w.WriteString("\r\n")
	} else if p.FileName != "" {
		w.WriteString(`Content-Disposition: attachment; filename="` + escapeQuoted(p.FileName) + "\"\r\n")
	}
	for _, h := range p.Headers {
		w.WriteString(h.Name + ": " + h.Value + "\r\n")
	}
	w.WriteString("\r\n")
}

// formData is the subtype that browsers send (RFC 7578).
const formData = "form-data"

// escapeQuoted writes a name as browsers do (WHATWG HTML, multipart/form-data
// encoding).
func escapeQuoted(name string) string {
	return strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22").Replace(name)
}
