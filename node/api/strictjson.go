package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"godwit/transfer"
)

// maxDepth bounds how deep messages nest; those of the API need five levels.
const maxDepth = 32

// valueCodes are the codes of fields whose wrong values have a name of their
// own; all others are request.json.
var valueCodes = map[protoreflect.FullName]transfer.Code{
	"godwit.v1.Transfer.expected_size":           transfer.CodeSizeInvalid,
	"godwit.v1.Transfer.part_size":               transfer.CodePartSize,
	"godwit.v1.Transfer.limit_rate":              transfer.CodeRate,
	"godwit.v1.UpdateTransferRequest.limit_rate": transfer.CodeRate,
	"godwit.v1.Transfer.connections":             transfer.CodeConnections,
	"godwit.v1.Transfer.retries":                 transfer.CodeRetries,
	"godwit.v1.Transfer.recoverable_statuses":    transfer.CodeRecoverable,
	"godwit.v1.Transfer.body":                    transfer.CodeBody,
	"godwit.v1.ListTransfersRequest.page_size":   transfer.CodePageSize,
	"godwit.v1.Group.limit":                      transfer.CodeLimit,
	"godwit.v1.UpdateGroupRequest.limit":         transfer.CodeLimit,
	"godwit.v1.CompletionGroup.quorum":           transfer.CodePolicy,
	"godwit.v1.ReadTransferRequest.offset":       transfer.CodeSizeInvalid,
}

// checkJSON tells whether data is one JSON object that fits the message md
// exactly: protojson would accept numbers written in odd ways, and its errors
// repeat values. What is refused here is named by its field, never by its value.
func checkJSON(data []byte, md protoreflect.MessageDescriptor) *transfer.Error {
	switch {
	case len(data) == 0:
		return jsonError("", "the body is empty; send {} at least")
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return jsonError("", "the body begins with a byte order mark")
	case !utf8.Valid(data):
		return jsonError("", "the body is not valid UTF-8")
	}
	c := &jsonChecker{dec: json.NewDecoder(bytes.NewReader(data))}
	c.dec.UseNumber()
	token, e := c.next("")
	if e != nil {
		return e
	}
	if token != json.Delim('{') {
		return jsonError("", "the body must be a JSON object")
	}
	if e := c.message(md, "", 1); e != nil {
		return e
	}
	if _, err := c.dec.Token(); !errors.Is(err, io.EOF) {
		return jsonError("", "there are bytes after the JSON object")
	}
	return nil
}

func jsonError(field, format string, args ...any) *transfer.Error {
	e := transfer.Errorf(transfer.CodeJSON, format, args...)
	e.Field = field
	return e
}

// jsonChecker walks the tokens of one document.
type jsonChecker struct{ dec *json.Decoder }

func (c *jsonChecker) next(path string) (json.Token, *transfer.Error) {
	token, err := c.dec.Token()
	if err != nil {
		return nil, jsonError(path, "malformed JSON at byte %d", c.dec.InputOffset())
	}
	return token, nil
}

// message checks the rest of an object whose opening brace was read.
func (c *jsonChecker) message(md protoreflect.MessageDescriptor, path string, depth int) *transfer.Error {
	if depth > maxDepth {
		return jsonError(path, "objects nest too deep")
	}
	seen := make(map[protoreflect.FieldNumber]bool)
	for c.dec.More() {
		key, e := c.key(path)
		if e != nil {
			return e
		}
		field := md.Fields().ByJSONName(key)
		if field == nil {
			field = md.Fields().ByTextName(key)
		}
		if field == nil {
			return jsonError(join(path, shown(key)), "unknown field %s", shown(key))
		}
		name := join(path, field.JSONName())
		if seen[field.Number()] {
			return jsonError(name, "duplicate key")
		}
		seen[field.Number()] = true
		if e := c.field(field, name, depth); e != nil {
			return e
		}
	}
	_, e := c.next(path)
	return e
}

func (c *jsonChecker) key(path string) (string, *transfer.Error) {
	token, e := c.next(path)
	if e != nil {
		return "", e
	}
	// Inside an object the decoder yields only strings here.
	key, _ := token.(string)
	return key, nil
}

func (c *jsonChecker) field(fd protoreflect.FieldDescriptor, path string, depth int) *transfer.Error {
	token, e := c.next(path)
	switch {
	case e != nil:
		return e
	case token == nil:
		// null stands for an absent field.
		return nil
	case fd.IsMap() && token == json.Delim('{'):
		return c.entries(fd, path, depth)
	case fd.IsList() && token == json.Delim('['):
		return c.elements(fd, path, depth)
	case fd.IsMap():
		return jsonError(path, "must be an object")
	case fd.IsList():
		return jsonError(path, "must be an array")
	}
	return c.value(fd, token, path, depth)
}

func (c *jsonChecker) entries(fd protoreflect.FieldDescriptor, path string, depth int) *transfer.Error {
	seen := make(map[string]bool)
	for c.dec.More() {
		key, e := c.key(path)
		if e != nil {
			return e
		}
		if seen[key] {
			return jsonError(path, "duplicate key")
		}
		seen[key] = true
		token, e := c.next(path)
		if e != nil {
			return e
		}
		if e := c.value(fd.MapValue(), token, path, depth); e != nil {
			return e
		}
	}
	_, e := c.next(path)
	return e
}

func (c *jsonChecker) elements(fd protoreflect.FieldDescriptor, path string, depth int) *transfer.Error {
	for i := 0; c.dec.More(); i++ {
		name := fmt.Sprintf("%s[%d]", path, i)
		token, e := c.next(name)
		if e != nil {
			return e
		}
		if e := c.value(fd, token, name, depth); e != nil {
			return e
		}
	}
	_, e := c.next(path)
	return e
}

// value checks one value, whose first token was read.
func (c *jsonChecker) value(fd protoreflect.FieldDescriptor, token json.Token, path string, depth int) *transfer.Error {
	if fd.Message() != nil && !wellKnown(fd) {
		if token != json.Delim('{') {
			return jsonError(path, "must be an object")
		}
		return c.message(fd.Message(), path, depth+1)
	}
	if want := scalar(fd, token); want != "" {
		code, special := valueCodes[fd.FullName()]
		switch {
		case special:
		case fd.Kind() == protoreflect.EnumKind:
			code = transfer.CodeEnum
		case isDuration(fd):
			code = transfer.CodeDuration
		default:
			code = transfer.CodeJSON
		}
		return &transfer.Error{Code: code, Field: path, Message: "must be " + want}
	}
	return nil
}

// scalar returns what the value should have been, or "" when it is right.
func scalar(fd protoreflect.FieldDescriptor, token json.Token) string {
	text, isString := token.(string)
	switch fd.Kind() {
	case protoreflect.BoolKind:
		if _, ok := token.(bool); !ok {
			return "true or false"
		}
	case protoreflect.StringKind:
		if !isString || strings.ContainsRune(text, utf8.RuneError) {
			return "a string of valid Unicode"
		}
	case protoreflect.BytesKind:
		if _, err := base64.StdEncoding.DecodeString(text); !isString || err != nil {
			return "a string in standard Base64"
		}
	case protoreflect.EnumKind:
		if !isString || fd.Enum().Values().ByName(protoreflect.Name(text)) == nil {
			return "one of " + enumNames(fd.Enum())
		}
	case protoreflect.MessageKind:
		if isDuration(fd) {
			return duration(token)
		}
		if _, err := time.Parse(time.RFC3339Nano, text); !isString || err != nil {
			return "a time as in RFC 3339"
		}
	case protoreflect.Int32Kind:
		return integer(token, 32)
	case protoreflect.Int64Kind:
		return integer(token, 64)
	}
	return ""
}

// wellKnown tells the messages that JSON writes as a string.
func wellKnown(fd protoreflect.FieldDescriptor) bool {
	return isDuration(fd) || fd.Message().FullName() == "google.protobuf.Timestamp"
}

func isDuration(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Duration"
}

// durationPattern is how the JSON mapping of protobuf writes a duration.
var durationPattern = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,10})(\.[0-9]{1,9})?s$`)

// duration accepts seconds with an s. Eleven digits of them are more than any
// field takes.
func duration(token json.Token) string {
	if text, isString := token.(string); !isString || !durationPattern.MatchString(text) {
		return "seconds with an s, such as 3600s"
	}
	return ""
}

// integer accepts a whole decimal number, or a string of one.
func integer(token json.Token, bits int) string {
	text := ""
	switch t := token.(type) {
	case json.Number:
		text = t.String()
	case string:
		text = t
	}
	if _, err := strconv.ParseInt(text, 10, bits); err != nil || strings.HasPrefix(text, "+") {
		return fmt.Sprintf("a whole number of at most %d bits", bits)
	}
	return ""
}

// enumNames lists the values a user may choose; the zero value means absent.
func enumNames(ed protoreflect.EnumDescriptor) string {
	var names []string
	for i := 1; i < ed.Values().Len(); i++ {
		names = append(names, string(ed.Values().Get(i).Name()))
	}
	return strings.Join(names, ", ")
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// shown makes an unknown key safe to repeat.
func shown(key string) string {
	const most = 40
	if len(key) > most {
		key = strings.ToValidUTF8(key[:most], "") + "…"
	}
	return strings.Trim(strconv.QuoteToASCII(key), `"`)
}
