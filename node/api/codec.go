package api

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "godwit/protos/godwit/v1"
)

// jsonCodec is JSON as the API promises it: fields that have their default
// value are written out, and unknown fields are refused. Requests have passed
// [checkJSON] before, which names what is wrong, except the messages of a stream
// of a client.
type jsonCodec struct{ name string }

func (c jsonCodec) Name() string { return c.name }

func (jsonCodec) Marshal(message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("marshal %T: not a message", message)
	}
	raw, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("marshal %T: %w", message, err)
	}
	// protojson adds random spaces so that nobody relies on its layout.
	var out bytes.Buffer
	if err := json.Compact(&out, raw); err != nil {
		return nil, fmt.Errorf("marshal %T: %w", message, err)
	}
	return out.Bytes(), nil
}

func (jsonCodec) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("unmarshal %T: not a message", message)
	}
	if _, streamed := message.(*pb.SpoolSourceRequest); streamed {
		if e := checkJSON(data, m.ProtoReflect().Descriptor()); e != nil {
			return e
		}
	}
	if err := (protojson.UnmarshalOptions{}).Unmarshal(data, m); err != nil {
		// The cause would repeat what the client sent.
		return jsonError("", "the message does not fit the API")
	}
	return nil
}
