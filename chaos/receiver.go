package chaos

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"godwit/node"
	pb "godwit/protos/godwit/v1"
)

// reply is what a receiver does with a delivery.
type reply string

const (
	// taken: answered with 204.
	taken reply = "taken"
	// dropped: taken, and the connection closed without an answer.
	dropped reply = "dropped"
	// refused: answered with 503.
	refused reply = "refused"
)

// receiver is the web server that completion groups tell of their end.
type receiver struct {
	server *http.Server
	addr   string

	mu    sync.Mutex // guards what follows, and all of hooks
	hooks map[string]*hook
	// strays are deliveries that belong to no group.
	strays []string
}

// hook is the webhook of one completion group, and what came there.
type hook struct {
	group, secret string
	members       []string
	// replies are for the deliveries to come, in turn; later ones are taken.
	replies []reply
	// open: the group was asked to be enabled, so that something may come.
	open       bool
	deliveries []delivery
}

// delivery is one request to a hook.
type delivery struct {
	id    string
	at    time.Time
	reply reply
	// said is what it says, without the number of the attempt.
	said string
	// wrong says what is wrong with it, or "".
	wrong string
}

// startReceiver listens on loopback. The caller closes the server.
func startReceiver() (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a receiver: %w", err)
	}
	r := &receiver{addr: l.Addr().String(), hooks: map[string]*hook{}}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = r.server.Serve(l) }() // ends with Close, and says no more than that
	return r, nil
}

// add makes the hook of a group.
func (r *receiver) add(group string, members []string, replies []reply) *hook {
	h := &hook{
		group: group, members: members, replies: replies,
		secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte(rand.Text() + rand.Text())[:32]),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hooks["/"+group] = h
	return h
}

func (r *receiver) webhook(h *hook) *pb.Webhook {
	return &pb.Webhook{Url: "http://" + r.addr + "/" + h.group, Secret: h.secret}
}

// expect says that deliveries may come from now on.
func (r *receiver) expect(h *hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h.open = true
}

// deliveries are those to a hook until now.
func (r *receiver) deliveries(h *hook) []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery(nil), h.deliveries...)
}

// ServeHTTP implements [http.Handler].
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxAnswer))
	if err != nil {
		return // cut off; nothing was taken
	}
	switch r.take(req, body) {
	case taken:
		w.WriteHeader(http.StatusNoContent)
	case refused:
		http.Error(w, "refused on purpose", http.StatusServiceUnavailable)
	case dropped:
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
}

// take notes a delivery and decides what becomes of it.
func (r *receiver) take(req *http.Request, body []byte) reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hooks[req.URL.Path]
	if h == nil {
		r.strays = append(r.strays, req.Method+" "+req.URL.Path)
		return refused
	}
	d := delivery{id: req.Header.Get("webhook-id"), at: time.Now(), reply: taken, said: saidIn(body), wrong: h.check(req, body)}
	if len(h.replies) > 0 {
		d.reply, h.replies = h.replies[0], h.replies[1:]
	}
	h.deliveries = append(h.deliveries, d)
	return d.reply
}

// event is what a delivery says.
type event struct {
	ID, Subject string
	Data        struct {
		ID        string
		Transfers []struct{ ID, Status string }
	}
}

// check says what is wrong with a request, or "".
func (h *hook) check(req *http.Request, body []byte) string {
	if !h.open {
		return "it came before the group was enabled"
	}
	if err := node.VerifyWebhook(h.secret, req.Header, body, time.Now()); err != nil {
		return err.Error()
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return err.Error()
	}
	if id := req.Header.Get("webhook-id"); e.ID != id || e.Subject != h.group || e.Data.ID != h.group {
		return fmt.Sprintf("it has the id %q and speaks of %q, %q and %q", id, e.ID, e.Subject, e.Data.ID)
	}
	status := map[string]string{}
	for _, t := range e.Data.Transfers {
		status[t.ID] = t.Status
	}
	var open []string
	for _, id := range h.members {
		if status[id] != pb.Transfer_COMPLETED.String() {
			open = append(open, fmt.Sprintf("%s as %q", id, status[id]))
		}
	}
	if len(open) > 0 || len(e.Data.Transfers) != len(h.members) {
		return fmt.Sprintf("it has %d members, %s", len(e.Data.Transfers), strings.Join(open, ", "))
	}
	return ""
}

// saidIn is a body without what may differ between deliveries of one task.
func saidIn(body []byte) string {
	var all map[string]any
	if err := json.Unmarshal(body, &all); err != nil {
		return err.Error()
	}
	if data, ok := all["data"].(map[string]any); ok {
		if task, ok := data["task"].(map[string]any); ok {
			delete(task, "attempts")
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// astray are deliveries that belong to no group.
func (r *receiver) astray() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.strays...)
}

// judge holds what came against what is promised, for a group whose task has this
// id: each delivery is right, all are of that one task and say the same, and one
// was taken.
func (r *receiver) judge(h *hook, task string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	accepted := 0
	for i, d := range h.deliveries {
		if d.wrong != "" {
			list = append(list, fmt.Sprintf("delivery %d of %s: %s", i+1, h.group, d.wrong))
		}
		if d.id != task {
			list = append(list, fmt.Sprintf("delivery %d of %s has the id %q, its task is %q", i+1, h.group, d.id, task))
		}
		if d.said != h.deliveries[0].said {
			list = append(list, fmt.Sprintf("delivery %d of %s says %s, the first says %s", i+1, h.group, d.said, h.deliveries[0].said))
		}
		if d.reply != refused {
			accepted++
		}
	}
	if accepted == 0 {
		list = append(list, fmt.Sprintf("nothing was taken of %s in %d deliveries", h.group, len(h.deliveries)))
	}
	return list
}
