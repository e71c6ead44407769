package actors

import (
	"bytes"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	clusterpb "godwit/protos/godwit/cluster/v1"
	"godwit/transfer"
)

// TestCommandsTravel: what comes out of a command between nodes is what went in,
// and nothing secret is readable on the way.
func TestCommandsTravel(t *testing.T) {
	rate, low, source, all := int64(7), transfer.PriorityLow, "https://h/SECRET", []transfer.Header{{Name: "X", Value: "SECRET"}}
	for _, ev := range []transfer.Event{
		transfer.Start{},
		transfer.Pause{},
		transfer.Resume{},
		transfer.Retry{},
		transfer.Acknowledge{},
		transfer.Purge{},
		transfer.Cancel{By: "me", Reason: "enough"},
		transfer.Update{RateLimit: &rate, Priority: &low},
		transfer.Update{Source: &source},
		transfer.Update{Headers: &all, AppendHeaders: all},
		transfer.Update{Headers: &[]transfer.Header{}},
		transfer.Update{SetHeaders: all},
		transfer.Update{AppendHeaders: all},
		transfer.Update{RemoveHeaders: []string{"X", "Y"}},
		transfer.Update{SetHeaders: all, AppendHeaders: []transfer.Header{{Name: "Y", Value: "SECRET"}}, RemoveHeaders: []string{"Z"}},
	} {
		call, err := wireCommand(&commandRequest{id: "a", event: ev}, testSealer{})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := proto.Marshal(call)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("SECRET")) {
			t.Errorf("%+v travels in the open", ev)
		}
		var got clusterpb.CommandCall
		if err := proto.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		back, err := commandEvent(&got, testSealer{})
		if err != nil || !reflect.DeepEqual(plain(back), plain(ev)) {
			t.Errorf("%+v came out as %+v, %v", ev, back, err)
		}
	}
}

// plain makes an empty list of headers like one that is not there.
func plain(ev transfer.Event) transfer.Event {
	if u, ok := ev.(transfer.Update); ok && u.Headers != nil && len(*u.Headers) == 0 {
		u.Headers = &[]transfer.Header{}
		return u
	}
	return ev
}
