package actors_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/minio/crc64nvme"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

const (
	farURL   = "https://far.example/put?token=SECRET"
	sourceAt = "file:///sources/a"
	chunk    = partSize
)

// inUpload is a bubble with a far side and a source of some chunks.
func inUpload(t *testing.T, protocol transfer.Protocol, chunks int, test func(b *bubble, far *actorstest.Far)) {
	t.Helper()
	inBubble(t, 1, func(b *bubble) {
		far := b.farSide(protocol, chunks)
		test(b, far)
	})
}

func (b *bubble) farSide(protocol transfer.Protocol, chunks int) *actorstest.Far {
	far := actorstest.NewFar(protocol, chunk)
	b.config = func(c *actors.Config) { c.Uploads, c.SpoolURL = far, "file:///spool/" }
	b.objects.Publish("/sources/a", contentOf(chunks))
	return far
}

// contentOf is some content, a little shorter than so many chunks.
func contentOf(chunks int) []byte {
	content := endpointtest.Content{Seed: 7, Generation: 1, Size: int64(chunks)*chunk - 11}
	out, err := io.ReadAll(content.Reader(0))
	if err != nil {
		panic(err)
	}
	return out
}

// outgoing is an upload of the source, as transfer.Normalize would leave it.
func outgoing(id string, change ...func(*transfer.Spec)) transfer.Spec {
	s := transfer.Spec{
		ID: id, Direction: transfer.Upload, Source: sourceAt, Destination: farURL, Method: "PUT",
		Size: transfer.UnknownSize, Retries: 5, IfExists: transfer.IfExistsFail, Priority: transfer.PriorityDefault,
		Cost: transfer.CostDefault, Outgoing: transfer.Outgoing{Protocol: transfer.ProtocolAuto},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func posting(s *transfer.Spec) { s.Method = "POST" }

// presigned asks for parts of one chunk, to URLs that somebody has signed.
func presigned(s *transfer.Spec) {
	s.PartSize = chunk
	s.Outgoing.Protocol = transfer.ProtocolS3
	s.Outgoing.Presigned = transfer.Presigned{CompleteURL: "https://far.example/complete?sig=SECRET", AbortURL: "https://far.example/abort?sig=SECRET"}
}

// sent waits for the end, and checks that exactly the content arrived, once.
func (b *bubble) sent(sys *actors.System, far *actorstest.Far, id string) actors.Snapshot {
	b.Helper()
	snap := b.await(sys, id)
	if snap.State.Phase != transfer.PhaseCompleted {
		b.Fatalf("%s ended %s: %v", id, snap.State.Phase, snap.State.Err)
	}
	b.arrived(far, snap)
	return snap
}

func (b *bubble) arrived(far *actorstest.Far, snap actors.Snapshot) {
	b.Helper()
	want := b.objects.Result("/sources/a")
	got := far.Arrived(farURL)
	if len(got) != 1 || !bytes.Equal(got[0], want) {
		b.Fatalf("%d uploads arrived, or other bytes", len(got))
	}
	s := &snap.State
	if !s.HasCRC64 || s.CRC64 != crc64nvme.Checksum(want) || s.Done() != int64(len(want)) || s.Response.StatusCode != 201 {
		b.Errorf("checksum %x, %d bytes done, status %d", s.CRC64, s.Done(), s.Response.StatusCode)
	}
}

// everyProtocol is what an upload can be, and the protocol of its far side.
var everyProtocol = map[string]struct {
	protocol transfer.Protocol
	change   func(*transfer.Spec)
}{
	"put":       {transfer.ProtocolPut, func(*transfer.Spec) {}},
	"post":      {transfer.ProtocolPost, posting},
	"post, key": {transfer.ProtocolPost, func(s *transfer.Spec) { posting(s); s.Outgoing.IdempotencyKey = "k" }},
	"session":   {transfer.ProtocolTus, func(*transfer.Spec) {}},
	"digest":    {transfer.ProtocolTus, func(s *transfer.Spec) { s.WantSHA256 = true }},
	"range":     {transfer.ProtocolRange, func(s *transfer.Spec) { s.Outgoing.Protocol = transfer.ProtocolRange }},
	"s3, parts": {transfer.ProtocolS3, presigned},
}

func TestUpload(t *testing.T) {
	for name, test := range everyProtocol {
		t.Run(name, func(t *testing.T) {
			inUpload(t, test.protocol, 4, func(b *bubble, far *actorstest.Far) {
				sys := b.node()
				began := time.Now()
				b.create(sys, outgoing("a", test.change), true)
				snap := b.sent(sys, far, "a")
				if snap.State.OnWire != far.Read() || b.meter.count("sent") != int(far.Read()) || snap.InFlight != 0 {
					b.Errorf("%d on the wire, %d counted, %d came", snap.State.OnWire, b.meter.count("sent"), far.Read())
				}
				if took := time.Since(began); took > time.Second {
					b.Errorf("took %v", took)
				}
				if digest := snap.State.SHA256 != ""; digest != (name == "digest") {
					b.Errorf("digest %q", snap.State.SHA256)
				}
				settle(time.Second)
				if n := sys.Actors(); n > 0 || len(far.Sessions()) > 0 {
					b.Errorf("%d actors are left, sessions %v", n, far.Sessions())
				}
				b.answer(sys, "a", 0, "taken")
				b.answer(sys, "a", 3, "en")
				_, err := sys.Open(b.Context(), "a", 6)
				b.code(err, transfer.CodeOffset)
			})
		})
	}
}

// TestUploadRateLimit sends as fast as its user wants, and changes that while it
// does.
func TestUploadRateLimit(t *testing.T) {
	inUpload(t, transfer.ProtocolTus, 8, func(b *bubble, far *actorstest.Far) {
		sys := b.node()
		began := time.Now()
		b.create(sys, outgoing("a", func(s *transfer.Spec) { s.RateLimit = chunk }), true)
		settle(2 * time.Second)
		rate := int64(2 * chunk)
		b.command(sys, "a", transfer.Update{RateLimit: &rate})
		b.sent(sys, far, "a")
		if took := time.Since(began); took < 4500*time.Millisecond || took > 5500*time.Millisecond {
			b.Errorf("took %v, want about 5 s", took)
		}
	})
}

// answer reads what the far side answered.
func (b *bubble) answer(sys *actors.System, id string, offset int64, want string) {
	b.Helper()
	body, err := sys.Open(b.Context(), id, offset)
	if err != nil {
		b.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if err != nil || body.Close() != nil || string(got) != want {
		b.Errorf("answered %q, %v, want %q", got, err, want)
	}
}

// TestAnswerIsAwaited opens the answer while the upload runs, and after a failure
// with and without one.
func TestAnswerIsAwaited(t *testing.T) {
	inUpload(t, transfer.ProtocolPut, 2, func(b *bubble, far *actorstest.Far) {
		far.Script = func(c actorstest.FarCall) actorstest.FarFault { return actorstest.FarFault{Rate: chunk} }
		sys := b.node()
		b.create(sys, outgoing("a"), true)
		settle(time.Second)
		b.answer(sys, "a", 0, "taken")
		far.Script = func(actorstest.FarCall) actorstest.FarFault {
			return actorstest.FarFault{Err: &transfer.Error{Code: transfer.CodeStatus, Status: 403, Message: "no"}}
		}
		b.create(sys, outgoing("b"), true)
		b.answer(sys, "b", 0, "no")
		b.create(sys, outgoing("c"), false)
		b.command(sys, "c", transfer.Cancel{})
		_, err := sys.Open(b.Context(), "c", 0)
		b.code(err, transfer.CodeNoResult)
	})
}

// TestUploadPause stops within a chunk and goes on where the far side is.
func TestUploadPause(t *testing.T) {
	inUpload(t, transfer.ProtocolTus, 6, func(b *bubble, far *actorstest.Far) {
		far.Script = func(actorstest.FarCall) actorstest.FarFault { return actorstest.FarFault{Rate: chunk} }
		sys := b.node()
		b.create(sys, outgoing("a"), true)
		settle(2500 * time.Millisecond)
		if snap := b.want(sys, "a", transfer.PhaseRunning); snap.InFlight == 0 || snap.State.Done() != 2*chunk {
			b.Errorf("%d in flight, %d done", snap.InFlight, snap.State.Done())
		}
		b.command(sys, "a", transfer.Pause{})
		before := far.Read()
		settle(time.Hour)
		if far.Read() != before {
			b.Error("bytes were sent while it was paused")
		}
		b.command(sys, "a", transfer.Resume{})
		b.sent(sys, far, "a")
		if extra := far.Read() - int64(len(b.objects.Result("/sources/a"))); extra > chunk {
			b.Errorf("%d bytes were sent twice", extra)
		}
	})
}

// TestUploadCancel has the far side forget, however often that fails.
func TestUploadCancel(t *testing.T) {
	inUpload(t, transfer.ProtocolTus, 6, func(b *bubble, far *actorstest.Far) {
		discards := 0
		far.Script = func(c actorstest.FarCall) actorstest.FarFault {
			if c.Op == actorstest.FarDiscard {
				if discards++; discards < 3 {
					return actorstest.FarFault{Err: transfer.Errorf(transfer.CodeConnect, "refused")}
				}
			}
			return actorstest.FarFault{Rate: chunk}
		}
		sys := b.node()
		b.create(sys, outgoing("a"), true)
		settle(2500 * time.Millisecond)
		b.command(sys, "a", transfer.Cancel{})
		settle(time.Minute)
		sys.Abandon()
		sys = b.node()
		settle(30 * time.Minute)
		b.want(sys, "a", transfer.PhaseCanceled)
		if len(far.Sessions()) > 0 || discards != 3 {
			b.Errorf("left %v after %d tries", far.Sessions(), discards)
		}
		b.command(sys, "a", transfer.Purge{})
		b.gone(sys, "a")
	})
}

// TestUploadRetried fails for good and goes on, when asked to, where it was; its
// deletion removes what the far side had.
func TestUploadRetried(t *testing.T) {
	for name, purged := range map[string]bool{"retried": false, "deleted": true} {
		t.Run(name, func(t *testing.T) {
			inUpload(t, transfer.ProtocolTus, 6, func(b *bubble, far *actorstest.Far) {
				refuse := true
				far.Script = func(c actorstest.FarCall) actorstest.FarFault {
					if c.From == 3*chunk && refuse {
						refuse = false
						return actorstest.FarFault{Err: &transfer.Error{Code: transfer.CodeStatus, Status: 403, Message: "no"}}
					}
					return actorstest.FarFault{}
				}
				sys := b.node()
				b.create(sys, outgoing("a"), true)
				snap := b.await(sys, "a")
				if snap.State.Phase != transfer.PhaseFailed || snap.State.Session.Offset != 3*chunk || len(far.Sessions()) != 1 {
					b.Fatalf("%s at %d, sessions %v", snap.State.Phase, snap.State.Session.Offset, far.Sessions())
				}
				if purged {
					b.command(sys, "a", transfer.Purge{})
					b.gone(sys, "a")
					if len(far.Sessions()) > 0 {
						b.Errorf("left %v", far.Sessions())
					}
					return
				}
				b.command(sys, "a", transfer.Retry{})
				b.sent(sys, far, "a")
				if far.Read() != int64(len(b.objects.Result("/sources/a"))) || far.Count(actorstest.FarOpen) != 1 {
					b.Errorf("%d bytes came, %d sessions were made", far.Read(), far.Count(actorstest.FarOpen))
				}
			})
		})
	}
}

// TestUploadOfWhatChanged ends when the source is another one, and sends nothing
// of it.
func TestUploadOfWhatChanged(t *testing.T) {
	for name, change := range map[string]func(b *bubble){
		"other content": func(b *bubble) { b.objects.Publish("/sources/a", contentOf(5)) },
		"same size":     func(b *bubble) { b.objects.Publish("/sources/a", make([]byte, len(contentOf(6)))) },
		"gone":          func(b *bubble) { b.objects.Unpublish("/sources/a") },
	} {
		t.Run(name, func(t *testing.T) {
			inUpload(t, transfer.ProtocolTus, 6, func(b *bubble, far *actorstest.Far) {
				sys := b.node()
				b.create(sys, outgoing("a"), false)
				change(b)
				b.command(sys, "a", transfer.Start{})
				snap := b.await(sys, "a")
				b.code(snap.State.Err, transfer.CodeSourceChanged)
				settle(time.Minute)
				if far.Read() > 0 || len(far.Sessions()) > 0 {
					b.Errorf("%d bytes were sent, sessions %v", far.Read(), far.Sessions())
				}
			})
		})
	}
}
