package transfer

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a form. Bytes unless said otherwise.
const (
	// maxFormParts and maxPartHeaders are numbers.
	maxFormParts   = 1000
	maxPartHeaders = 16
	maxBoundary    = 70
	maxPartName    = 1 << 10
	// maxFormText bounds texts, names and headers of all parts together.
	maxFormText = 1 << 20
)

// formField is what errors of a form name.
const formField = "upload.form"

// normalizeForm checks a form and brings its sources and headers into canonical
// form. Errors name the part by its place, from 1 on, never what it holds.
func normalizeForm(s *Spec) *Error {
	f := &s.Outgoing.Form
	if len(f.Parts) == 0 {
		if f.Subtype != "" || f.Boundary != "" {
			return invalid(CodeForm, formField, "a form needs a part")
		}
		return nil
	}
	if !oneOf(&f.Subtype, formData, "related", "mixed") {
		return invalid(CodeForm, formField, "its subtype is form-data, related or mixed")
	}
	if len(f.Parts) > maxFormParts {
		return invalid(CodeForm, formField, "at most %d parts, not %d", maxFormParts, len(f.Parts))
	}
	if !validBoundary(f.Boundary) {
		return invalid(CodeForm, formField,
			"a boundary is 1 to %d letters, digits and '()+_,-./:=? or spaces, the last no space (RFC 2046)", maxBoundary)
	}
	f.Parts = slices.Clone(f.Parts)
	total := 0
	for i := range f.Parts {
		p := &f.Parts[i]
		if err := p.normalize(f, i+1); err != nil {
			return err
		}
		total += p.textSize()
	}
	if total > maxFormText {
		return invalid(CodeForm, formField, "texts, names and headers have at most %d bytes together", maxFormText)
	}
	return nil
}

// validBoundary follows RFC 2046, section 5.1.1. An empty one is made later.
func validBoundary(b string) bool {
	return len(b) <= maxBoundary && only(b, "'()+_,-./:=? ") && !strings.HasSuffix(b, " ")
}

func (p *FormPart) textSize() int {
	n := len(p.Name) + len(p.FileName) + len(p.Text)
	for _, h := range p.Headers {
		n += len(h.Name) + len(h.Value)
	}
	return n
}

func (p *FormPart) normalize(f *Form, number int) *Error {
	switch {
	case p.Name == "" && f.Subtype == formData:
		return invalid(CodeForm, formField, "part %d has no name", number)
	case !validPartName(p.Name):
		return invalid(CodeForm, formField, "the name of part %d is too long, no UTF-8 or holds a control character", number)
	case !validPartName(p.FileName) || strings.ContainsAny(p.FileName, `/\`):
		return invalid(CodeForm, formField, "the file name of part %d is too long, no UTF-8 or holds a slash or a control character", number)
	case p.Source != "" && p.Text != "":
		return invalid(CodeForm, formField, "part %d has a text and a source", number)
	case f.Boundary != "" && strings.Contains(p.Text, f.Boundary):
		return invalid(CodeForm, formField, "the boundary occurs in the text of part %d", number)
	}
	if err := p.normalizeHeaders(number); err != nil {
		return err
	}
	if p.Source == "" {
		return nil
	}
	location, err := ParseSource(p.Source, formField)
	p.Source = location.String()
	return err
}

func validPartName(name string) bool {
	return len(name) <= maxPartName && utf8.ValidString(name) && !strings.ContainsFunc(name, unprintable)
}

// normalizeHeaders refuses what the form says itself, besides what no request may
// have.
func (p *FormPart) normalizeHeaders(number int) *Error {
	if len(p.Headers) > maxPartHeaders {
		return invalid(CodeForm, formField, "part %d has more than %d headers", number, maxPartHeaders)
	}
	headers, err := NormalizeHeaders(p.Headers)
	if err != nil {
		return invalid(CodeForm, formField, "part %d: %s", number, err.Message)
	}
	for _, h := range headers {
		switch h.Name {
		case "Content-Disposition", "Content-Transfer-Encoding":
			return invalid(CodeForm, formField, "part %d: %s is set by godwit itself", number, h.Name)
		}
	}
	p.Headers = headers
	return nil
}
