package endpoint

import (
	"context"
	"net/http"
	"strconv"
	"strings"

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
	case !s.has("concatenation"), d.connections(1) < 2,
		d.Size <= 2*size, (d.Size-1)/size+1 > concatParts, concatInFlight/size < 2:
		return 0
	}
	return size
}

// joining puts partial uploads together.
type joining struct {
	c     *Client
	d     *Upload
	parts []transfer.SessionPart // in order
}

// concatenate sends the parts that the session does not have, and puts all of
// them together.
func concatenate(ctx context.Context, c *Client, d *Upload, p Progress) (*UploadAnswer, *Failure) {
	s := newParts(d, 1, concatInFlight, func(part *transfer.SessionPart) *Failure { return sendPartial(ctx, c, d, part) })
	have, f := s.run(p.PartSent)
	if f != nil {
		// Only putting the parts together twice would be seen by anybody.
		f.Unknown = false
		return nil, f
	}
	j := &joining{c: c, d: d, parts: have}
	return j.join(ctx)
}

// sendPartial makes an upload for a part and fills it. Nobody else will go on with
// it, so that after an interruption it is asked and continued here, as long as
// that gets on.
func sendPartial(ctx context.Context, c *Client, d *Upload, part *transfer.SessionPart) *Failure {
	var f *Failure
	part.Ref, _, f = createTus(ctx, c, d, tusHeader("Upload-Concat", "partial", "Upload-Length", strconv.FormatInt(part.Size, 10)))
	if f != nil {
		return f
	}
	u := &tusUpload{url: part.Ref, base: part.Offset, size: part.Size}
	for at := int64(0); ; {
		_, f := u.send(ctx, c, d, at, nil)
		if f == nil || f.Err.Code.Class() != transfer.Transient || d.finishing() || ctx.Err() != nil {
			return discardPartial(ctx, c, d, part.Ref, f)
		}
		offset, _, missing := u.found(ctx, c, d)
		if missing != nil || offset <= at {
			return discardPartial(ctx, c, d, part.Ref, f)
		}
		at = offset
	}
}

// discardPartial asks the far side to forget a part that has failed: no record
// names it. What does not come of that is left to expire.
func discardPartial(ctx context.Context, c *Client, d *Upload, url string, f *Failure) *Failure {
	if f != nil && ctx.Err() == nil {
		_ = tus{}.discard(ctx, c, d, url)
	}
	return f
}

// join asks for one upload of all the parts. One whose answer is lost may be
// asked for again: nothing but the parts tells that it was carried out.
func (j *joining) join(ctx context.Context) (*UploadAnswer, *Failure) {
	paths := make([]string, len(j.parts))
	for i, part := range j.parts {
		u, e := parse(part.Ref)
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
		f = r.tusRefused()
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
	for _, part := range j.parts {
		u := tusUpload{url: part.Ref, size: part.Size}
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
		return nil, head.failed(transfer.CodeUploadIncomplete, "the far side made an upload of another length of the parts")
	}
	return answer, nil
}
