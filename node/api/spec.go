package api

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// outputOnly are the fields of a transfer that only the server sets.
var outputOnly = []protoreflect.Name{
	"status", "pause_reasons", "progress", "owner", "attempts", "response", "error",
	"create_time", "update_time", "etag", "skipped", "retry_time", "finish_time",
	"canceled_by", "cancel_reason", "attempt_history", "acknowledge_time", "attention_deadline",
}

// toSpec reads what a user asks for. Values are judged by transfer.Normalize;
// here is refused only what a Spec cannot express.
func toSpec(m *pb.Transfer) (transfer.Spec, *transfer.Error) {
	if m == nil {
		return transfer.Spec{}, jsonError("transfer", "is required")
	}
	if e := expressible(m); e != nil {
		return transfer.Spec{}, e
	}
	spec := transfer.Spec{
		ID:          m.GetId(),
		Direction:   transfer.Direction(word(m.GetDirection(), string(transfer.Download))),
		Source:      m.GetSource().GetUrl(),
		Destination: m.GetDestination().GetUrl(),
		Method:      m.GetMethod(),
		Headers:     toHeaders(m.GetHeaders()),
		Body:        m.GetBody(),
		SHA256:      m.GetChecksums().GetSha256(),
		WantSHA256:  m.GetDigest() != "",
		Size:        transfer.UnknownSize,
		IfExists:    transfer.IfExists(word(m.GetIfExists(), string(transfer.IfExistsFail))),
		Priority:    transfer.Priority(word(m.GetPriority(), string(transfer.PriorityDefault))),
		Cost:        transfer.CostPolicy(word(m.GetCostPolicy(), string(transfer.CostDefault))),
		PartSize:    m.GetPartSize(),
		Connections: int(m.GetConnections()),
		RateLimit:   m.GetLimitRate(),
		Retries:     transfer.DefaultRetries,
		Labels:      m.GetLabels(),
		Group:       m.GetGroup(), CompletionGroup: m.GetCompletionGroup(),
		Resolver:     transfer.Webhook{URL: m.GetResolver().GetUrl(), Secret: m.GetResolver().GetSecret()},
		AttentionTTL: m.GetAttentionTtl().AsDuration(),
		BodySource:   m.GetBodySource().GetUrl(),
		Outgoing:     toOutgoing(m.GetUpload()),
	}
	if m.ExpectedSize != nil {
		spec.Size = m.GetExpectedSize()
	}
	if m.Retries != nil {
		spec.Retries = int(m.GetRetries())
	}
	for _, mirror := range m.GetMirrors() {
		spec.Mirrors = append(spec.Mirrors, mirror.GetUrl())
	}
	for _, status := range m.GetRecoverableStatuses() {
		spec.Recoverable = append(spec.Recoverable, int(status))
	}
	return spec, nil
}

// expressible refuses fields that have no meaning in a request, and those that
// this version does not know how to honour: ignoring them would promise
// something.
func expressible(m *pb.Transfer) *transfer.Error {
	if e := refuseOutputOnly(m, "transfer", outputOnly...); e != nil {
		return e
	}
	switch {
	case m.GetRandomAccess():
		return unsupported("randomAccess", "parts are always fetched in order by this version")
	case m.GetChecksums().GetCrc64Nvme() != "":
		return unsupported("checksums.crc64nvme", "only a SHA-256 can be declared")
	case m.GetDigest() != "" && m.GetDigest() != "sha256":
		return &transfer.Error{Code: transfer.CodeChecksum, Field: "transfer.digest", Message: "the only digest is sha256"}
	}
	if e := expressibleUpload(m); e != nil {
		return e
	}
	return knownWords(m)
}

// knownWords refuses numbers of enumerations that have no name; they come in
// binary messages only.
func knownWords(m *pb.Transfer) *transfer.Error {
	for _, f := range []struct {
		name  string
		value protoreflect.Enum
	}{
		{"direction", m.GetDirection()},
		{"ifExists", m.GetIfExists()},
		{"priority", m.GetPriority()},
		{"costPolicy", m.GetCostPolicy()},
	} {
		if f.value.Number() != 0 && !named(f.value) {
			return &transfer.Error{Code: transfer.CodeEnum, Field: "transfer." + f.name, Message: "unknown value"}
		}
	}
	return nil
}

func unsupported(field, why string) *transfer.Error {
	return &transfer.Error{Code: transfer.CodeField, Field: "transfer." + field, Message: why}
}

func toHeaders(in []*pb.Header) []transfer.Header {
	out := make([]transfer.Header, len(in))
	for i, h := range in {
		out[i] = transfer.Header{Name: h.GetName(), Value: h.GetValue()}
	}
	return out
}

// specFields are the JSON paths, below the transfer, of the fields that
// transfer.Normalize names otherwise.
var specFields = map[string]string{
	"source": "source.url", "destination": "destination.url", "mirrors": "mirrors.url",
	"checksum": "checksums.sha256", "size": "expectedSize", "part_size": "partSize",
	"rate_limit": "limitRate", "recoverable": "recoverableStatuses",
	"bodySource": "bodySource.url", "if_exists": "ifExists", "cost_policy": "costPolicy",
	"form.parts": "upload.form.parts.source.url",
}

// withField names a spec's field as it is called in a message.
func withField(e *transfer.Error, parent string) *transfer.Error {
	if e == nil || e.Field == "" {
		return e
	}
	named := *e
	if name, ok := specFields[e.Field]; ok {
		named.Field = name
	}
	named.Field = parent + named.Field
	return &named
}

// word is the name of an enumeration's value, or otherwise for the zero value.
func word(v protoreflect.Enum, otherwise string) string {
	if v.Number() == 0 {
		return otherwise
	}
	if d := v.Descriptor().Values().ByNumber(v.Number()); d != nil {
		return string(d.Name())
	}
	return ""
}

// named tells whether a value has a name and is not the zero value.
func named(v protoreflect.Enum) bool {
	return v.Number() != 0 && v.Descriptor().Values().ByNumber(v.Number()) != nil
}
