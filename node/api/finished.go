package api

import (
	"bytes"
	"fmt"

	"godwit/actors"
)

// Finished renders what a background task is told: the completion group as the
// API shows it, with all its members under "transfers".
func Finished(c actors.Completion, members []actors.Snapshot) ([]byte, error) {
	codec := jsonCodec{}
	group, err := codec.Marshal(toCompletion(c))
	if err != nil {
		return nil, fmt.Errorf("render the group: %w", err)
	}
	var out bytes.Buffer
	out.Write(bytes.TrimSuffix(group, []byte("}")))
	out.WriteString(`,"transfers":[`)
	for i := range members {
		one, err := codec.Marshal(toMessage(members[i]))
		if err != nil {
			return nil, fmt.Errorf("render a member: %w", err)
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(one)
	}
	out.WriteString("]}")
	return out.Bytes(), nil
}
