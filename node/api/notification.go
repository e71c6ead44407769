package api

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// logChannel is the channel that every node has.
const logChannel = "log"

// toNotifications reads notifications; their texts are judged with what they
// belong to. Parent is where they stand in the request, as a JSON path.
func (s *service) toNotifications(in []*pb.Notification, parent string) ([]transfer.Notification, *transfer.Error) {
	var out []transfer.Notification
	for i, m := range in {
		path := fmt.Sprintf("%s[%d]", parent, i)
		if channel := m.GetChannel(); channel != logChannel && (s.channels == nil || !s.channels(channel)) {
			return nil, &transfer.Error{
				Code: transfer.CodeChannel, Field: path + ".channel",
				Message: "this node's configuration names no such channel; log is always there",
			}
		}
		ttl, e := toDuration(m.GetTtl(), path+".ttl")
		if e != nil {
			return nil, e
		}
		out = append(out, transfer.Notification{
			Channel: m.GetChannel(), Success: m.GetSuccess(), Failure: m.GetFailure(), Tag: m.GetTag(), TTL: ttl,
		})
	}
	return out, nil
}

// fromNotifications shows them.
func fromNotifications(in []transfer.Notification) []*pb.Notification {
	var out []*pb.Notification
	for _, n := range in {
		out = append(out, &pb.Notification{
			Channel: n.Channel, Success: n.Success, Failure: n.Failure, Tag: n.Tag, Ttl: span(n.TTL),
		})
	}
	return out
}

// toDuration is 0 for an absent duration. What does not fit is refused, because
// it would silently become the longest one there is.
func toDuration(m *durationpb.Duration, field string) (time.Duration, *transfer.Error) {
	if m == nil {
		return 0, nil
	}
	d := m.AsDuration()
	if m.CheckValid() != nil || durationpb.New(d).GetSeconds() != m.GetSeconds() {
		return 0, &transfer.Error{Code: transfer.CodeDuration, Field: field, Message: "it is longer than any that can be meant"}
	}
	return d, nil
}

// span is nil for no duration.
func span(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// toTime is the zero time for an absent moment.
func toTime(m *timestamppb.Timestamp, field string) (time.Time, *transfer.Error) {
	switch {
	case m == nil:
		return time.Time{}, nil
	case m.CheckValid() != nil:
		return time.Time{}, jsonError(field, "must be a time as in RFC 3339")
	}
	return m.AsTime(), nil
}
