package chaos

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// delivered sends a body to a hook, signed with a secret as Standard Webhooks
// says, and returns the status that it is answered with, 0 for none.
func delivered(r *receiver, path, secret, id, body string) (status int) {
	at := fmt.Sprint(time.Now().Unix())
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err) // it is ours
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", at)
	req.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	answer := httptest.NewRecorder()
	defer func() {
		if recover() != nil { // the connection is closed
			status = 0
		}
	}()
	r.ServeHTTP(answer, req)
	return answer.Code
}

// TestReceiverJudges delivers what godwit never should.
func TestReceiverJudges(t *testing.T) {
	body := func(group, status string, attempt int) string {
		return fmt.Sprintf(`{"id":"k","subject":%q,"data":{"id":%[1]q,"task":{"attempts":%[3]d},"transfers":[{"id":"a","status":%[2]q}]}}`,
			group, status, attempt)
	}
	good := body("g", "COMPLETED", 1)
	other := "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 24))
	for name, tc := range map[string]struct {
		closed       bool
		replies      []reply
		secret, id   string // "" is right
		bodies       []string
		want, answer string
	}{
		"right":              {bodies: []string{good}, answer: "204"},
		"again":              {bodies: []string{good, body("g", "COMPLETED", 2)}, answer: "204 204"},
		"dropped":            {bodies: []string{good, good}, replies: []reply{dropped}, answer: "0 204"},
		"nothing":            {want: "nothing was taken of g in 0"},
		"only refused":       {bodies: []string{good}, replies: []reply{refused}, want: "nothing was taken", answer: "503"},
		"before enabling":    {bodies: []string{good}, closed: true, want: "before the group was enabled", answer: "204"},
		"not signed by us":   {bodies: []string{good}, secret: other, want: "signature", answer: "204"},
		"another task":       {bodies: []string{strings.Replace(good, `"k"`, `"l"`, 1)}, id: "l", want: `has the id "l", its task is "k"`, answer: "204"},
		"another id inside":  {bodies: []string{strings.Replace(good, `"k"`, `"l"`, 1)}, want: `it has the id "k" and speaks of "l"`, answer: "204"},
		"another group":      {bodies: []string{body("h", "COMPLETED", 1)}, want: `speaks of "k", "h"`, answer: "204"},
		"member not ended":   {bodies: []string{body("g", "RUNNING", 1)}, want: `a as "RUNNING"`, answer: "204"},
		"member left out":    {bodies: []string{strings.Replace(good, `"a"`, `"b"`, 1)}, want: `a as ""`, answer: "204"},
		"one member more":    {bodies: []string{strings.Replace(good, `[{`, `[{"id":"b"},{`, 1)}, want: "it has 2 members", answer: "204"},
		"says another thing": {bodies: []string{good, strings.Replace(good, `{"id"`, `{"time":"now","id"`, 1)}, want: "the first says", answer: "204 204"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := startReceiver()
			if err != nil {
				t.Fatal(err)
			}
			defer r.server.Close() //nolint:errcheck // nobody is connected
			h := r.add("g", []string{"a"}, tc.replies)
			if !tc.closed {
				r.expect(h)
			}
			secret, id := tc.secret, tc.id
			if secret == "" {
				secret = h.secret
			}
			if id == "" {
				id = "k"
			}
			var answers []string
			for _, body := range tc.bodies {
				answers = append(answers, fmt.Sprint(delivered(r, "/g", secret, id, body)))
			}
			wrong := strings.Join(r.judge(h, "k"), "; ")
			if strings.Join(answers, " ") != tc.answer || (wrong == "") != (tc.want == "") || !strings.Contains(wrong, tc.want) {
				t.Errorf("answers %q, wrong: %s", answers, wrong)
			}
			if delivered(r, "/h", secret, id, good); len(r.astray()) != 1 {
				t.Errorf("astray %q", r.astray())
			}
		})
	}
}

// TestJudgeSpans: two members may be served at a time only just after a kill.
func TestJudgeSpans(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	kills := []Moment{{Began: at(1000), Over: at(1010)}}
	for name, tc := range map[string]struct {
		spans     []span
		explained int
		want      string
	}{
		"one after the other":    {spans: []span{{"a", at(0), at(900)}, {"b", at(901), at(1100)}}},
		"two answers of one":     {spans: []span{{"a", at(0), at(900)}, {"a", at(10), at(800)}, {"b", at(900), at(950)}}},
		"after a kill":           {spans: []span{{"a", at(900), at(1200)}, {"b", at(1100), at(3000)}}, explained: 1},
		"long after a kill":      {spans: []span{{"a", at(900), at(1600)}, {"b", at(1100), at(3000)}}, want: "a and b were served at the same time for 500ms"},
		"before a kill":          {spans: []span{{"a", at(0), at(1100)}, {"b", at(990), at(1100)}}, want: "for 110ms"},
		"one within the other":   {spans: []span{{"b", at(200), at(300)}, {"a", at(0), at(900)}}, want: "for 100ms"},
		"not with its neighbour": {spans: []span{{"a", at(0), at(900)}, {"a", at(10), at(20)}, {"b", at(800), at(850)}}, want: "for 50ms"},
	} {
		overlaps, violations := judgeSpans(tc.spans, kills)
		all := strings.Join(violations, "; ")
		if len(overlaps) != tc.explained || (all == "") != (tc.want == "") || !strings.Contains(all, tc.want) {
			t.Errorf("%s: overlaps %v, %s", name, overlaps, all)
		}
	}
}
