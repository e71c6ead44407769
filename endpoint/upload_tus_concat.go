package endpoint

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"godwit/transfer"
)

const (
	// concatPart is the size of a partial upload unless something else is wanted,
	// concatPartMost what it grows to for large content.
	concatPart     = 16 << 20
	concatPartMost = 32 << 20
	// concatParts is how many there may be: their URLs make one header, and many
	// servers take no more than 8 KiB of that.
	concatParts = 128
	// concatInFlight bounds what a kill costs: the bytes of partial uploads that
	// are not complete.
	concatInFlight = 64 << 20
)

// partSize is that of partial uploads which are sent beside each other and then
// put together, 0 where the content goes in order: where that is not wanted, not
// possible, or of no use.
func (s *tusServer) partSize(d *Upload) int64 {
	size := d.PartSize
	if size == 0 {
		size = min(max(concatPart, (d.Size+concatParts-1)/concatParts), concatPartMost)
	}
	switch {
	case !s.has("concatenation"), d.Connections < 2,
		d.Size <= 2*size, (d.Size-1)/size+1 > concatParts, concatInFlight/size < 2:
		return 0
	}
	return size
}

// joining is one run of sending partial uploads.
type joining struct {
	c *Client
	d *Upload
	p Progress

	mu   sync.Mutex // guards what follows
	todo []transfer.SessionPart
	refs []string // by number of the part, from 1
	f    *Failure
}

// concatenate sends the parts that the session does not have, and puts all of
// them together.
func concatenate(ctx context.Context, c *Client, d *Upload, p Progress) (*UploadAnswer, *Failure) {
	j := &joining{c: c, d: d, p: p}
	size := d.Session.PartSize
	j.refs = make([]string, (d.Size-1)/size+1)
	for _, part := range d.Session.Parts {
		if part.Number >= 1 && part.Number <= len(j.refs) {
			j.refs[part.Number-1] = part.Ref
		}
	}
	for i, ref := range j.refs {
		at := int64(i) * size
		if ref == "" {
			j.todo = append(j.todo, transfer.SessionPart{Number: i + 1, Offset: at, Size: min(size, d.Size-at)})
		}
	}
	var workers sync.WaitGroup
	for range max(1, min(int64(d.connections(1)), concatInFlight/size)) {
		workers.Go(func() { j.work(ctx) })
	}
	workers.Wait()
	if j.f != nil {
		return nil, j.f
	}
	return j.join(ctx)
}

// work sends parts until there are none left, or one has failed. Those under way
// then are finished, for their bytes would be lost.
func (j *joining) work(ctx context.Context) {
	for {
		part, ok := j.next()
		if !ok {
			return
		}
		f := j.sendPart(ctx, &part)
		j.mu.Lock()
		if f == nil {
			j.refs[part.Number-1] = part.Ref
		} else if j.f == nil {
			// Only putting the parts together twice would be seen by anybody.
			j.f, f.Unknown = f, false
		}
		j.mu.Unlock()
		if f == nil {
			j.p.PartSent(part)
		}
	}
}

func (j *joining) next() (transfer.SessionPart, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.todo) == 0 || j.f != nil {
		return transfer.SessionPart{}, false
	}
	if j.d.finishing() {
		j.f = &Failure{Err: transfer.Errorf(transfer.CodeShuttingDown, "this node sends no more")}
		return transfer.SessionPart{}, false
	}
	part := j.todo[0]
	j.todo = j.todo[1:]
	return part, true
}

// sendPart makes an upload for a part and fills it. Nobody else will go on with
// it, so that after an interruption it is asked and continued here, as long as
// that gets on.
func (j *joining) sendPart(ctx context.Context, part *transfer.SessionPart) *Failure {
	var f *Failure
	part.Ref, _, f = createTus(ctx, j.c, j.d, tusHeader("Upload-Concat", "partial", "Upload-Length", strconv.FormatInt(part.Size, 10)))
	if f != nil {
		return f
	}
	u := &tusUpload{url: part.Ref, base: part.Offset, size: part.Size}
	for at := int64(0); ; {
		_, f := u.send(ctx, j.c, j.d, at, nil)
		if f == nil || f.Err.Code.Class() != transfer.Transient || j.d.finishing() || ctx.Err() != nil {
			return f
		}
		offset, _, missing := u.found(ctx, j.c, j.d)
		if missing != nil || offset <= at {
			return f
		}
		at = offset
	}
}

// join asks for one upload of all the parts. One whose answer is lost may be
// asked for again: nothing but the parts tells that it was carried out.
func (j *joining) join(ctx context.Context) (*UploadAnswer, *Failure) {
	paths := make([]string, len(j.refs))
	for i, ref := range j.refs {
		u, e := parse(ref)
		if e != nil {
			return nil, &Failure{Err: e}
		}
		paths[i] = u.RequestURI()
	}
	r, f := j.c.deliver(ctx, j.d, message{
		method: http.MethodPost, url: j.d.URL,
		header: j.d.tusMetadata(tusHeader("Upload-Concat", "final;"+strings.Join(paths, " "))),
	})
	if f != nil {
		return nil, f
	}
	if !r.ok() {
		f = r.tusRefused(false)
		if gone := j.gone(ctx, f); gone != nil {
			return nil, gone
		}
		return nil, f
	}
	return j.joined(ctx, r)
}

// gone looks for a part that the far side has forgotten, as the reason why it
// will not put the parts together.
func (j *joining) gone(ctx context.Context, refused *Failure) *Failure {
	if refused.Err.Code.Class() == transfer.Transient {
		return nil
	}
	for i, ref := range j.refs {
		at := int64(i) * j.d.Session.PartSize
		u := tusUpload{url: ref, size: min(j.d.Session.PartSize, j.d.Size-at)}
		if _, _, f := u.found(ctx, j.c, j.d); f != nil && f.Lost {
			return f
		}
	}
	return nil
}

// joined looks whether the upload made of the parts has their length, if the far
// side says it. The answer is that of the request that made it, at its URL.
func (j *joining) joined(ctx context.Context, r *uploadReply) (*UploadAnswer, *Failure) {
	at, e := j.d.resource(r.url, r.status, r.header["Location"])
	if e != nil {
		return nil, &Failure{Err: describe(e, r.url), Answer: r.answer()}
	}
	answer := r.answer()
	answer.Shown.ActualURL = transfer.RedactURL(at)
	head, f := j.c.deliver(ctx, j.d, message{method: http.MethodHead, url: at, header: tusHeader()})
	if f != nil || !head.ok() {
		return answer, nil // that it was made is known, and that counts
	}
	if size := head.header.Get("Upload-Length"); size != "" && size != strconv.FormatInt(j.d.Size, 10) {
		return nil, head.failed(transfer.CodeUploadIncomplete, false, "the far side made an upload of another length of the parts")
	}
	return answer, nil
}
