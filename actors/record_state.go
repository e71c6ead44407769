package actors

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
)

// encodeState writes a state into a record body, leaving fields that this
// version does not know as they are.
func encodeState(b *recordpb.Transfer, s *transfer.State) {
	b.Id = s.Spec.ID
	b.Spec = encodeSpec(b.Spec, &s.Spec)
	b.Phase = string(s.Phase)
	b.Pauses = b.Pauses[:0]
	for _, p := range s.Pauses {
		b.Pauses = append(b.Pauses, string(p))
	}
	b.Nonce = s.Nonce
	b.Generation = encodeGeneration(b.Generation, &s.Gen)
	b.Begins, b.MaybeBegun = int32(s.Begins), s.MaybeBegun
	b.SourceIndex, b.SourcesTried = int32(s.SourceIndex), int32(s.SourcesTried)
	b.Restarts, b.Changes = int32(s.Restarts), int32(s.Changes)
	b.Attempts, b.Failures, b.HighWater = int32(s.Attempts), int32(s.Failures), s.HighWater
	b.NotBefore = stamp(s.NotBefore)
	b.Response = &recordpb.Response{
		ActualUrl: s.Response.ActualURL, StatusCode: int32(s.Response.StatusCode), Headers: encodeHeaders(s.Response.Headers),
	}
	b.Error = encodeError(s.Err)
	b.Sha256, b.Crc64 = s.SHA256, nil
	if s.HasCRC64 {
		b.Crc64 = proto.Uint64(s.CRC64)
	}
	b.Skipped = s.Skipped
	if b.Garbage = nil; s.Spec.Direction != transfer.Upload {
		b.Garbage = encodeUploads(s.Garbage)
	}
	b.SessionsLost, b.MaybeDuplicate, b.AnswerSize = int32(s.SessionsLost), s.MaybeDuplicate, nil
	if s.Spec.Direction == transfer.Upload {
		b.AnswerSize = sizeOf(s.AnswerSize)
	}
	b.CanceledBy, b.CancelReason = s.CanceledBy, s.CancelReason
	b.OnWire = s.OnWire
	b.Acknowledged, b.Purging = stamp(s.Acknowledged), s.Purging
	b.CancelWanted = s.CancelWanted
	b.History = encodeHistory(s.History)
	b.Told = s.Told
	b.Outages, b.Resolves, b.AttentionDeadline = int32(s.Outages), int32(s.Resolves), stamp(s.AttentionDeadline)
	b.Created, b.Updated, b.Finished = stamp(s.Created), stamp(s.Updated), stamp(s.Finished)
}

func encodeSpec(b *recordpb.Spec, s *transfer.Spec) *recordpb.Spec {
	if b == nil {
		b = &recordpb.Spec{}
	}
	b.Direction, b.Destination, b.Method = string(s.Direction), s.Destination, s.Method
	if b.ShownDestination = ""; s.Direction == transfer.Upload {
		b.Destination, b.ShownDestination = "", shownURL(s.Destination)
	}
	b.Sha256, b.WantSha256 = s.SHA256, s.WantSHA256
	b.Size = sizeOf(s.Size)
	b.IfExists, b.Priority, b.Cost = string(s.IfExists), string(s.Priority), string(s.Cost)
	b.PartSize, b.Connections, b.RateLimit, b.Retries = s.PartSize, int32(s.Connections), s.RateLimit, int32(s.Retries)
	b.Recoverable = b.Recoverable[:0]
	for _, r := range s.Recoverable {
		b.Recoverable = append(b.Recoverable, int32(r))
	}
	b.Labels = maps.Clone(s.Labels)
	b.ShownSource = shownURL(s.Source)
	b.Group, b.CompletionGroup = s.Group, s.CompletionGroup
	b.BodySource, b.BodyPin = s.BodySource, encodePin(s.BodyPin)
	b.AttentionTtlMs = s.AttentionTTL.Milliseconds()
	b.Notifications = encodeNotifications(s.Notifications)
	return b
}

// shownURL is a URL as it may be shown, "" for none.
func shownURL(url string) string {
	if url == "" {
		return ""
	}
	return transfer.RedactURL(url)
}

func sizeOf(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func fromSize(n *int64) int64 {
	if n == nil {
		return transfer.UnknownSize
	}
	return *n
}

func encodeGeneration(b *recordpb.Generation, g *transfer.Generation) *recordpb.Generation {
	if b == nil {
		b = &recordpb.Generation{}
	}
	b.Number, b.Source = int32(g.Number), int32(g.Source)
	b.Etag, b.LastModified, b.Date = g.Validator.ETag, g.Validator.LastModified, stamp(g.Validator.Date)
	b.Size, b.PartSize, b.Growing = sizeOf(g.Plan.Size), g.Plan.PartSize, g.Plan.Growing
	b.Resumable, b.Token = g.Resumable, g.Token
	b.Upload = &recordpb.Upload{Name: g.Upload.Name, Id: g.Upload.ID}
	parts := g.Ledger.Parts()
	b.Parts = make([]*recordpb.Part, len(parts))
	for i, p := range parts {
		b.Parts[i] = &recordpb.Part{Number: int32(p.Number), Size: p.Size, Etag: p.ETag, Crc64: p.CRC64}
	}
	b.Hashed, b.HashedBytes = g.Hashed, g.HashedBytes
	return b
}

func encodeHeaders(hs []transfer.Header) []*recordpb.Header {
	out := make([]*recordpb.Header, len(hs))
	for i, h := range hs {
		out[i] = &recordpb.Header{Name: h.Name, Value: h.Value}
	}
	return out
}

func encodeError(e *transfer.Error) *recordpb.Error {
	if e == nil {
		return nil
	}
	return &recordpb.Error{
		Code: string(e.Code), Op: e.Op, Subject: e.Subject, Field: e.Field, Message: e.Message,
		Status: int32(e.Status), RetryAfterMs: e.RetryAfter.Milliseconds(),
	}
}

// decodeState is the inverse of encodeState, but for Traits.
func decodeState(b *recordpb.Transfer, secret *recordpb.Secret) transfer.State {
	s := transfer.State{
		Spec:  decodeSpec(b.GetSpec(), secret),
		Phase: transfer.Phase(b.Phase), Nonce: b.Nonce,
		Gen:    decodeGeneration(b.GetGeneration()),
		Begins: int(b.Begins), MaybeBegun: b.MaybeBegun,
		SourceIndex: int(b.SourceIndex), SourcesTried: int(b.SourcesTried),
		Restarts: int(b.Restarts), Changes: int(b.Changes),
		Attempts: int(b.Attempts), Failures: int(b.Failures), HighWater: b.HighWater,
		NotBefore: fromStamp(b.NotBefore),
		Response: transfer.Response{
			ActualURL: b.GetResponse().GetActualUrl(), StatusCode: int(b.GetResponse().GetStatusCode()),
			Headers: decodeHeaders(b.GetResponse().GetHeaders()),
		},
		Err:    decodeError(b.Error),
		SHA256: b.Sha256, CRC64: b.GetCrc64(), HasCRC64: b.Crc64 != nil,
		Skipped: b.Skipped, CanceledBy: b.CanceledBy, CancelReason: b.CancelReason, OnWire: b.OnWire,
		Acknowledged: fromStamp(b.Acknowledged), Purging: b.Purging, CancelWanted: b.CancelWanted,
		History: decodeHistory(b.History), Outages: int(b.Outages),
		Told: b.Told, Resolves: int(b.Resolves), AttentionDeadline: fromStamp(b.AttentionDeadline),
		Created: fromStamp(b.Created), Updated: fromStamp(b.Updated), Finished: fromStamp(b.Finished),
	}
	s.Spec.ID = b.Id
	for _, p := range b.Pauses {
		s.Pauses = append(s.Pauses, transfer.PauseReason(p))
	}
	s.Garbage = decodeUploads(b.Garbage)
	decodeSending(&s, b, secret)
	return s
}

func decodeSpec(b *recordpb.Spec, secret *recordpb.Secret) transfer.Spec {
	s := transfer.Spec{
		Direction: transfer.Direction(b.GetDirection()),
		Source:    secret.GetSource(), Mirrors: slices.Clone(secret.GetMirrors()),
		Headers: decodeHeaders(secret.GetHeaders()), Body: secret.GetBody(),
		Destination: b.GetDestination(), Method: b.GetMethod(),
		SHA256: b.GetSha256(), WantSHA256: b.GetWantSha256(),
		Size:     transfer.UnknownSize,
		IfExists: transfer.IfExists(b.GetIfExists()), Priority: transfer.Priority(b.GetPriority()), Cost: transfer.CostPolicy(b.GetCost()),
		PartSize: b.GetPartSize(), Connections: int(b.GetConnections()), RateLimit: b.GetRateLimit(), Retries: int(b.GetRetries()),
		Labels: maps.Clone(b.GetLabels()),
		Group:  b.GetGroup(), CompletionGroup: b.GetCompletionGroup(),
		Resolver:      transfer.Webhook{URL: secret.GetResolverUrl(), Secret: secret.GetResolverSecret()},
		BodySource:    b.GetBodySource(),
		BodyPin:       decodePin(b.GetBodyPin()),
		AttentionTTL:  time.Duration(b.GetAttentionTtlMs()) * time.Millisecond,
		Notifications: decodeNotifications(b.GetNotifications()),
	}
	if b != nil {
		s.Size = fromSize(b.Size)
	}
	if s.Direction == transfer.Upload {
		// Without the secret it is what may be shown of it.
		s.Destination = cmp.Or(secret.GetDestination(), b.GetShownDestination())
		s.Outgoing = decodeOutgoing(secret.GetOutgoing())
	}
	for _, r := range b.GetRecoverable() {
		s.Recoverable = append(s.Recoverable, int(r))
	}
	return s
}

func decodeGeneration(b *recordpb.Generation) transfer.Generation {
	if b == nil {
		return transfer.Generation{}
	}
	g := transfer.Generation{
		Number: int(b.Number), Source: int(b.Source),
		Validator: transfer.Validator{ETag: b.Etag, LastModified: b.LastModified, Date: fromStamp(b.Date)},
		Plan:      transfer.Plan{PartSize: b.PartSize, Growing: b.Growing},
		Resumable: b.Resumable, Token: b.Token,
		Upload: transfer.UploadRef{Name: b.GetUpload().GetName(), ID: b.GetUpload().GetId()},
		Hashed: b.Hashed, HashedBytes: b.HashedBytes,
	}
	if b.PartSize > 0 {
		g.Plan.Size = fromSize(b.Size)
	}
	for _, p := range b.Parts {
		offset, _ := g.Plan.Part(int(p.Number))
		g.Ledger.Add(transfer.Part{Number: int(p.Number), Offset: offset, Size: p.Size, ETag: p.Etag, CRC64: p.Crc64})
	}
	return g
}

func decodeHeaders(hs []*recordpb.Header) []transfer.Header {
	var out []transfer.Header
	for _, h := range hs {
		out = append(out, transfer.Header{Name: h.Name, Value: h.Value})
	}
	return out
}

func decodeError(e *recordpb.Error) *transfer.Error {
	if e == nil {
		return nil
	}
	return &transfer.Error{
		Code: transfer.Code(e.Code), Op: e.Op, Subject: e.Subject, Field: e.Field, Message: e.Message,
		Status: int(e.Status), RetryAfter: time.Duration(e.RetryAfterMs) * time.Millisecond,
	}
}
