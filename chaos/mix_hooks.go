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

	"godwit/chaos/history"
	"godwit/node"
	pb "godwit/protos/godwit/v1"
)

// slowHook is how long a slow receiver takes.
const slowHook = 4 * time.Second

// mixHooks is the web server that completion groups of a mix tell of their end.
type mixHooks struct {
	rec    *history.Recorder
	server *http.Server
	addr   string

	mu    sync.Mutex // guards what follows
	hooks map[string]*mixHook
	// fault is what is done to deliveries now, one of every so many; "slow" is
	// taken, late.
	fault  string
	every  int
	number int
}

// mixHook is the webhook of one group.
type mixHook struct {
	secret   string
	open     bool
	attempts int
}

// startMixHooks listens on a host. The caller closes the server.
func startMixHooks(host string, rec *history.Recorder) (*mixHooks, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("start a receiver: %w", err)
	}
	r := &mixHooks{rec: rec, addr: l.Addr().String(), hooks: map[string]*mixHook{}}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = r.server.Serve(l) }() // ends with Close, and says no more than that
	return r, nil
}

// add makes the hook of a group.
func (r *mixHooks) add(group string) *pb.Webhook {
	h := &mixHook{secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte(rand.Text() + rand.Text())[:32])}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hooks[group] = h
	return &pb.Webhook{Url: "http://" + r.addr + "/" + group, Secret: h.secret}
}

// expect says that deliveries may come from now on.
func (r *mixHooks) expect(group string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.hooks[group]; h != nil {
		h.open = true
	}
}

// set has one of so many deliveries go wrong, "" none.
func (r *mixHooks) set(fault string, every int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault, r.every, r.number = fault, every, 0
}

// ServeHTTP implements [http.Handler].
func (r *mixHooks) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	e := history.Event{At: r.rec.Now()}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxAnswer))
	if err != nil {
		return // cut off; nothing was taken
	}
	d, fault := r.take(req, body)
	if fault == "slow" {
		_ = idle(req.Context(), slowHook) // it was taken all the same
	}
	e.End, e.Delivery = r.rec.Now(), d
	r.rec.Add(e)
	switch reply(d.Reply) {
	case taken:
		w.WriteHeader(http.StatusNoContent)
	case refused:
		http.Error(w, "refused on purpose", http.StatusServiceUnavailable)
	case dropped:
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
}

// take decides what becomes of a delivery.
func (r *mixHooks) take(req *http.Request, body []byte) (*history.Delivery, string) {
	group := strings.TrimPrefix(req.URL.Path, "/")
	r.mu.Lock()
	defer r.mu.Unlock()
	d := &history.Delivery{Group: group, Webhook: req.Header.Get("webhook-id"), Reply: string(taken), Members: map[string]string{}}
	h := r.hooks[group]
	if h == nil {
		d.Reply, d.Wrong = string(refused), "no group has this hook"
		return d, ""
	}
	h.attempts++
	d.Attempt = h.attempts
	fault := ""
	if r.fault != "" {
		if r.number++; r.number%r.every == 0 {
			fault = r.fault
		}
	}
	switch fault {
	case string(dropped), string(refused):
		d.Reply = fault
	}
	var e event
	switch err := node.VerifyWebhook(h.secret, req.Header, body, time.Now()); {
	case !h.open:
		d.Wrong = "it came before the group was enabled"
	case err != nil:
		d.Wrong = err.Error()
	default:
		if err := json.Unmarshal(body, &e); err != nil {
			d.Wrong = err.Error()
		} else if e.ID != d.Webhook || e.Subject != group || e.Data.ID != group {
			d.Wrong = fmt.Sprintf("it has the id %q and speaks of %q, %q and %q", d.Webhook, e.ID, e.Subject, e.Data.ID)
		}
	}
	for _, t := range e.Data.Transfers {
		d.Members[t.ID] = t.Status
	}
	return d, fault
}
