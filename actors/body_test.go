package actors_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/transfer"
)

const bodyPlace = "file:///bodies/query"

func withBody(s *transfer.Spec) { s.Method, s.BodySource = http.MethodPost, bodyPlace }

// sends makes the source read each body that it is sent, and refuse the first
// requests.
func (b *bubble) sends(bodies *[]string, refused int) {
	b.source.Script = func(n int, r endpoint.Request) actorstest.Answer {
		body, err := r.OpenBody()
		var lost *transfer.Error
		if errors.As(err, &lost) {
			return actorstest.Answer{Err: lost}
		}
		sent, err := io.ReadAll(body)
		if err != nil || body.Close() != nil || int64(len(sent)) != r.BodySize {
			b.Errorf("%d bytes of %d, %v", len(sent), r.BodySize, err)
		}
		*bodies = append(*bodies, string(sent))
		if n <= refused {
			return refusing(transfer.CodeStatusRetry, 503)
		}
		return actorstest.Answer{NoRanges: true}
	}
}

// TestBodyIsReadEachTime sends what lies in a store with each request, over a
// death of the node.
func TestBodyIsReadEachTime(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		var bodies []string
		b.sends(&bodies, 3)
		b.objects.Publish("/bodies/query", []byte("give me all"))
		sys := b.node()
		b.create(sys, b.spec("a", withBody), true)
		settle(time.Second)
		sys.Abandon()
		sys = b.node()
		b.completed(sys, "a")
		for _, sent := range bodies {
			if sent != "give me all" {
				b.Errorf("sent %q", sent)
			}
		}
		if len(bodies) != 4 {
			b.Errorf("sent %d times", len(bodies))
		}
	})
}

// TestBodyThatChanged fails at the next request when the body is another one, or
// gone: it is never sent.
func TestBodyThatChanged(t *testing.T) {
	for name, content := range map[string][]byte{"other size": []byte("give me nothing"), "same size": []byte("give me ALL")} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 2, func(b *bubble) {
				var bodies []string
				b.sends(&bodies, 100)
				b.objects.Publish("/bodies/query", []byte("give me all"))
				sys := b.node()
				b.create(sys, b.spec("a", withBody), false)
				settle(time.Second)
				b.objects.Publish("/bodies/query", content)
				b.command(sys, "a", transfer.Start{})
				snap := b.await(sys, "a")
				b.code(snap.State.Err, transfer.CodeSourceChanged)
				if len(bodies) > 0 || snap.State.Failures > 0 {
					b.Errorf("sent %q, %d failures", bodies, snap.State.Failures)
				}
			})
		})
	}
}

// TestBodyThatIsMissing refuses a transfer whose body is not there, and finds one
// that was created before again.
func TestBodyThatIsMissing(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		sys := b.node()
		_, _, err := sys.Create(b.Context(), b.spec("a", withBody), false)
		b.code(err, transfer.CodeBody)
		_, _, err = sys.Create(b.Context(), b.spec("a", func(s *transfer.Spec) { s.Method, s.BodySource = "PUT", "s3://bucket/key" }), false)
		b.code(err, transfer.CodeURLScheme)
		b.objects.Publish("/bodies/query", []byte("x"))
		b.create(sys, b.spec("a", withBody), false)
		b.objects.Unpublish("/bodies/query")
		if _, created, err := sys.Create(b.Context(), b.spec("a", withBody), false); err != nil || created {
			b.Errorf("created %v, %v", created, err)
		}
		_, _, err = sys.Create(b.Context(), b.spec("b", withBody), false)
		b.code(err, transfer.CodeBody)
	})
}
