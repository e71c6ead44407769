package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	pb "godwit/protos/godwit/v1"
)

// maxTextFile bounds a file whose text becomes part of a request, in bytes.
const maxTextFile = 1 << 20

// makeForm reads the parts of a form, in their order.
func (f *uploadFlags) makeForm(stdin io.Reader, local bool) (*pb.Form, error) {
	form := &pb.Form{}
	if f.related {
		form.Subtype = "related"
	}
	for i, text := range f.form {
		part, err := parsePart(text, stdin, local)
		if err != nil {
			m := describe(err)
			return nil, &failure{
				code: m.GetCode(), message: fmt.Sprintf("part %d of the form: %s", i+1, m.GetMessage()),
				advice: adviceOf(err, m), err: err,
			}
		}
		form.Parts = append(form.Parts, part)
	}
	return form, nil
}

// parsePart reads name=value, name=@path or name=<path, with options behind. It
// never repeats a value in an error: it may be a password.
func parsePart(text string, stdin io.Reader, local bool) (*pb.FormPart, error) {
	name, rest, found := strings.Cut(text, "=")
	if !found {
		return nil, usagef("it is written name=value, name=@path or name=<path")
	}
	part := &pb.FormPart{Name: name}
	kind, rest := cutKind(rest)
	value, options, err := cutOptions(rest, kind != 0)
	if err != nil {
		return nil, err
	}
	switch kind {
	case '@':
		err = storedPart(part, value, local)
	case '<':
		part.Text, err = readText(value, stdin)
	default:
		part.Text = value
	}
	if err != nil {
		return nil, err
	}
	if name, ok := options["filename"]; ok {
		part.FileName = name
	}
	if kind == '@' && options["type"] == "" {
		options["type"] = "application/octet-stream"
	}
	if t := options["type"]; t != "" {
		part.Headers = []*pb.Header{{Name: "Content-Type", Value: t}}
	}
	return part, nil
}

// cutKind splits off the character that says that a path follows, 0 for none.
func cutKind(s string) (kind byte, rest string) {
	if s != "" && (s[0] == '@' || s[0] == '<') {
		return s[0], s[1:]
	}
	return 0, s
}

// cutOptions splits off ;type=… and ;filename=… at the end. A path in double
// quotes is taken literally.
func cutOptions(s string, isPath bool) (value string, options map[string]string, err error) {
	options = map[string]string{}
	if isPath && strings.HasPrefix(s, `"`) {
		end := strings.Index(s[1:], `"`)
		if end < 0 {
			return "", nil, usagef("a quote is not closed")
		}
		value, s = s[1:1+end], s[2+end:]
		if s != "" && !strings.HasPrefix(s, ";type=") && !strings.HasPrefix(s, ";filename=") {
			return "", nil, usagef("after the path only ;type= and ;filename= may follow")
		}
	}
	for {
		at := max(strings.LastIndex(s, ";type="), strings.LastIndex(s, ";filename="))
		if at < 0 {
			return value + s, options, nil
		}
		key, option, _ := strings.Cut(s[at+1:], "=")
		if _, twice := options[key]; twice {
			return "", nil, usagef("%s is given twice", key)
		}
		if options[key] = strings.Trim(option, `"`); options[key] == "" {
			return "", nil, usagef("%s is empty", key)
		}
		s = s[:at]
	}
}

// storedPart makes a part one that lies in a store; it has the name of the file.
func storedPart(part *pb.FormPart, source string, local bool) error {
	if source == "" || source == fromStdin {
		return usagef("a path is missing; standard input can be read as text, with name=<-")
	}
	url, err := place(source, local)
	if err != nil {
		return err
	}
	part.Source, part.FileName = &pb.Endpoint{Url: url}, path.Base(url)
	return nil
}

// readText reads what becomes text in a form.
func readText(file string, stdin io.Reader) (string, error) {
	if file != fromStdin {
		return readTextFile("--form", file)
	}
	return readUTF8("--form", stdin)
}

func readTextFile(flag, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", unreadable(flag, err)
	}
	defer f.Close()
	return readUTF8(flag, f)
}

func readUTF8(flag string, r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxTextFile+1))
	switch {
	case err != nil:
		return "", unreadable(flag, err)
	case len(text) > maxTextFile:
		return "", usagef("%s: the file has more than %s", flag, humanBytes(maxTextFile))
	case !utf8.Valid(text):
		return "", usagef("%s: the file is no text in UTF-8", flag)
	}
	return string(text), nil
}

// formIdentity is equal for equal forms.
func formIdentity(f *pb.Form) string {
	var b strings.Builder
	b.WriteString("form " + f.GetSubtype())
	for _, p := range f.GetParts() {
		for _, s := range []string{p.GetName(), p.GetFileName(), p.GetText(), p.GetSource().GetUrl()} {
			fmt.Fprintf(&b, "\x00%d:%s", len(s), s)
		}
		for _, h := range p.GetHeaders() {
			fmt.Fprintf(&b, "\x00%s: %s", h.GetName(), h.GetValue())
		}
	}
	return b.String()
}
