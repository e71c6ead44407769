package actors

import (
	"slices"

	"google.golang.org/protobuf/proto"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
)

// The part of an upload that its record holds in secret: URLs of a far side may
// be all that is needed to write there.

// secretOf is the part of a state that may hold credentials.
func secretOf(s *transfer.State) *recordpb.Secret {
	out := secretOfSpec(&s.Spec)
	if s.Spec.Direction != transfer.Upload {
		return out
	}
	if !isZero(s.Session) {
		out.Session = encodeSession(&s.Session)
	}
	out.Answer, out.Garbage = s.Answer, encodeUploads(s.Garbage)
	return out
}

// secretOfSpec is the same of a spec alone.
func secretOfSpec(s *transfer.Spec) *recordpb.Secret {
	out := &recordpb.Secret{
		Source: s.Source, Mirrors: s.Mirrors, Headers: encodeHeaders(s.Headers), Body: s.Body,
		ResolverUrl: s.Resolver.URL, ResolverSecret: s.Resolver.Secret,
	}
	if s.Direction == transfer.Upload {
		out.Destination, out.Outgoing = s.Destination, encodeOutgoing(&s.Outgoing)
	}
	return out
}

// keepUnknown adds to a secret about to be written what the one that was read
// has of a later version.
func keepUnknown(to, from *recordpb.Secret) {
	if from == nil {
		return
	}
	to.ProtoReflect().SetUnknown(from.ProtoReflect().GetUnknown())
	if o := from.GetOutgoing(); o != nil && to.Outgoing != nil {
		to.Outgoing.ProtoReflect().SetUnknown(o.ProtoReflect().GetUnknown())
	}
	if s := from.GetSession(); s != nil && to.Session != nil {
		to.Session.ProtoReflect().SetUnknown(s.ProtoReflect().GetUnknown())
	}
}

// isZero tells that nothing is known of a far side.
func isZero(s transfer.Session) bool {
	return proto.Equal(encodeSession(&s), &recordpb.Session{})
}

func encodeOutgoing(o *transfer.Outgoing) *recordpb.Outgoing {
	out := &recordpb.Outgoing{
		Protocol: string(o.Protocol), SourcePin: encodePin(o.SourcePin), Spooled: o.Spooled,
		FormSubtype: o.Form.Subtype, FormBoundary: o.Form.Boundary,
		IdempotencyKey: o.IdempotencyKey, RepeatUnsafe: o.RepeatUnsafe, DigestHeaders: o.DigestHeaders, Expect: o.Expect,
		PartUrls: o.Presigned.PartURLs, CompleteUrl: o.Presigned.CompleteURL,
		AbortUrl: o.Presigned.AbortURL, ObjectUrl: o.Presigned.ObjectURL,
	}
	for _, p := range o.Form.Parts {
		out.FormParts = append(out.FormParts, &recordpb.FormPart{
			Name: p.Name, FileName: p.FileName, Headers: encodeHeaders(p.Headers), Text: p.Text, Source: p.Source, Pin: encodePin(p.Pin),
		})
	}
	return out
}

func decodeOutgoing(b *recordpb.Outgoing) transfer.Outgoing {
	out := transfer.Outgoing{
		Protocol: transfer.Protocol(b.GetProtocol()), SourcePin: decodePin(b.GetSourcePin()), Spooled: b.GetSpooled(),
		Form:           transfer.Form{Subtype: b.GetFormSubtype(), Boundary: b.GetFormBoundary()},
		IdempotencyKey: b.GetIdempotencyKey(), RepeatUnsafe: b.GetRepeatUnsafe(), DigestHeaders: b.GetDigestHeaders(), Expect: b.GetExpect(),
		Presigned: transfer.Presigned{
			PartURLs: slices.Clone(b.GetPartUrls()), CompleteURL: b.GetCompleteUrl(), AbortURL: b.GetAbortUrl(), ObjectURL: b.GetObjectUrl(),
		},
	}
	for _, p := range b.GetFormParts() {
		out.Form.Parts = append(out.Form.Parts, transfer.FormPart{
			Name: p.Name, FileName: p.FileName, Headers: decodeHeaders(p.Headers), Text: p.Text, Source: p.Source, Pin: decodePin(p.Pin),
		})
	}
	return out
}

func encodeSession(s *transfer.Session) *recordpb.Session {
	out := &recordpb.Session{
		Protocol: string(s.Protocol), Reason: s.Reason, Url: s.URL, Offset: s.Offset, Crc64: s.CRC64,
		PartSize: s.PartSize, Concatenate: s.Concatenate, MinAppend: s.MinAppend, MaxAppend: s.MaxAppend,
		Checksum: s.Checksum, Expires: stamp(s.Expires), Sent: s.Sent,
	}
	for _, p := range s.Parts {
		out.Parts = append(out.Parts, &recordpb.SessionPart{
			Number: int32(p.Number), Offset: p.Offset, Size: p.Size, Ref: p.Ref, Crc64: p.CRC64,
		})
	}
	return out
}

func decodeSession(b *recordpb.Session) transfer.Session {
	out := transfer.Session{
		Protocol: transfer.Protocol(b.GetProtocol()), Reason: b.GetReason(), URL: b.GetUrl(), Offset: b.GetOffset(), CRC64: b.GetCrc64(),
		PartSize: b.GetPartSize(), Concatenate: b.GetConcatenate(), MinAppend: b.GetMinAppend(), MaxAppend: b.GetMaxAppend(),
		Checksum: b.GetChecksum(), Expires: fromStamp(b.GetExpires()), Sent: b.GetSent(),
	}
	for _, p := range b.GetParts() {
		out.Parts = append(out.Parts, transfer.SessionPart{
			Number: int(p.Number), Offset: p.Offset, Size: p.Size, Ref: p.Ref, CRC64: p.Crc64,
		})
	}
	return out
}

func encodeUploads(list []transfer.UploadRef) (out []*recordpb.Upload) {
	for _, u := range list {
		out = append(out, &recordpb.Upload{Name: u.Name, Id: u.ID})
	}
	return out
}

func decodeUploads(list []*recordpb.Upload) (out []transfer.UploadRef) {
	for _, u := range list {
		out = append(out, transfer.UploadRef{Name: u.Name, ID: u.Id})
	}
	return out
}

// decodeSending is what a record says of an upload only.
func decodeSending(s *transfer.State, b *recordpb.Transfer, secret *recordpb.Secret) {
	s.SessionsLost, s.MaybeDuplicate = int(b.GetSessionsLost()), b.GetMaybeDuplicate()
	if s.Spec.Direction != transfer.Upload {
		return
	}
	s.AnswerSize = fromSize(b.AnswerSize)
	s.Session, s.Answer, s.Garbage = decodeSession(secret.GetSession()), secret.GetAnswer(), decodeUploads(secret.GetGarbage())
}

// shownDestination is the destination as others may see it: all of a place in a
// store, of a URL what is no secret.
func shownDestination(s *transfer.Spec) string {
	if s.Direction == transfer.Upload {
		return transfer.RedactURL(s.Destination)
	}
	return s.Destination
}

// shownSecret is what of it may be shown on another node: URLs lose their
// queries, parts are put together, and answers are left out unless they are
// asked for.
func shownSecret(s *transfer.State, answer bool) *recordpb.Secret {
	out := &recordpb.Secret{Outgoing: encodeOutgoing(&s.Spec.Outgoing), Session: encodeSession(&s.Session)}
	o, at := out.Outgoing, out.Session
	o.PartUrls = nil
	for _, url := range []*string{&o.CompleteUrl, &o.AbortUrl, &o.ObjectUrl, &at.Url} {
		*url = shownURL(*url)
	}
	if at.Parts = nil; len(s.Session.Parts) > 0 {
		at.Parts = []*recordpb.SessionPart{{Number: 1, Size: s.Session.Bytes() - s.Session.Offset}}
	}
	if answer {
		out.Answer = s.Answer
	}
	return out
}
