package send_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/minio/crc64nvme"
	"go.uber.org/goleak"

	"godwit/actors/actorstest"
	"godwit/actors/fetch"
	"godwit/actors/send"
	"godwit/endpoint"
	"godwit/storage"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const chunk = 3 << 20

// rig is one upload of a form: text, a stored source, an empty one, text.
type rig struct {
	*testing.T
	objects *actorstest.Objects
	calls   *storagetest.Faults
	far     *actorstest.Far
	run     *fetch.Run
	upload  endpoint.Upload
	form    []transfer.Segment
	want    []byte
	sent    int64
	events  []transfer.Event
}

func newRig(t *testing.T, protocol transfer.Protocol) *rig {
	r := &rig{T: t, objects: actorstest.NewObjects(storage.Limits{}), far: actorstest.NewFar(protocol, chunk), run: fetch.NewRun(t.Context())}
	r.calls = &storagetest.Faults{}
	source := make([]byte, 4*chunk+17)
	for i := range source {
		source[i] = byte(rand.Uint32())
	}
	r.objects.Publish("/source", source)
	r.objects.Publish("/empty", nil)
	r.form = []transfer.Segment{
		{Text: []byte("before")}, {Source: "/source", Pin: r.pin("/source")}, {Source: "/empty", Pin: r.pin("/empty")}, {Text: []byte("after")},
	}
	r.want = append(append([]byte("before"), source...), "after"...)
	r.upload = endpoint.Upload{URL: "https://far.example/a", Session: transfer.Session{Protocol: protocol, PartSize: chunk}}
	return r
}

func (r *rig) pin(name string) transfer.Pin {
	info, err := r.objects.Stat(r.Context(), name)
	if err != nil {
		r.Fatal(err)
	}
	return send.PinOf(info)
}

func (r *rig) content() *send.Content {
	store := r.calls.Objects(r.objects)
	stores := func(source string) (storage.ObjectStore, string) { return store, source }
	storeError := func(err error) *transfer.Error {
		return &transfer.Error{Code: transfer.CodeStoreUnavailable, Message: "away", Err: err}
	}
	return send.NewContent(r.run, r.form, stores, storeError, func(n int64) { r.sent += n })
}

// do runs one request, and takes over what was reported as the core does.
func (r *rig) do(work func(*send.Sender, context.Context) transfer.Event) transfer.Event {
	s := send.NewSender(r.far, r.run, r.content(), r.upload, func(ev transfer.Event) {
		r.events = append(r.events, ev)
		switch ev := ev.(type) {
		case transfer.Confirmed:
			r.upload.Session.Offset, r.upload.Session.CRC64 = ev.Offset, ev.CRC64
		case transfer.PartSent:
			r.upload.Session.Parts = append(r.upload.Session.Parts, ev.Part)
		}
	})
	return work(s, r.run.Context())
}

func (r *rig) send(from int64) transfer.Event {
	return r.do(func(s *send.Sender, c context.Context) transfer.Event { return s.Send(c, from) })
}

// complete fails the test unless everything arrived, with its checksum.
func (r *rig) complete(ev transfer.Event) {
	r.Helper()
	answered, ok := ev.(transfer.Answered)
	if !ok || answered.CRC64 != crc64nvme.Checksum(r.want) {
		r.Fatalf("ended with %T %+v, want the checksum %x", ev, ev, crc64nvme.Checksum(r.want))
	}
	if got := r.far.Arrived(r.upload.URL); len(got) != 1 || !bytes.Equal(got[0], r.want) {
		r.Fatalf("%d uploads arrived, or other bytes", len(got))
	}
	if r.run.InFlight() != 0 || r.sent != r.far.Read() || r.run.OnWire() != r.far.Read() {
		r.Errorf("%d in flight, %d sent, %d on the wire, %d came", r.run.InFlight(), r.sent, r.run.OnWire(), r.far.Read())
	}
}

func (r *rig) checkEvents() {
	r.Helper()
	for _, ev := range r.events {
		switch ev := ev.(type) {
		case transfer.Confirmed:
			if ev.CRC64 != crc64nvme.Checksum(r.want[:ev.Offset]) {
				r.Errorf("the checksum of %d bytes is wrong", ev.Offset)
			}
		case transfer.PartSent:
			if p := ev.Part; p.CRC64 != crc64nvme.Checksum(r.want[p.Offset:p.Offset+p.Size]) {
				r.Errorf("the checksum of part %d is wrong", p.Number)
			}
		}
	}
}

var allProtocols = []transfer.Protocol{transfer.ProtocolPut, transfer.ProtocolTus, transfer.ProtocolRange, transfer.ProtocolS3}

func TestSendsAll(t *testing.T) {
	for _, protocol := range allProtocols {
		t.Run(string(protocol), func(t *testing.T) {
			r := newRig(t, protocol)
			if protocol == transfer.ProtocolTus {
				opened := r.do((*send.Sender).Open).(transfer.SessionOpened)
				opened.Session.Protocol = protocol
				r.upload.Session = opened.Session
			}
			r.complete(r.send(0))
			r.checkEvents()
			if protocol != transfer.ProtocolPut && len(r.events) == 0 {
				t.Error("nothing was reported")
			}
		})
	}
}

// TestGoesOn breaks an upload at many places and goes on in another life that
// knows only what was reported: what the far side has beyond that is read again
// for its checksum, not sent.
func TestGoesOn(t *testing.T) {
	for _, cut := range []int64{1, chunk - 1, 2 << 20, 100_000} {
		r := newRig(t, transfer.ProtocolRange)
		sends := 0
		r.far.Script = func(c actorstest.FarCall) actorstest.FarFault {
			if c.Op == actorstest.FarSend {
				sends++
			}
			if c.Op == actorstest.FarSend && sends%2 == 0 {
				return actorstest.FarFault{Cut: cut}
			}
			return actorstest.FarFault{}
		}
		ev := r.send(0)
		for tries := 0; tries < 100; tries++ {
			failed, ok := ev.(transfer.SendFailed)
			if !ok {
				break
			}
			if failed.Err.Code != transfer.CodeReset {
				t.Fatalf("cut at %d: %v", cut, failed.Err)
			}
			ev = r.do((*send.Sender).Find)
			if found, ok := ev.(transfer.SessionFound); ok {
				ev = r.send(found.Offset)
			}
		}
		r.checkEvents()
		if answered, ok := ev.(transfer.Answered); !ok || answered.CRC64 != crc64nvme.Checksum(r.want) {
			t.Fatalf("cut at %d: ended with %T", cut, ev)
		}
		if got := r.far.Arrived(r.upload.URL); len(got) != 1 || !bytes.Equal(got[0], r.want) {
			t.Errorf("cut at %d: other bytes arrived", cut)
		}
		if r.far.Read() != int64(len(r.want)) {
			t.Errorf("cut at %d: %d bytes came, of %d", cut, r.far.Read(), len(r.want))
		}
	}
}

// TestAnswerFoundLater learns of the end only when it asks again, in a life that
// has read nothing.
func TestAnswerFoundLater(t *testing.T) {
	r := newRig(t, transfer.ProtocolRange)
	r.far.Script = func(c actorstest.FarCall) actorstest.FarFault {
		return actorstest.FarFault{LostReply: c.From+c.Size == int64(len(r.want))}
	}
	if _, ok := r.send(0).(transfer.SendFailed); !ok {
		t.Fatal("the reply was not lost")
	}
	r.complete(r.do((*send.Sender).Find))
}

// TestSourceChanges while it is sent: nothing of the new content is sent, and no
// other try is worth it.
func TestSourceChanges(t *testing.T) {
	for name, change := range map[string]func(r *rig){
		"other":   func(r *rig) { r.objects.Publish("/source", []byte("other")) },
		"missing": func(r *rig) { r.objects.Unpublish("/source") },
	} {
		for _, protocol := range allProtocols[2:] {
			r := newRig(t, protocol)
			r.far.Script = func(c actorstest.FarCall) actorstest.FarFault {
				if c.From > 0 {
					change(r)
				}
				return actorstest.FarFault{}
			}
			ev, ok := r.send(0).(transfer.BodyLost)
			if !ok || ev.Err.Code != transfer.CodeSourceChanged {
				t.Errorf("%s, %s: %T %v", name, protocol, ev, ev.Err)
			}
			if len(r.far.Arrived(r.upload.URL)) > 0 || r.far.Read() > chunk {
				t.Errorf("%s, %s: %d bytes were sent", name, protocol, r.far.Read())
			}
			if _, ok := r.do((*send.Sender).Digest).(transfer.BodyLost); !ok {
				t.Errorf("%s: a digest was made", name)
			}
		}
	}
}

// TestStoreAway is no reason to give up.
func TestStoreAway(t *testing.T) {
	r := newRig(t, transfer.ProtocolPut)
	r.calls.Hook = storagetest.FailOps(storagetest.Refused(), storagetest.OpOpen)
	if ev, ok := r.send(0).(transfer.SendFailed); !ok || ev.Err.Code != transfer.CodeStoreUnavailable {
		t.Errorf("%T %+v", ev, ev)
	}
	if ev, ok := r.do((*send.Sender).Digest).(transfer.StoreFailed); !ok || ev.Err.Code != transfer.CodeStoreUnavailable {
		t.Errorf("%T %+v", ev, ev)
	}
}

// TestFinishing ends at a chunk, and is no failure.
func TestFinishing(t *testing.T) {
	r := newRig(t, transfer.ProtocolRange)
	r.far.Script = func(c actorstest.FarCall) actorstest.FarFault {
		if c.From == chunk {
			r.run.Finish()
		}
		return actorstest.FarFault{}
	}
	if ev := r.send(0); ev != nil {
		t.Errorf("%T %+v", ev, ev)
	}
	if r.upload.Session.Offset != 2*chunk || r.far.Read() != 2*chunk {
		t.Errorf("%d confirmed, %d came", r.upload.Session.Offset, r.far.Read())
	}
	r.run = fetch.NewRun(t.Context())
	r.sent = 0
	ev, ok := r.send(2 * chunk).(transfer.Answered)
	if !ok || ev.CRC64 != crc64nvme.Checksum(r.want) {
		t.Errorf("%T", ev)
	}
}

// TestStopped reports nothing of a run that was stopped.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, transfer.ProtocolPut)
		r.far.Script = func(actorstest.FarCall) actorstest.FarFault { return actorstest.FarFault{Rate: 1 << 20} }
		time.AfterFunc(time.Second, r.run.Stop)
		if ev := r.send(0); ev != nil {
			t.Errorf("%T %+v", ev, ev)
		}
	})
}

// TestRateLimit sends as fast as allowed, and counts what is in flight.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, transfer.ProtocolRange)
		r.run.Limit(1 << 20)
		began := time.Now()
		var most int64
		r.far.Script = func(actorstest.FarCall) actorstest.FarFault {
			most = max(most, r.run.InFlight())
			return actorstest.FarFault{}
		}
		r.complete(r.send(0))
		want := time.Duration(len(r.want)) * time.Second / (1 << 20)
		if took := time.Since(began); took < want*9/10 || took > want*11/10 {
			t.Errorf("took %v, want about %v", took, want)
		}
		if most > 0 {
			t.Errorf("%d bytes in flight when all were confirmed", most)
		}
	})
}

// TestReader reads ranges of the content in both ways.
func TestReader(t *testing.T) {
	r := newRig(t, transfer.ProtocolPut)
	c := r.content()
	size := int64(len(r.want))
	for _, at := range [][2]int64{{0, size}, {0, 0}, {size, size}, {3, 9}, {size - 3, size}, {6, size - 5}, {size - 6, size}, {1 << 20, 2 << 20}} {
		body, err := c.Open(t.Context(), at[0], at[1]-at[0])
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if at[0]%2 == 0 {
			_, err = io.Copy(&got, body)
		} else {
			_, err = io.Copy(&got, struct{ io.Reader }{body})
		}
		if err != nil || body.Close() != nil || body.Close() != nil || !bytes.Equal(got.Bytes(), r.want[at[0]:at[1]]) {
			t.Errorf("%v: %d bytes, %v", at, got.Len(), err)
		}
		if _, err := body.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%v: read after Close: %v", at, err)
		}
		crc, err := c.CRC64(t.Context(), at[0], at[1]-at[0])
		if err != nil || crc != crc64nvme.Checksum(r.want[at[0]:at[1]]) {
			t.Errorf("%v: checksum %x, %v", at, crc, err)
		}
	}
	for _, at := range [][2]int64{{-1, 1}, {0, size + 1}, {size + 1, 0}, {1, -1}} {
		if _, err := c.Open(t.Context(), at[0], at[1]); err == nil {
			t.Errorf("%v was opened", at)
		}
	}
}

// TestReadFails in the middle of the content: a store that fails is tried again,
// a source that ends early is another one.
func TestReadFails(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		code transfer.Code
	}{
		"fails":     {&storage.Error{Kind: storage.ErrUnavailable}, transfer.CodeStoreUnavailable},
		"ends":      {io.EOF, transfer.CodeSourceChanged},
		"is broken": {io.ErrUnexpectedEOF, transfer.CodeStoreUnavailable},
	} {
		r := newRig(t, transfer.ProtocolPut)
		store := failing{r.objects, test.err}
		storeError := func(err error) *transfer.Error {
			return &transfer.Error{Code: transfer.CodeStoreUnavailable, Message: "away", Err: err}
		}
		c := send.NewContent(r.run, r.form, func(source string) (storage.ObjectStore, string) { return store, source }, storeError, func(int64) {})
		body, err := c.Open(t.Context(), 0, c.Size())
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		var e *transfer.Error
		if !errors.As(err, &e) || e.Code != test.code || len(got) != len("before")+100 {
			t.Errorf("%s: %v after %d bytes", name, err, len(got))
		}
		if lost := c.Lost() != nil; lost != (test.code == transfer.CodeSourceChanged) {
			t.Errorf("%s: lost %v", name, c.Lost())
		}
		if body.Close() != nil {
			t.Error("close failed")
		}
	}
}

// failing is a store whose objects fail after 100 bytes.
type failing struct {
	storage.ObjectStore
	err error
}

func (f failing) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, storage.ObjectInfo, error) {
	body, info, err := f.ObjectStore.Open(ctx, name, offset)
	if err != nil {
		return nil, info, err
	}
	return io.NopCloser(io.MultiReader(io.LimitReader(body, 100), iotest.ErrReader(f.err))), info, nil
}

// wordy calls each part by a very long name.
type wordy struct{ *actorstest.Far }

func (w wordy) Send(ctx context.Context, u *endpoint.Upload, from int64, p endpoint.Progress) (*endpoint.UploadAnswer, *endpoint.Failure) {
	report := p.PartSent
	p.PartSent = func(part transfer.SessionPart) {
		part.Ref = strings.Repeat("x", 400<<10)
		report(part)
	}
	return w.Far.Send(ctx, u, from, p)
}

// TestLongNames are not recorded beyond what a record holds; the upload goes on.
func TestLongNames(t *testing.T) {
	r := newRig(t, transfer.ProtocolS3)
	parts := 0
	s := send.NewSender(wordy{r.far}, r.run, r.content(), r.upload, func(ev transfer.Event) {
		if _, ok := ev.(transfer.PartSent); ok {
			parts++
		}
	})
	r.complete(s.Send(t.Context(), 0))
	if parts != 2 {
		t.Errorf("%d parts were reported, want those whose names are a mebibyte together", parts)
	}
}
