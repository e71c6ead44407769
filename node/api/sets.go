package api

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"godwit/transfer"
)

// maxExamined bounds how many entries one call looks at to fill a page of those
// that a filter lets pass. Beyond it the page is short and has a token.
const maxExamined = 10000

// listing is one kind of set as it is listed, in order of names.
type listing[T any] struct {
	name  func(T) string
	fetch func(after string, limit int) (page []T, more bool, err error)
	// keep is the filter.
	keep func(T) bool
}

// page collects what a request asks for. Next is the token of the page after
// it, empty at the end.
func (l listing[T]) page(tokens pageTokens, req listRequest) (page []T, next string, err error) {
	limit, e := pageSize(req)
	if e != nil {
		return nil, "", e
	}
	place, e := tokens.open(req)
	if e != nil {
		return nil, "", e
	}
	page, after, more, err := l.collect(string(place), limit)
	if err != nil || !more {
		return page, "", err
	}
	return page, tokens.seal([]byte(after), req), nil
}

// collect returns up to limit entries that pass, and the name of the last one
// looked at.
func (l listing[T]) collect(after string, limit int) (page []T, last string, more bool, err error) {
	for examined := 0; ; {
		found, more, err := l.fetch(after, limit)
		if err != nil {
			return nil, "", false, err
		}
		for i, entry := range found {
			after = l.name(entry)
			if l.keep(entry) {
				page = append(page, entry)
			}
			if len(page) == limit {
				return page, after, more || i < len(found)-1, nil
			}
		}
		examined += len(found)
		if !more || len(found) == 0 || examined >= maxExamined {
			return page, after, more && len(found) > 0, nil
		}
	}
}

// everything is the filter of a list that has none.
func everything[T any](T) bool { return true }

// among makes a filter of the statuses that a request names; none lets
// everything pass.
func among[E protoreflect.Enum](statuses []E) (func(string) bool, *transfer.Error) {
	wanted := make(map[string]bool, len(statuses))
	for _, status := range statuses {
		if !named(status) {
			return nil, &transfer.Error{Code: transfer.CodeFilter, Field: "statuses", Message: "unknown status"}
		}
		wanted[word(status, "")] = true
	}
	return func(status string) bool { return len(wanted) == 0 || wanted[status] }, nil
}

// refuseOutputOnly refuses fields that only the server sets. Parent is where the
// message stands in the request.
func refuseOutputOnly(m proto.Message, parent string, names ...protoreflect.Name) *transfer.Error {
	msg := m.ProtoReflect()
	for _, name := range names {
		if fd := msg.Descriptor().Fields().ByName(name); msg.Has(fd) {
			return &transfer.Error{
				Code: transfer.CodeField, Field: parent + "." + fd.JSONName(),
				Message: "only the server sets this field",
			}
		}
	}
	return nil
}

// knownWord refuses a number of an enumeration that has no name; such come in
// binary messages only.
func knownWord(value protoreflect.Enum, field string) *transfer.Error {
	if value.Number() != 0 && !named(value) {
		return &transfer.Error{Code: transfer.CodeEnum, Field: field, Message: "unknown value"}
	}
	return nil
}

// fieldOf names the field of a failure as the message m, which stands at parent,
// calls it. Elsewhere holds those that lie deeper, or are called otherwise.
func fieldOf(e *transfer.Error, m proto.Message, parent string, elsewhere map[string]string) *transfer.Error {
	if e == nil || e.Field == "" {
		return e
	}
	renamed := *e
	first, rest, deeper := strings.Cut(e.Field, ".")
	if path, ok := elsewhere[e.Field]; ok {
		renamed.Field = path
	} else if fd := m.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(first)); fd != nil {
		renamed.Field = fd.JSONName()
		if deeper {
			renamed.Field += "." + rest
		}
	}
	renamed.Field = parent + "." + renamed.Field
	return &renamed
}
