package actors

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"

	"godwit/actors/send"
	"godwit/storage"
	"godwit/transfer"
)

// What is noted about the content of an upload when it is created, so that every
// try on every node sends the same bytes.

const creating = "create transfer"

// recordReserve is the room in a record for what is not known when it is created,
// in bytes: history, errors, the far side's answer and its URLs. Each part that
// the record will hold takes partRecord besides.
const (
	recordReserve = 1<<20 + 512<<10
	partRecord    = 40
)

// pinUpload checks the sources of an upload and notes what they are. What is
// noted of a transfer that is there already counts: then its sources need not be
// there any more.
func (s *System) pinUpload(ctx context.Context, spec *transfer.Spec) *transfer.Error {
	if err := s.checkSpooled(spec); err != nil {
		return err
	}
	if snap, err := s.Get(ctx, spec.ID); err == nil && sameSources(&snap.State.Spec, spec) {
		adopt(&spec.Outgoing, &snap.State.Spec.Outgoing)
	} else if err := checkFresh(spec, time.Now()); err != nil {
		return err
	} else if err := s.pinSources(ctx, spec); err != nil {
		return err
	}
	if err := transfer.CheckPresigned(spec); err != nil {
		return err
	}
	return checkContent(spec)
}

// sameSources tells that two uploads send what lies at the same places.
func sameSources(a, b *transfer.Spec) bool {
	x, y := a.Outgoing.Form, b.Outgoing.Form
	if a.Direction != b.Direction || a.Source != b.Source || len(x.Parts) != len(y.Parts) {
		return false
	}
	for i := range x.Parts {
		if x.Parts[i].Source != y.Parts[i].Source {
			return false
		}
	}
	return y.Boundary == "" || x.Boundary == y.Boundary
}

// adopt takes over what was noted before.
func adopt(to, from *transfer.Outgoing) {
	to.SourcePin = from.SourcePin
	to.Form.Boundary = from.Form.Boundary
	to.Form.Parts = append([]transfer.FormPart(nil), to.Form.Parts...)
	for i := range to.Form.Parts {
		to.Form.Parts[i].Pin = from.Form.Parts[i].Pin
	}
}

func (s *System) pinSources(ctx context.Context, spec *transfer.Spec) (err *transfer.Error) {
	o := &spec.Outgoing
	if len(o.Form.Parts) == 0 {
		o.SourcePin, err = s.pin(ctx, spec.Source, "source")
		return err
	}
	if o.Form.Boundary == "" {
		o.Form.Boundary = "godwit-" + rand.Text()
	}
	o.Form.Parts = append([]transfer.FormPart(nil), o.Form.Parts...)
	for i := range o.Form.Parts {
		if p := &o.Form.Parts[i]; p.Source != "" {
			if p.Pin, err = s.pin(ctx, p.Source, "form.parts"); err != nil {
				return err
			}
		}
	}
	return nil
}

// pin describes what lies at a source.
func (s *System) pin(ctx context.Context, source, field string) (transfer.Pin, *transfer.Error) {
	store := s.deps.cfg.Objects[schemeOf(source)]
	if store == nil {
		return transfer.Pin{}, &transfer.Error{
			Code: transfer.CodeURLScheme, Op: creating, Field: field,
			Message: "this node has no store for " + schemeOf(source) + ":// sources",
		}
	}
	// Opened, not only looked at: what cannot be read is known at once.
	body, info, err := store.Open(ctx, nameOf(source), 0)
	if err == nil {
		_ = body.Close()
		return send.PinOf(info), nil
	}
	e := *asTransferError(err)
	e.Op, e.Field = creating, field
	switch storage.KindOf(err) {
	case storage.ErrNotFound, storage.ErrNotFolder:
		e.Code, e.Message = transfer.CodeSourceMissing, "there is nothing at the source"
	}
	return transfer.Pin{}, &e
}

// checkContent compares the content with what was declared, and with what a
// record can hold of it.
func checkContent(spec *transfer.Spec) *transfer.Error {
	size := spec.ContentSize()
	e := &transfer.Error{Op: creating, Subject: spec.ID, Field: "size"}
	switch {
	case spec.Size >= 0 && size > spec.Size:
		e.Code, e.Message = transfer.CodeSizeExceeded, fmt.Sprintf("the content has %d bytes, %d were declared", size, spec.Size)
		return e
	case spec.Size >= 0 && size < spec.Size:
		e.Code, e.Message = transfer.CodeSizeShort, fmt.Sprintf("the content has %d bytes, %d were declared", size, spec.Size)
		return e
	}
	return checkRecord(spec)
}

// checkRecord refuses what would not fit into a record: better at once than when
// half of it was sent.
func checkRecord(spec *transfer.Spec) *transfer.Error {
	need := proto.Size(secretOfSpec(spec)) + proto.Size(encodeSpec(nil, spec)) + recordReserve
	if spec.Outgoing.Protocol == transfer.ProtocolS3 || spec.Outgoing.Protocol == transfer.ProtocolAuto {
		need += transfer.MaxPresigned * partRecord
	}
	if need <= storage.MaxRecordSize {
		return nil
	}
	e := &transfer.Error{Code: transfer.CodeForm, Op: creating, Subject: spec.ID, Field: "upload.form"}
	if len(spec.Outgoing.Presigned.PartURLs) > 0 {
		e.Code, e.Field = transfer.CodePresigned, "upload.presigned"
	}
	e.Message = fmt.Sprintf("the transfer would need a record of %d bytes, which may have %d", need, storage.MaxRecordSize)
	return e
}

// checkSpooled refuses to remove, with the transfer, what was not written for it.
func (s *System) checkSpooled(spec *transfer.Spec) *transfer.Error {
	if !spec.Outgoing.Spooled || s.isSpooled(spec) {
		return nil
	}
	return &transfer.Error{
		Code: transfer.CodePathDenied, Op: creating, Subject: spec.ID, Field: "upload.spooled",
		Message: "the source is not in this node's spool folder",
	}
}

// spoolPatience is for how long content that was spooled may wait for a transfer
// that names it. What has none long after may be deleted by anybody.
const spoolPatience = 12 * time.Hour

// checkFresh refuses a new transfer of content that was spooled too long ago. Its
// name says when that was.
func checkFresh(spec *transfer.Spec, now time.Time) *transfer.Error {
	id, err := ulid.Parse(idOfKey(spec.Source))
	if !spec.Outgoing.Spooled || err != nil || now.Sub(id.Timestamp()) < spoolPatience {
		return nil
	}
	return &transfer.Error{
		Code: transfer.CodeSourceMissing, Op: creating, Subject: spec.ID, Field: "source.url",
		Message: fmt.Sprintf("the content was spooled more than %s ago: send it again", spoolPatience),
	}
}

// isSpooled tells that the source was written for this transfer alone.
func (s *System) isSpooled(spec *transfer.Spec) bool {
	name, below := strings.CutPrefix(spec.Source, s.deps.cfg.SpoolURL)
	return spec.Direction == transfer.Upload && spec.Outgoing.Spooled && s.deps.cfg.SpoolURL != "" && below &&
		name != "" && !strings.Contains(name, "/")
}
