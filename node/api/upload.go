package api

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// outputOnlyUpload are the fields of an upload that only the server sets.
var outputOnlyUpload = []protoreflect.Name{"chosen_protocol", "chosen_reason", "maybe_duplicate", "expire_time", "source_time"}

// expressibleUpload refuses what says nothing in a request: how a download is
// sent, and what only the server knows.
func expressibleUpload(m *pb.Transfer) *transfer.Error {
	if m.GetUpload() == nil {
		return nil
	}
	if m.GetDirection() != pb.Transfer_UPLOAD {
		return unsupported("upload", "it belongs to transfers whose direction is UPLOAD")
	}
	for _, part := range m.GetUpload().GetForm().GetParts() {
		if err := refuseOutputOnly(part, "transfer.upload.form.parts", "source_time"); err != nil {
			return err
		}
	}
	return refuseOutputOnly(m.GetUpload(), "transfer.upload", outputOnlyUpload...)
}

// toOutgoing reads how an upload is to be sent.
func toOutgoing(m *pb.Upload) transfer.Outgoing {
	return transfer.Outgoing{
		Protocol:       transfer.Protocol(m.GetProtocol()),
		Spooled:        m.GetSpooled(),
		Form:           toForm(m.GetForm()),
		IdempotencyKey: m.GetIdempotencyKey(),
		RepeatUnsafe:   m.GetRepeatUnsafe(),
		DigestHeaders:  m.GetDigestHeaders(),
		Expect:         m.GetExpectContinue(),
		Presigned: transfer.Presigned{
			PartURLs:    m.GetPresigned().GetPartUrls(),
			CompleteURL: m.GetPresigned().GetCompleteUrl(),
			AbortURL:    m.GetPresigned().GetAbortUrl(),
			ObjectURL:   m.GetPresigned().GetObjectUrl(),
		},
	}
}

func toForm(m *pb.Form) transfer.Form {
	form := transfer.Form{Subtype: m.GetSubtype(), Boundary: m.GetBoundary()}
	for _, part := range m.GetParts() {
		form.Parts = append(form.Parts, transfer.FormPart{
			Name: part.GetName(), FileName: part.GetFileName(), Headers: toHeaders(part.GetHeaders()),
			Text: part.GetText(), Source: part.GetSource().GetUrl(),
		})
	}
	return form
}

// fromUpload shows how an upload is sent: of a form neither texts nor headers,
// and no URL that is as good as a signature. It is nil for a download.
func fromUpload(st *transfer.State) *pb.Upload {
	if st.Spec.Direction != transfer.Upload {
		return nil
	}
	o := &st.Spec.Outgoing
	return &pb.Upload{
		Protocol:       string(o.Protocol),
		Form:           fromForm(&o.Form),
		IdempotencyKey: o.IdempotencyKey,
		RepeatUnsafe:   o.RepeatUnsafe,
		DigestHeaders:  o.DigestHeaders,
		ExpectContinue: o.Expect,
		Spooled:        o.Spooled,
		ChosenProtocol: string(st.Session.Protocol),
		ChosenReason:   st.Session.Reason,
		MaybeDuplicate: st.MaybeDuplicate,
		ExpireTime:     moment(st.Session.Expires),
		SourceTime:     moment(o.SourcePin.Modified),
	}
}

// fromForm is nil for an upload that has none.
func fromForm(f *transfer.Form) *pb.Form {
	if len(f.Parts) == 0 {
		return nil
	}
	out := &pb.Form{Subtype: f.Subtype, Boundary: f.Boundary}
	for _, p := range f.Parts {
		out.Parts = append(out.Parts, &pb.FormPart{Name: p.Name, FileName: p.FileName, Source: end(p.Source), SourceTime: moment(p.Pin.Modified)})
	}
	return out
}

// sentRanges are the bytes of the content that the far side is known to have,
// in order.
func sentRanges(st *transfer.State) (out []*pb.Range) {
	add := func(offset, length int64) {
		if last := len(out) - 1; last >= 0 && out[last].GetOffset()+out[last].GetLength() == offset {
			out[last].Length += length
		} else if length > 0 {
			out = append(out, &pb.Range{Offset: offset, Length: length})
		}
	}
	if st.Phase == transfer.PhaseCompleted {
		add(0, st.Done())
		return out
	}
	add(0, st.Session.Offset)
	for _, p := range st.Session.Parts {
		add(p.Offset, p.Size)
	}
	return out
}
