package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	pb "godwit/protos/godwit/v1"
)

func TestMeter(t *testing.T) {
	var m meter
	at := time.Unix(0, 0)
	m.observe(at, 0)
	if m.known || m.remaining(100) >= 0 {
		t.Error("one sample is no rate")
	}
	for i := range 60 {
		m.observe(at.Add(time.Duration(i)*time.Second), int64(i)*1000)
	}
	if m.rate < 999 || m.rate > 1001 {
		t.Errorf("steady rate %v", m.rate)
	}
	if left := m.remaining(m.position + 5000); left.Round(time.Second) != 5*time.Second {
		t.Errorf("remaining %v", left)
	}
	m.observe(at.Add(time.Hour), 10)
	if m.known {
		t.Error("a restart must forget the rate")
	}
}

func TestMeterStaysSane(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m meter
		at := time.Unix(0, 0)
		for range rapid.IntRange(0, 30).Draw(t, "samples") {
			at = at.Add(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "pause")))
			m.observe(at, rapid.Int64Range(0, 1<<50).Draw(t, "position"))
			if m.rate < 0 || m.rate != m.rate {
				t.Fatalf("rate %v", m.rate)
			}
			_ = m.remaining(rapid.Int64Range(-1, 1<<60).Draw(t, "total"))
		}
	})
}

func TestTallyCountsEachTransferOnce(t *testing.T) {
	s := newTally(3)
	take := func(id string, status pb.Transfer_Status, done int64) {
		s.take(&pb.Transfer{Id: id, Status: status, Progress: &pb.Progress{BytesDone: done}})
	}
	take("a", pb.Transfer_RUNNING, 10)
	take("a", pb.Transfer_COMPLETED, 30)
	take("a", pb.Transfer_COMPLETED, 30)
	take("b", pb.Transfer_FAILED, 5)
	take("b", pb.Transfer_RUNNING, 5)
	take("b", pb.Transfer_COMPLETED, 20)
	take("c", pb.Transfer_FAILED, 0)
	if got := s.String(); got != "2/3 files, 1 failed, 50 B" {
		t.Error(got)
	}
}

// On a log, a line at each change of state and one now and then.
func TestLines(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	l := newLines(&out, 1, 5*time.Second, func() time.Time { return now })
	show := func(after time.Duration, status pb.Transfer_Status, done int64, code string) {
		now = now.Add(after)
		size := int64(1 << 20)
		tr := &pb.Transfer{
			Id: "t", Status: status, Destination: &pb.Endpoint{Url: "file:///srv/x.iso"},
			Owner: &pb.Owner{Node: "n1"}, Progress: &pb.Progress{BytesDone: done, BytesTotal: &size},
		}
		if code != "" {
			tr.Error = &pb.Error{Code: code, Message: "the server is busy"}
		}
		l.show(tr)
	}
	show(0, pb.Transfer_QUEUED, 0, "")
	show(0, pb.Transfer_QUEUED, 0, "")
	show(time.Second, pb.Transfer_RUNNING, 0, "")
	show(time.Second, pb.Transfer_RUNNING, 100<<10, "")
	show(4*time.Second, pb.Transfer_RUNNING, 512<<10, "")
	show(time.Second, pb.Transfer_QUEUED, 512<<10, "http.unavailable")
	show(time.Second, pb.Transfer_COMPLETED, 1<<20, "")
	l.note("done")
	want := `x.iso: queued
x.iso: running, 0%, 0 B/1.0 MiB, on n1
x.iso: running, 50%, 512.0 KiB/1.0 MiB, 101.9 KiB/s, ETA 5s, on n1
x.iso: queued, the server is busy [http.unavailable]
done
`
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}

func TestLinesOfMany(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	l := newLines(&out, 100, 5*time.Second, func() time.Time { return now })
	for _, id := range []string{"a", "b", "c"} {
		now = now.Add(3 * time.Second)
		l.show(&pb.Transfer{Id: id, Status: pb.Transfer_COMPLETED, Progress: &pb.Progress{BytesDone: 1024}})
	}
	l.show(&pb.Transfer{Id: "d", Status: pb.Transfer_FAILED, Destination: &pb.Endpoint{Url: "file:///d"}, Error: &pb.Error{Code: "http.status", Message: "404"}})
	if got := out.String(); !strings.Contains(got, "2/100 files, 2.0 KiB") || !strings.Contains(got, "d: failed, 404 [http.status]\n") || strings.Count(got, "\n") != 2 {
		t.Errorf("got\n%s", got)
	}
}

// An upload that has sent everything is not standing still.
func TestAnswerDue(t *testing.T) {
	running := func(direction pb.Transfer_Direction, inFlight, size int64) *pb.Transfer {
		return &pb.Transfer{
			Id: "a", Direction: direction, Status: pb.Transfer_RUNNING,
			Progress: &pb.Progress{BytesInFlight: inFlight, BytesTotal: &size},
		}
	}
	const words = "awaiting the answer"
	for _, tc := range []struct {
		t    *pb.Transfer
		want bool
	}{
		{running(pb.Transfer_UPLOAD, 5, 5), true},
		{running(pb.Transfer_UPLOAD, 4, 5), false},
		{running(pb.Transfer_UPLOAD, 0, 0), false},
		{running(pb.Transfer_DOWNLOAD, 5, 5), false},
	} {
		var out strings.Builder
		newLines(&out, 1, time.Second, time.Now).show(tc.t)
		v := view{t: tc.t}
		for where, text := range map[string]string{"line": out.String(), "bar": v.right()} {
			if strings.Contains(text, words) != tc.want {
				t.Errorf("%s of %v: %q", where, tc.t, text)
			}
		}
	}
}
