package actors

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/endpoint"
	"godwit/transfer"
)

// Resolver asks the endpoint of a user for another URL or other headers of a
// transfer that a declared status has paused. Implementations are safe for
// concurrent use. The body is the JSON of an event; id names the question and is
// the same when it is asked again after a failure of the node.
type Resolver interface {
	Resolve(ctx context.Context, hook transfer.Webhook, id string, body []byte) (Resolution, error)
}

// Resolution is what a resolver answers. Nil fields stay as they are; headers
// take the place of all that the transfer has.
type Resolution = endpoint.Resolution

// resolveTimeout bounds one question to a resolver.
const resolveTimeout = 30 * time.Second

// eventAttention is the type of the event that a resolver is told.
const eventAttention endpoint.EventType = "godwit.transfer.attention"

// questionData is what it says about the transfer.
type questionData struct {
	ID string `json:"id"`
	// Source has no query.
	Source   string    `json:"source"`
	Status   int       `json:"statusCode"`
	Code     string    `json:"code"`
	Deadline time.Time `json:"attentionDeadline"`
}

// resolve asks the resolver. It is bound to no run: a pause does not take it back.
func (t *transferActor) resolve(ctx actor.Context) {
	id := questionID(&t.state)
	body, err := questionOf(&t.state, id).Marshal()
	if err != nil {
		panic(err) // its data is JSON
	}
	life, resolver, hook := t.life, t.cfg.Resolver, t.state.Spec.Resolver
	t.spawn(ctx, func(c context.Context) any {
		if resolver == nil {
			return &happened{life: life, event: transfer.Resolved{}}
		}
		c, cancel := context.WithTimeout(c, resolveTimeout)
		defer cancel()
		answer, err := resolver.Resolve(c, hook, id, body)
		ev, why := resolved(answer, err)
		if why != nil {
			t.cfg.Logger.WarnContext(c, "resolver of no help", slog.String("transfer", t.id), slog.Any("error", why))
		}
		return &happened{life: life, event: ev}
	})
}

// questionID is one for each question, and the same on every node.
func questionID(s *transfer.State) string {
	return s.Spec.ID + "." + s.NotBefore.UTC().Format("20060102T150405.000")
}

func questionOf(s *transfer.State, id string) endpoint.Event {
	data := questionData{ID: s.Spec.ID, Source: transfer.RedactURL(s.SourceURL()), Deadline: s.AttentionDeadline.UTC()}
	if s.Err != nil {
		data.Status, data.Code = s.Err.Status, string(s.Err.Code)
	}
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err) // strings, numbers and times have a form
	}
	return endpoint.Event{Type: eventAttention, ID: id, Subject: s.Spec.ID, Time: s.Updated, Data: raw}
}

// resolved checks what a resolver answers as if a user had said it.
func resolved(r Resolution, err error) (transfer.Resolved, error) {
	if err != nil || !r.Found {
		return transfer.Resolved{}, err
	}
	ev := transfer.Resolved{Found: true}
	if r.URL != nil {
		url, err := transfer.NormalizeURL(*r.URL, "url")
		if err != nil {
			return transfer.Resolved{}, err
		}
		ev.Source = &url
	}
	if r.Headers != nil {
		headers, err := transfer.NormalizeHeaders(*r.Headers)
		if err != nil {
			return transfer.Resolved{}, err
		}
		ev.Headers = &headers
	}
	return ev, nil
}
