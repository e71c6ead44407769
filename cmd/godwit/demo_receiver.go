package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"godwit/client"
	"godwit/node"
	pb "godwit/protos/godwit/v1"
)

// demoGroup is the id of the completion group that all transfers are in.
const demoGroup = "demo"

const (
	// hookSecretSize is the length of the key that signs deliveries, in bytes.
	hookSecretSize = 32
	// maxHookBody is more than any delivery of a demo has, in bytes.
	maxHookBody = 1 << 20
)

// demoReceiver is where the task of the demo's group goes: a web server on a
// loopback port that notes every delivery.
type demoReceiver struct {
	url, secret string
	server      *http.Server

	mu    sync.Mutex // guards taken
	taken []demoDelivery
}

// demoDelivery is one request to the receiver.
type demoDelivery struct {
	// id is the webhook-id, the same for every delivery of one task.
	id string
	// genuine: it was signed with the group's secret.
	genuine bool
	// completed is how many transfers it calls completed.
	completed int
}

func startDemoReceiver() (*demoReceiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, &failure{code: codeDemo, message: "no port for the demo's webhook", err: err}
	}
	key := make([]byte, hookSecretSize)
	_, _ = rand.Read(key) // does not fail
	r := &demoReceiver{
		url:    fmt.Sprintf("http://%s/finished", l.Addr()),
		secret: "whsec_" + base64.StdEncoding.EncodeToString(key),
	}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = r.server.Serve(l) }() // ends with close, and says no more than that
	return r, nil
}

func (r *demoReceiver) close() { _ = r.server.Close() }

// ServeHTTP implements [http.Handler].
func (r *demoReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxHookBody))
	if err != nil {
		http.Error(w, "not read", http.StatusBadRequest)
		return
	}
	d := demoDelivery{id: req.Header.Get("webhook-id"), completed: completedIn(body)}
	d.genuine = node.VerifyWebhook(r.secret, req.Header, body, time.Now()) == nil
	r.mu.Lock()
	r.taken = append(r.taken, d)
	r.mu.Unlock()
	if !d.genuine {
		http.Error(w, "not signed", http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// completedIn counts the members of the group that a delivery calls completed.
func completedIn(body []byte) int {
	var event struct {
		Data struct{ Transfers []struct{ Status string } }
	}
	if json.Unmarshal(body, &event) != nil {
		return 0
	}
	n := 0
	for _, t := range event.Data.Transfers {
		if t.Status == pb.Transfer_COMPLETED.String() {
			n++
		}
	}
	return n
}

// deliveries are those until now.
func (r *demoReceiver) deliveries() []demoDelivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]demoDelivery(nil), r.taken...)
}

// createGroup makes the group of all transfers, with its task.
func (s *demoStage) createGroup(ctx context.Context) error {
	api, err := clientOf(s.cluster.servers("")...)
	if err != nil {
		return err
	}
	_, err = api.CreateCompletionGroup(ctx, &pb.CompletionGroup{
		Id: demoGroup, Webhook: &pb.Webhook{Url: s.receiver.url, Secret: s.receiver.secret},
	})
	return err
}

// enableGroup says that all transfers are in the group.
func (s *demoStage) enableGroup(ctx context.Context) error {
	api, err := clientOf(s.cluster.servers("")...)
	if err != nil {
		return err
	}
	_, err = api.EnableCompletionGroup(ctx, demoGroup)
	return err
}

// awaitTask returns when the group has ended, and with it its task.
func (s *demoStage) awaitTask(ctx context.Context) error {
	api, err := client.New(client.Config{Servers: s.cluster.servers(""), MinBackoff: lookPause, MaxBackoff: lookPause})
	if err != nil {
		return err
	}
	return s.cluster.attend(ctx, func(ctx context.Context) (err error) {
		s.group, err = api.WaitCompletionGroup(ctx, demoGroup, nil)
		return err
	})
}
