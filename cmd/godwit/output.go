package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// format is how results are written to standard output.
type format = string

const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatYAML  format = "yaml"
)

func (a *app) addOutput(cmd *cobra.Command) {
	a.format = formatTable
	addWord(cmd, &a.format, "output", "o", "format of results on standard output", formatTable, formatJSON, formatYAML)
}

// print writes a message as JSON or YAML, or calls table.
func (a *app) print(m proto.Message, table func(io.Writer)) error {
	if a.format == formatTable {
		table(a.stdout)
		return nil
	}
	return a.printJSON(encode(m))
}

// printJSON writes a JSON document, or the same as YAML.
func (a *app) printJSON(doc []byte) error {
	var text []byte
	var err error
	if a.format == formatYAML {
		text, err = asYAML(doc)
	} else {
		text, err = indentJSON(doc)
	}
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(text)
	return err
}

// encode writes defaults too, so that a script finds a field whatever its value.
func encode(m proto.Message) []byte {
	text, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", m, err)) // only invalid UTF-8, which came through the same codec
	}
	return text
}

// compactJSON is one line. The library varies its white space on purpose, so
// it is taken out.
func compactJSON(m proto.Message) string {
	var b bytes.Buffer
	if err := json.Compact(&b, encode(m)); err != nil {
		panic(err) // the library made it
	}
	return string(escapeHidden(b.Bytes()))
}

func indentJSON(doc []byte) ([]byte, error) {
	var compact, b bytes.Buffer
	if err := json.Compact(&compact, doc); err != nil {
		return nil, err
	}
	if err := json.Indent(&b, compact.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return escapeHidden(b.Bytes()), nil
}

// escapeHidden escapes what a terminal would act on and JSON leaves as it is:
// controls beyond ASCII's first 32, and directions. They stand in quotes only, so
// that the document still means the same.
func escapeHidden(doc []byte) []byte {
	if bytes.IndexFunc(doc, acting) < 0 {
		return doc
	}
	var b bytes.Buffer
	for _, r := range string(doc) {
		if acting(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

// acting leaves out line ends: those of a document are its own.
func acting(r rune) bool {
	return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}

// asYAML keeps the order of the fields: JSON is YAML already, in another style.
func asYAML(doc []byte) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(escapeHidden(doc), &root); err != nil {
		return nil, err
	}
	blockStyle(&root)
	text, err := yaml.Marshal(&root)
	return escapeHidden(text), err
}

func blockStyle(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		n.Style = 0
		if n.Value == "" || looksTyped(n.Value) || strings.ContainsFunc(n.Value, acting) {
			n.Style = yaml.DoubleQuotedStyle
		}
	} else {
		n.Style = 0
	}
	for _, child := range n.Content {
		blockStyle(child)
	}
}

// looksTyped tells that a plain scalar would not be read back as a string.
func looksTyped(s string) bool {
	var v any
	err := yaml.Unmarshal([]byte(s), &v)
	_, isString := v.(string)
	return err != nil || !isString
}

// printable makes text that came from elsewhere harmless on a terminal: control
// and direction characters are escaped.
func printable(s string) string {
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsPrint(r) }
