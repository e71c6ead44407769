package actors

import (
	"time"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
)

func encodeNotifications(list []transfer.Notification) []*recordpb.Notification {
	out := make([]*recordpb.Notification, len(list))
	for i, n := range list {
		out[i] = &recordpb.Notification{
			Channel: n.Channel, Success: n.Success, Failure: n.Failure, Tag: n.Tag, TtlMs: n.TTL.Milliseconds(),
		}
	}
	return out
}

func decodeNotifications(list []*recordpb.Notification) []transfer.Notification {
	var out []transfer.Notification
	for _, n := range list {
		out = append(out, transfer.Notification{
			Channel: n.Channel, Success: n.Success, Failure: n.Failure, Tag: n.Tag,
			TTL: time.Duration(n.TtlMs) * time.Millisecond,
		})
	}
	return out
}

func encodeHistory(list []transfer.Attempt) []*recordpb.Attempt {
	out := make([]*recordpb.Attempt, len(list))
	for i, a := range list {
		out[i] = &recordpb.Attempt{
			Time: stamp(a.Time), Url: a.URL, Status: int32(a.Status), Offset: a.Offset, Error: encodeError(a.Err), Node: a.Node,
		}
	}
	return out
}

func decodeHistory(list []*recordpb.Attempt) []transfer.Attempt {
	var out []transfer.Attempt
	for _, a := range list {
		out = append(out, transfer.Attempt{
			Time: fromStamp(a.Time), URL: a.Url, Status: int(a.Status), Offset: a.Offset, Err: decodeError(a.Error), Node: a.Node,
		})
	}
	return out
}

func encodePin(p transfer.Pin) *recordpb.Pin {
	if p == (transfer.Pin{}) {
		return nil
	}
	return &recordpb.Pin{Etag: p.ETag, Size: p.Size, Modified: stamp(p.Modified)}
}

func decodePin(p *recordpb.Pin) transfer.Pin {
	return transfer.Pin{ETag: p.GetEtag(), Size: p.GetSize(), Modified: fromStamp(p.GetModified())}
}
