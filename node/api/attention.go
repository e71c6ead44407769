package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// What a transfer has besides its request: whom it asks, and whom it tells.

// fillAfter sets what is shown of it: of a webhook never the secret.
func fillAfter(m *pb.Transfer, st *transfer.State) {
	spec := &st.Spec
	m.Notifications = fromNotifications(spec.Notifications)
	m.AttentionTtl = span(spec.AttentionTTL)
	m.AttentionDeadline = moment(st.AttentionDeadline)
	m.AttemptHistory = attempts(st.History)
	if spec.BodySource != "" {
		m.BodySource = &pb.Endpoint{Url: transfer.RedactURL(spec.BodySource)}
	}
	if spec.Resolver.URL != "" {
		m.Resolver = &pb.Webhook{Url: transfer.RedactURL(spec.Resolver.URL)}
	}
}

func attempts(in []transfer.Attempt) []*pb.Attempt {
	var out []*pb.Attempt
	for _, a := range in {
		m := &pb.Attempt{Time: moment(a.Time), Url: transfer.RedactURL(a.URL), StatusCode: int32(a.Status), Offset: a.Offset, Node: a.Node}
		if a.Err != nil {
			m.Error = errorMessage(a.Err)
		}
		out = append(out, m)
	}
	return out
}

// secretOf is the secret of a webhook whose owner has given none: the same
// whenever the same is asked for, so that creating it is idempotent, and known to
// nobody without the key of the cluster.
func (s *service) secretOf(name string) string {
	m := hmac.New(sha256.New, s.pages.key)
	m.Write([]byte("secret of " + name))
	return transfer.SecretPrefix + base64.StdEncoding.EncodeToString(m.Sum(nil))
}
