package mesh

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	clusterpb "godwit/protos/godwit/cluster/v1"
)

// dialRaw connects as a node does, and is none.
func dialRaw(t *testing.T, addr string) remote.RemotingClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return remote.NewRemotingClient(conn)
}

// sendRaw sends one message and returns how the connection ends.
func sendRaw(t *testing.T, client remote.RemotingClient, message *remote.RemoteMessage) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := client.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(message); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	return err
}

func batchMessage(batch *remote.MessageBatch) *remote.RemoteMessage {
	return &remote.RemoteMessage{MessageType: &remote.RemoteMessage_MessageBatch{MessageBatch: batch}}
}

func batchOf(sizes []int) *remote.RemoteMessage {
	batch := &remote.MessageBatch{}
	for _, n := range sizes {
		batch.Envelopes = append(batch.Envelopes, &remote.MessageEnvelope{MessageData: make([]byte, n)})
	}
	return batchMessage(batch)
}

// good is a batch with one request, as the library makes it.
func good(t *testing.T, to *Mesh, sender string, req *clusterpb.Request) *remote.MessageBatch {
	t.Helper()
	data, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	return &remote.MessageBatch{
		TypeNames: []string{requestType},
		Targets:   []*actor.PID{actor.NewPID(to.Addr(), gateName)},
		Senders:   []*actor.PID{actor.NewPID(sender, replyName)},
		Envelopes: []*remote.MessageEnvelope{{MessageData: data, Sender: 1}},
	}
}

// system makes of a batch one with a message of the library.
func system(name, target string) func(*remote.MessageBatch) {
	return func(b *remote.MessageBatch) {
		b.TypeNames[0], b.Targets[0].Id, b.Envelopes[0].MessageData = name, target, nil
	}
}

// Each of the first ones ends a process that runs the library as it is; the
// others stop, poison, watch, spawn, publish or relay.
func TestForgedBatches(t *testing.T) {
	a := start(t, "a", echo)
	client := dialRaw(t, a.Addr())
	for name, forge := range map[string]func(*remote.MessageBatch){
		"unknown type":            func(b *remote.MessageBatch) { b.TypeNames[0] = "no.such.Type" },
		"type out of range":       func(b *remote.MessageBatch) { b.Envelopes[0].TypeId = 1 },
		"negative type":           func(b *remote.MessageBatch) { b.Envelopes[0].TypeId = -1 },
		"target out of range":     func(b *remote.MessageBatch) { b.Envelopes[0].Target = 1 },
		"negative target":         func(b *remote.MessageBatch) { b.Envelopes[0].Target = -1 },
		"sender out of range":     func(b *remote.MessageBatch) { b.Envelopes[0].Sender = 2 },
		"negative sender":         func(b *remote.MessageBatch) { b.Envelopes[0].Sender = -1 },
		"unknown serializer":      func(b *remote.MessageBatch) { b.Envelopes[0].SerializerId = 9 },
		"JSON":                    func(b *remote.MessageBatch) { b.Envelopes[0].SerializerId = 1 },
		"nothing but an envelope": func(b *remote.MessageBatch) { b.TypeNames, b.Targets, b.Senders = nil, nil, nil },
		"malformed request":       func(b *remote.MessageBatch) { b.Envelopes[0].MessageData = []byte{0xff} },

		"stop of the gate":         system("actor.Stop", gateName),
		"poison of the gate":       system("actor.PoisonPill", gateName),
		"watch of the gate":        system("actor.Watch", gateName),
		"terminated to the reply":  system("actor.Terminated", replyName),
		"dead letter to the reply": system("actor.DeadLetterResponse", replyName),
		"stop of the activator":    system("actor.Stop", "activator"),
		"stop of the supervisor":   system("actor.Stop", "EndpointSupervisor"),
		"spawn":                    system("remote.ActorPidRequest", "activator"),
		"request to the events":    func(b *remote.MessageBatch) { b.Targets[0].Id = "eventstream" },
		"request to the reply":     func(b *remote.MessageBatch) { b.Targets[0].Id = replyName },
		"answer to the gate":       func(b *remote.MessageBatch) { b.TypeNames[0], b.Envelopes[0].Sender = responseType, 0 },
		"answer with a sender":     func(b *remote.MessageBatch) { b.TypeNames[0], b.Targets[0].Id = responseType, replyName },
		"no sender":                func(b *remote.MessageBatch) { b.Envelopes[0].Sender = 0 },
		"sender of another name":   func(b *remote.MessageBatch) { b.Senders[0].Id = gateName },
		"sender without address":   func(b *remote.MessageBatch) { b.Senders[0].Address = "nonhost" },
		"a header":                 func(b *remote.MessageBatch) { b.Envelopes[0].MessageHeader = &remote.MessageHeader{} },
		"a number of the target":   func(b *remote.MessageBatch) { b.Envelopes[0].TargetRequestId = 1 },
		"a number of the sender":   func(b *remote.MessageBatch) { b.Envelopes[0].SenderRequestId = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			batch := good(t, a, a.Addr(), &clusterpb.Request{})
			forge(batch)
			if err := sendRaw(t, client, batchMessage(batch)); err == nil {
				t.Error("the connection goes on")
			}
			call(t, a, peer(a), "alive")
		})
	}
}

func TestForgedMessages(t *testing.T) {
	a, b := start(t, "a", echo, func(c *Config) { c.receive = 1 << 20 }), start(t, "b", echo)
	client := dialRaw(t, a.Addr())
	connect := func(c *remote.ConnectRequest) *remote.RemoteMessage {
		return &remote.RemoteMessage{MessageType: &remote.RemoteMessage_ConnectRequest{ConnectRequest: c}}
	}
	for name, message := range map[string]*remote.RemoteMessage{
		"nothing":              {},
		"greeting of nobody":   connect(&remote.ConnectRequest{}),
		"greeting of a client": connect(&remote.ConnectRequest{ConnectionType: &remote.ConnectRequest_ClientConnection{}}),
		"answer to a greeting": {MessageType: &remote.RemoteMessage_ConnectResponse{ConnectResponse: &remote.ConnectResponse{}}},
		"leaving":              {MessageType: &remote.RemoteMessage_DisconnectRequest{DisconnectRequest: &remote.DisconnectRequest{}}},
		"too large":            batchMessage(&remote.MessageBatch{TypeNames: []string{string(make([]byte, 1<<20))}}),
	} {
		if err := sendRaw(t, client, message); err == nil {
			t.Errorf("%s: the connection goes on", name)
		}
	}
	call(t, b, peer(a), "alive")
}

func TestUnaryCallsAreRefused(t *testing.T) {
	a := start(t, "a", echo)
	client := dialRaw(t, a.Addr())
	if _, err := client.ListProcesses(t.Context(), &remote.ListProcessesRequest{}); status.Code(err) != codes.Unimplemented {
		t.Error(err)
	}
	if _, err := client.GetProcessDiagnostics(t.Context(), &remote.GetProcessDiagnosticsRequest{}); status.Code(err) != codes.Unimplemented {
		t.Error(err)
	}
}

// A connection whose handling panics ends, and only that.
func TestPanicsOfConnectionsAreCaught(t *testing.T) {
	guarded := streamGuard("", slog.New(slog.DiscardHandler))
	err := guarded(nil, nil, nil, func(any, grpc.ServerStream) error { panic("a bug") })
	if status.Code(err) != codes.Internal {
		t.Error(err)
	}
	want := errors.New("an error")
	if err := guarded(nil, nil, nil, func(any, grpc.ServerStream) error { return want }); !errors.Is(err, want) {
		t.Error(err)
	}
}

// What a peer can do: claim to be anybody, and have the answer sent anywhere.
func TestPeersAreTrustedWithNames(t *testing.T) {
	asked := make(chan Request, 1)
	a := start(t, "a", func(_ context.Context, req Request) ([]byte, error) {
		asked <- req
		return nil, nil
	})
	b := start(t, "b", echo)
	req := b.request(t.Context(), peer(a), "kind", 1, nil)
	req.From, req.DeadlineUnixMs = "somebody", 1<<53
	done := make(chan answer, 1)
	b.calls.add(req.GetId(), nil, done)

	client := dialRaw(t, a.Addr())
	stream, err := client.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(batchMessage(good(t, a, b.Addr(), req))); err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got.From != "somebody" {
		t.Error(got)
	}
	if _, err := outcome((<-done).response); err != nil {
		t.Error(err)
	}
}
