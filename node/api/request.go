package api

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"godwit/transfer"
)

// bodyTimeout is how long a client may take to send its request's body.
const bodyTimeout = 30 * time.Second

// envelopeSize is the length of the frame around a message of a stream: one
// byte of flags, four of length.
const envelopeSize = 5

// framing says how a media type wraps messages.
type framing struct{ json, enveloped bool }

// framings are the media types of the API.
var framings = map[string]framing{
	"application/json":           {json: true},
	"application/proto":          {},
	"application/connect+json":   {json: true, enveloped: true},
	"application/connect+proto":  {enveloped: true},
	"application/grpc":           {enveloped: true},
	"application/grpc+proto":     {enveloped: true},
	"application/grpc+json":      {json: true, enveloped: true},
	"application/grpc-web":       {enveloped: true},
	"application/grpc-web+proto": {enveloped: true},
	"application/grpc-web+json":  {json: true, enveloped: true},
}

// checkRequest refuses calls that are not exactly what the API describes
// before the handler of the protocol sees them: it would ignore some faults and
// could not name others.
func checkRequest(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, r, http.StatusMethodNotAllowed, transfer.Errorf(transfer.CodeMethod, "API calls are POST requests"))
			return
		}
		frame, e := mediaType(r)
		method := methodOf(r.URL.Path)
		streamed := method != nil && method.IsStreamingClient()
		switch {
		case e != nil:
		case streamed:
			e = checkStream(r, frame)
		default:
			e = checkBody(w, r, frame)
		}
		switch {
		case e == nil && streamed:
			patient(next, w, r)
		case e == nil:
			withStatus(next, w, r)
		case errors.Is(e.Err, os.ErrDeadlineExceeded):
			refuse(w, r, http.StatusRequestTimeout, e)
		default:
			refuse(w, r, e.Code.Info().HTTP, e)
		}
	})
}

// mediaType finds how the request is framed, or refuses its type.
func mediaType(r *http.Request) (framing, *transfer.Error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	frame, known := framings[media]
	charset := params["charset"]
	delete(params, "charset")
	switch {
	case err != nil || !known || len(params) > 0:
		return frame, transfer.Errorf(transfer.CodeMediaType, "the content type must be application/json, or one of Connect or gRPC")
	case charset != "" && !strings.EqualFold(charset, "utf-8"):
		return frame, transfer.Errorf(transfer.CodeMediaType, "the charset must be UTF-8")
	case !isIdentity(r.Header.Values("Content-Encoding")):
		return frame, transfer.Errorf(transfer.CodeMediaType, "a compressed body is not accepted")
	}
	return frame, nil
}

func isIdentity(encodings []string) bool {
	for _, e := range encodings {
		if e != "" && !strings.EqualFold(e, "identity") {
			return false
		}
	}
	return true
}

// checkStream refuses what the protocols would take besides a stream of plain
// messages. The messages are checked as they come.
func checkStream(r *http.Request, frame framing) *transfer.Error {
	if !frame.enveloped {
		return transfer.Errorf(transfer.CodeMediaType, "this method takes a stream: use a content type of Connect's streams or of gRPC")
	}
	for _, name := range []string{"Connect-Content-Encoding", "Grpc-Encoding"} {
		if !isIdentity(r.Header.Values(name)) {
			return transfer.Errorf(transfer.CodeMediaType, "a compressed message is not accepted")
		}
	}
	return nil
}

// checkBody reads the body, checks that it is one message (in JSON, a strict
// one of the method called), and puts it back. A client that never ends its
// body is given up: calls carry no more than one message.
func checkBody(w http.ResponseWriter, r *http.Request, frame framing) *transfer.Error {
	deadline := http.NewResponseController(w)
	// A connection without deadlines exists in tests only.
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxRequest))
	_ = deadline.SetReadDeadline(time.Time{})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return transfer.Errorf(transfer.CodeTooLarge, "a request has at most %d bytes", MaxRequest)
	case err != nil:
		return &transfer.Error{Code: transfer.CodeJSON, Message: "the body broke off, or did not end in time", Err: err}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	message := body
	if frame.enveloped {
		var e *transfer.Error
		if message, e = unwrap(body); e != nil {
			return e
		}
	}
	method := methodOf(r.URL.Path)
	if !frame.json || method == nil {
		// An unknown method is for the handler to refuse.
		return nil
	}
	return checkJSON(message, method.Input())
}

// unwrap takes the only message out of its envelope.
func unwrap(body []byte) ([]byte, *transfer.Error) {
	if len(body) < envelopeSize || uint64(binary.BigEndian.Uint32(body[1:])) != uint64(len(body)-envelopeSize) {
		return nil, jsonError("", "the body must be exactly one message in its envelope")
	}
	if body[0] != 0 {
		return nil, transfer.Errorf(transfer.CodeMediaType, "a compressed message is not accepted")
	}
	return body[envelopeSize:], nil
}

// methodOf finds the method of a path, or nil.
func methodOf(path string) protoreflect.MethodDescriptor {
	service, method, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	sd, ok := found.(protoreflect.ServiceDescriptor)
	if err != nil || !ok {
		return nil
	}
	return sd.Methods().ByName(protoreflect.Name(method))
}
