package actors

import (
	"context"
	"path"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/actors/fetch"
	"godwit/actors/send"
	"godwit/endpoint"
	"godwit/storage"
	"godwit/transfer"
)

// The effects of uploads.

// discardTimeout bounds one request that a far side forget an upload: whoever is
// to give the transfer away waits for it.
const discardTimeout = 10 * time.Second

func (t *transferActor) uploads() bool { return t.state.Spec.Direction == transfer.Upload }

// carryOutSending carries out an effect of an upload; it is false for any other.
func (t *transferActor) carryOutSending(ctx actor.Context, e any) bool {
	switch e := e.(type) {
	case transfer.Probe:
		t.sending(ctx, (*send.Sender).Probe)
	case transfer.OpenSession:
		t.sending(ctx, (*send.Sender).Open)
	case transfer.FindSession:
		t.sending(ctx, (*send.Sender).Find)
	case transfer.Send:
		t.sending(ctx, func(s *send.Sender, c context.Context) transfer.Event { return s.Send(c, e.From) })
	case transfer.Digest:
		if !t.uploads() {
			return false
		}
		t.sending(ctx, (*send.Sender).Digest)
	default:
		return false
	}
	return true
}

// unsent tells that the request which the state speaks of was never begun.
func (t *transferActor) unsent() bool {
	isSend := func(e any) bool {
		_, ok := e.(transfer.Send)
		return ok
	}
	return t.held == t.run || slices.ContainsFunc(t.pending, isSend)
}

// sending runs requests of the upload, unless it is about to be given away: a
// session made now might be in no record. What they come to is told before the
// run counts them as ended: who waits for the run knows their outcome.
func (t *transferActor) sending(ctx actor.Context, work func(*send.Sender, context.Context) transfer.Event) {
	if t.run.Finishing() {
		t.held = t.run
		return
	}
	run, life := t.run, t.life
	self, root := ctx.Self(), ctx.ActorSystem().Root
	report := func(ev transfer.Event) { root.Send(self, &happened{life: life, run: run, event: ev}) }
	sender := send.NewSender(t.cfg.Uploads, run, t.content(run), t.upload(), report)
	done := run.Begin()
	t.spawn(ctx, func(context.Context) any {
		defer done()
		if ev := work(sender, run.Context()); ev != nil && run.Context().Err() == nil {
			report(ev)
		}
		return nil
	})
}

func (t *transferActor) content(run *fetch.Run) *send.Content {
	stores := func(source string) (storage.ObjectStore, string) {
		return t.cfg.Objects[schemeOf(source)], nameOf(source)
	}
	return send.NewContent(run, t.state.Spec.Content(), stores, storeError, t.cfg.Meter.Sent)
}

// upload is the upload as its protocol sees it.
func (t *transferActor) upload() endpoint.Upload {
	spec := &t.state.Spec
	u := endpoint.Upload{
		URL: spec.Destination, Method: spec.Method, Headers: spec.Headers, ContentType: spec.ContentType(),
		SHA256: t.state.SHA256, Outgoing: spec.Outgoing, PartSize: spec.PartSize,
		Connections: spec.Connections, Share: t.run.Connections(), Session: t.state.Session, Size: spec.ContentSize(),
	}
	if spec.Source != "" {
		u.Name = path.Base(nameOf(spec.Source))
	}
	return u
}

// discard asks the far side to forget an upload.
func (t *transferActor) discard(e transfer.Remove) func(context.Context) *transfer.Error {
	u := t.upload()
	u.Session = transfer.Session{Protocol: transfer.Protocol(e.Upload.Name), URL: e.Upload.ID}
	return func(c context.Context) *transfer.Error {
		c, cancel := context.WithTimeout(c, discardTimeout)
		defer cancel()
		return t.cfg.Uploads.Discard(c, &u, e.Upload.ID)
	}
}

// hasRun tells that a transfer had a slot before and has something of it.
func hasRun(s *transfer.State) bool {
	return s.Gen.Number > 0 || s.Session.Protocol != "" && s.Attempts > 0
}

// noUploads stands where nobody sends uploads.
type noUploads struct{}

func noSender() *endpoint.Failure { return &endpoint.Failure{Err: noSenderError()} }

func noSenderError() *transfer.Error {
	return transfer.Errorf(transfer.CodeUploadProtocol, "this node sends no uploads")
}

func (noUploads) Probe(context.Context, *endpoint.Upload) (endpoint.Choice, *endpoint.Failure) {
	return endpoint.Choice{}, noSender()
}

func (noUploads) OpenSession(context.Context, *endpoint.Upload) (transfer.Session, *endpoint.Failure) {
	return transfer.Session{}, noSender()
}

func (noUploads) FindSession(context.Context, *endpoint.Upload) (endpoint.Found, *endpoint.Failure) {
	return endpoint.Found{}, noSender()
}

func (noUploads) Send(context.Context, *endpoint.Upload, int64, endpoint.Progress) (*endpoint.UploadAnswer, *endpoint.Failure) {
	return nil, noSender()
}

func (noUploads) Discard(context.Context, *endpoint.Upload, string) *transfer.Error {
	return noSenderError()
}
