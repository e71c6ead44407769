package cluster

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hear tells a ledger of a life of epoch 1 on the host 10.0.0.<host>.
func hear(l *ledger, id string, host byte) {
	l.alive(id, net.IPv4(10, 0, 0, host), 7482, Meta{Epoch: 1}, false)
}

// standings are all lives of a ledger in short.
func standings(l *ledger, keep time.Duration) string {
	var words []string
	for _, known := range l.snapshot(keep) {
		words = append(words, fmt.Sprintf("%s:%d", known.id, known.heard))
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func TestLedger(t *testing.T) {
	type step = func(*ledger)
	join := func(l *ledger) { hear(l, "n1@a", 1) }
	joining := func(l *ledger) { l.alive("n1@a", net.IPv4(10, 0, 0, 1), 7482, Meta{Epoch: 1}, true) }
	dead := func(l *ledger) { l.dead("n1@a") }
	left := func(l *ledger) { l.left("n1@a") }
	for _, tc := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"it joins", []step{join}, "n1@a:2"},
		{"it dies", []step{join, dead}, "n1@a:1"},
		{"it comes back from the dead", []step{join, dead, join}, "n1@a:2"},
		{"it leaves", []step{join, left}, "n1@a:0"},
		{"it leaves, and gossip gives it up", []step{join, left, dead}, "n1@a:0"},
		{"gossip gives it up, and its farewell arrives", []step{join, dead, left}, "n1@a:0"},
		{"old news of one who left", []step{join, left, join}, "n1@a:0"},
		{"the death of a stranger", []step{dead}, ""},
		{"the farewell of a stranger", []step{left}, ""},
		{"one who died while joining", []step{joining, dead}, "n1@a:1"},
		{"one who was cut off while joining", []step{joining, dead, join}, "n1@a:2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLedger()
			for _, s := range tc.steps {
				s(l)
			}
			if got := standings(l, time.Minute); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestLedgerForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		hear(l, "n1@a", 1)
		hear(l, "n2@b", 2)
		hear(l, "n3@c", 3)
		l.dead("n2@b")
		l.left("n3@c")
		time.Sleep(9 * time.Minute)
		if got := standings(l, 10*time.Minute); got != "n1@a:2 n2@b:1 n3@c:0" {
			t.Errorf("after 9 minutes: %s", got)
		}
		if got := fmt.Sprint(l.absent(nil)); got != "[10.0.0.2:7482]" {
			t.Errorf("it would join %s", got)
		}
		time.Sleep(2 * time.Minute)
		if got := standings(l, 10*time.Minute); got != "n1@a:2" {
			t.Errorf("after 11 minutes: %s", got)
		}
		time.Sleep(23 * time.Hour)
		_ = l.snapshot(time.Minute)
		if got := fmt.Sprint(l.absent([]string{"10.0.0.1:7482", "10.0.0.9:7482"})); got != "[10.0.0.2:7482 10.0.0.9:7482]" {
			t.Errorf("after 23 hours it would join %s", got)
		}
		time.Sleep(time.Hour)
		_ = l.snapshot(time.Minute)
		if got := fmt.Sprint(l.absent(nil)); got != "[]" {
			t.Errorf("after a day it would join %s", got)
		}
	})
}

func TestLedgerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		for i := range 2 * maxPeers {
			id := fmt.Sprintf("n%d@a", i)
			l.alive(id, net.IPv4(10, 0, byte(i>>8), byte(i)), 7482, Meta{}, false)
			l.dead(id)
			time.Sleep(time.Millisecond)
		}
		kept := l.snapshot(time.Hour)
		if len(kept) != maxDeparted || len(l.absent(nil)) != maxPeers {
			t.Errorf("%d lives and %d peers are kept", len(kept), len(l.absent(nil)))
		}
		for _, known := range kept {
			var n int
			if _, err := fmt.Sscanf(known.id, "n%d@a", &n); err != nil || n < 2*maxPeers-maxDeparted {
				t.Errorf("%s is kept and later ones are not", known.id)
			}
		}
	})
}

func TestMetaGoesAround(t *testing.T) {
	meta := Meta{
		Incarnation: "01J", Epoch: 7, APIAddr: "a:1", RemoteAddr: "b:2", Version: "v1", Weight: 3,
		Draining: true, Cordoned: true, Held: true, ClusterID: "c", Shards: 1024, RecordFormat: 2,
	}
	for _, joining := range []bool{false, true} {
		body, err := meta.encode(joining)
		if err != nil {
			t.Fatal(err)
		}
		got, gotJoining, err := decodeMeta(body)
		if err != nil || got != meta || gotJoining != joining {
			t.Errorf("got %+v, joining %v, %v", got, gotJoining, err)
		}
	}
	if _, _, err := decodeMeta([]byte("\xff")); err == nil {
		t.Error("gibberish was read")
	}
	meta.Weight = -1
	body, err := meta.encode(false)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := decodeMeta(body); err != nil || got.Weight != 0 {
		t.Errorf("a weight of -1 came back as %d, %v", got.Weight, err)
	}
}

func FuzzNotesAndMeta(f *testing.F) {
	body, _ := Meta{Incarnation: "i", Epoch: 1, ClusterID: "c"}.encode(true)
	note, _ := encodeLeaving("n1@a")
	f.Add(body)
	f.Add(note)
	f.Fuzz(func(t *testing.T, body []byte) {
		_ = decodeLeaving(body)
		if meta, joining, err := decodeMeta(body); err == nil {
			again, err := meta.encode(joining)
			if err != nil {
				return // too long
			}
			if back, _, err := decodeMeta(again); err != nil || back != meta {
				t.Errorf("%+v became %+v, %v", meta, back, err)
			}
		}
	})
}
