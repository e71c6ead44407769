package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// pageTokens turns the place where a page ended into an opaque token and back. A
// token is bound to the list it came from, filters included, and authenticated,
// so that a client can neither make one up nor carry one over to another list.
//
// Layout before Base64: the place, then macSize bytes of HMAC-SHA256.
type pageTokens struct{ key []byte }

const (
	macSize   = 16
	timeSize  = 8
	maxCursor = 512
)

// listRequest asks for a page of a list. All its other fields are filters.
type listRequest interface {
	proto.Message
	GetPageSize() int32
	GetPageToken() string
}

// pageSize is how many entries a page shall have.
func pageSize(req listRequest) (int, *transfer.Error) {
	switch size := int(req.GetPageSize()); {
	case size == 0:
		return defaultPage, nil
	case size < 0 || size > maxPage:
		return 0, &transfer.Error{Code: transfer.CodePageSize, Field: "pageSize", Message: "a page has 1 to 1000 entries"}
	default:
		return size, nil
	}
}

// encode returns the token for the page after c: 8 bytes of creation time
// (nanoseconds since 1970, big endian) and the id.
func (p pageTokens) encode(c actors.Cursor, req *pb.ListTransfersRequest) string {
	place := binary.BigEndian.AppendUint64(nil, uint64(c.Created.UnixNano()))
	return p.seal(append(place, c.ID...), req)
}

// decode returns the cursor of the request's token: the zero Cursor for an
// empty one, page.token for one that this cluster did not make for this list.
func (p pageTokens) decode(req *pb.ListTransfersRequest) (actors.Cursor, error) {
	place, e := p.open(req)
	switch {
	case e != nil:
		return actors.Cursor{}, e
	case place == nil:
		return actors.Cursor{}, nil
	case len(place) <= timeSize:
		return actors.Cursor{}, badToken()
	}
	nanos := int64(binary.BigEndian.Uint64(place))
	return actors.Cursor{Created: time.Unix(0, nanos), ID: string(place[timeSize:])}, nil
}

// seal makes a token of the place where a page of a list ended.
func (p pageTokens) seal(place []byte, req listRequest) string {
	return base64.RawURLEncoding.EncodeToString(append(place, p.mac(place, req)...))
}

// open returns the place of the request's token, nil for an empty one.
func (p pageTokens) open(req listRequest) ([]byte, *transfer.Error) {
	token := req.GetPageToken()
	if token == "" {
		return nil, nil
	}
	if len(token) > maxCursor {
		return nil, badToken()
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	// A decoder passes over line ends and spare bits: of the texts that it reads
	// alike, only the one that was given out is a token.
	if err != nil || len(raw) <= macSize || base64.RawURLEncoding.EncodeToString(raw) != token {
		return nil, badToken()
	}
	place, mac := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	if !hmac.Equal(mac, p.mac(place, req)) {
		return nil, badToken()
	}
	return place, nil
}

func badToken() *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodePageToken, Field: "pageToken",
		Message: "the token does not belong to this list; begin again without one",
	}
}

// mac authenticates a place together with the list: the kind of its request and
// all fields but those that differ from page to page.
func (p pageTokens) mac(place []byte, req listRequest) []byte {
	filters := proto.Clone(req).ProtoReflect()
	for _, name := range []protoreflect.Name{"page_size", "page_token"} {
		filters.Clear(filters.Descriptor().Fields().ByName(name))
	}
	// Marshalling a message that was decoded from the wire cannot fail.
	canonical, _ := proto.MarshalOptions{Deterministic: true}.Marshal(filters.Interface())
	m := hmac.New(sha256.New, p.key)
	m.Write(binary.BigEndian.AppendUint32(nil, uint32(len(place))))
	m.Write(place)
	m.Write([]byte(filters.Descriptor().FullName()))
	m.Write([]byte{0})
	m.Write(canonical)
	return m.Sum(nil)[:macSize]
}
