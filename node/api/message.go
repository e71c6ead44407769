package api

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// toMessage shows a transfer to users. Request headers and the body are left
// out, URLs lose what may be secret.
func toMessage(snap actors.Snapshot) *pb.Transfer {
	st, spec := &snap.State, &snap.State.Spec
	m := &pb.Transfer{
		Id:           spec.ID,
		Direction:    enumValue[pb.Transfer_Direction](pb.Transfer_Direction_value, string(spec.Direction)),
		Status:       enumValue[pb.Transfer_Status](pb.Transfer_Status_value, st.Phase.Status()),
		Source:       end(spec.Source),
		Destination:  end(spec.Destination),
		Method:       spec.Method,
		Progress:     progress(snap),
		Attempts:     int32(st.Attempts),
		Priority:     enumValue[pb.PriorityClass_Priority](pb.PriorityClass_Priority_value, string(spec.Priority)),
		CostPolicy:   enumValue[pb.CostClass_CostPolicy](pb.CostClass_CostPolicy_value, string(spec.Cost)),
		IfExists:     enumValue[pb.ExistsPolicy_IfExists](pb.ExistsPolicy_IfExists_value, string(spec.IfExists)),
		Response:     response(st),
		Checksums:    checksums(st),
		Labels:       spec.Labels,
		CreateTime:   moment(st.Created),
		UpdateTime:   moment(st.Updated),
		FinishTime:   moment(st.Finished),
		Group:        spec.Group,
		Etag:         snap.ETag,
		LimitRate:    spec.RateLimit,
		Connections:  int32(spec.Connections),
		PartSize:     spec.PartSize,
		Skipped:      st.Skipped,
		CanceledBy:   st.CanceledBy,
		CancelReason: st.CancelReason,
	}
	if m.Method == "" && spec.Direction != transfer.Upload {
		m.Method = "GET"
	}
	fillOptional(m, snap)
	return m
}

// end shows one end of a transfer; it is nil for the source of a form.
func end(url string) *pb.Endpoint {
	if url == "" {
		return nil
	}
	return &pb.Endpoint{Url: transfer.RedactURL(url)}
}

// fillOptional sets what is absent unless there is something to say.
func fillOptional(m *pb.Transfer, snap actors.Snapshot) {
	st, spec := &snap.State, &snap.State.Spec
	m.CompletionGroup = spec.CompletionGroup
	m.Upload = fromUpload(st)
	fillAfter(m, st)
	m.AcknowledgeTime = moment(st.Acknowledged)
	retries := int32(spec.Retries)
	m.Retries = &retries
	if spec.Size >= 0 {
		m.ExpectedSize = &spec.Size
	}
	if spec.WantSHA256 {
		m.Digest = "sha256"
	}
	if snap.Node != "" {
		m.Owner = &pb.Owner{Node: snap.Node, Epoch: int64(snap.Epoch)}
	}
	if st.Err != nil {
		m.Error = errorMessage(st.Err)
	}
	switch {
	case st.Phase == transfer.PhaseQueued:
		m.RetryTime = moment(st.NotBefore)
	case st.AttentionDeadline.IsZero():
		m.RetryTime = moment(st.WakeAt())
	}
	for _, reason := range st.Pauses {
		m.PauseReasons = append(m.PauseReasons,
			enumValue[pb.Transfer_PauseReason](pb.Transfer_PauseReason_value, string(reason)))
	}
	for _, url := range spec.Mirrors {
		m.Mirrors = append(m.Mirrors, &pb.Endpoint{Url: transfer.RedactURL(url)})
	}
	for _, status := range spec.Recoverable {
		m.RecoverableStatuses = append(m.RecoverableStatuses, int32(status))
	}
}

func progress(snap actors.Snapshot) *pb.Progress {
	st := &snap.State
	p := &pb.Progress{
		BytesDone: st.Done(),
		// Of a transfer that is not running only the record knows.
		BytesOnWire:   max(snap.OnWire, st.OnWire),
		Restarts:      int32(st.Restarts),
		Generation:    int32(st.Gen.Number),
		BytesInFlight: st.Done() + snap.InFlight,
	}
	for _, r := range st.Gen.Ledger.Ranges() {
		p.Ranges = append(p.Ranges, &pb.Range{Offset: r.Offset, Length: r.Length})
	}
	if size := st.Size(); size >= 0 {
		p.BytesTotal = &size
	}
	if st.Spec.Direction == transfer.Upload {
		p.Ranges = sentRanges(st)
		if st.Response.StatusCode != 0 && st.AnswerSize >= 0 {
			p.ResponseBytes = &st.AnswerSize
		}
	}
	return p
}

// response is nil until the far side answered.
func response(st *transfer.State) *pb.Response {
	if st.Response.StatusCode == 0 {
		return nil
	}
	out := &pb.Response{
		ActualUrl:  transfer.RedactURL(st.Response.ActualURL),
		StatusCode: int32(st.Response.StatusCode),
		Resumable:  st.Gen.Resumable,
	}
	if st.Spec.Direction == transfer.Upload {
		out.Resumable = st.Session.Protocol.Resumes()
		out.BodyBytes = int64(len(st.Answer))
		out.BodyTruncated = st.AnswerSize != out.BodyBytes
	}
	for _, h := range st.Response.Headers {
		out.Headers = append(out.Headers, &pb.Header{Name: h.Name, Value: h.Value})
	}
	return out
}

// checksums are those of the content where known, the declared one until then;
// nil when there is none.
func checksums(st *transfer.State) *pb.Checksums {
	out := &pb.Checksums{Sha256: st.SHA256}
	if out.Sha256 == "" {
		out.Sha256 = st.Spec.SHA256
	}
	if st.HasCRC64 {
		out.Crc64Nvme = base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, st.CRC64))
	}
	if out.Sha256 == "" && out.Crc64Nvme == "" {
		return nil
	}
	return out
}

// moment is nil for the zero time.
func moment(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// enumValue finds the value of a name; names of package transfer are those of
// the API, so that 0 (unspecified) means a newer version wrote the record.
func enumValue[E ~int32](values map[string]int32, name string) E { return E(values[name]) }
