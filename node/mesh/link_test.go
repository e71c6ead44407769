package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// reach asks until there is another error than that nobody is reached: a
// connection that has ended is known to have ended only a moment later.
func reach(t *testing.T, from *Mesh, to Peer, kind string) (string, error) {
	t.Helper()
	for {
		out, err := from.Call(t.Context(), to, kind, 0, nil)
		if !errors.Is(err, ErrUnreachable) {
			return string(out), err
		}
	}
}

// freeAddr is an address at which nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// Were the library left to itself, each of these took two seconds.
func TestNobodyThere(t *testing.T) {
	a := start(t, "a", echo)
	to := Peer{Name: "b", Addr: freeAddr(t)}
	for range 100 {
		refused(t, a, to, ErrUnreachable)
	}
	all(t, 100, func(int) error {
		if _, err := a.Call(t.Context(), to, "kind", 0, nil); !errors.Is(err, ErrUnreachable) {
			return fmt.Errorf("error is %w", err)
		}
		return nil
	})
	nothingWaits(t, a)
}

// A port that takes connections and says nothing.
func TestSilentAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	a := start(t, "a", echo, func(c *Config) { c.DialTimeout = 50 * time.Millisecond })
	refused(t, a, Peer{Addr: listener.Addr().String()}, ErrUnreachable)
	b := start(t, "b", echo)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.Call(ctx, Peer{Addr: listener.Addr().String()}, "kind", 0, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	b.Close() // while it connects
}

// stranger speaks the protocol, and is no node.
type stranger struct {
	remote.UnimplementedRemotingServer
	receive func(remote.Remoting_ReceiveServer) error
}

func (s stranger) Receive(stream remote.Remoting_ReceiveServer) error { return s.receive(stream) }

// serveStranger returns its address.
func serveStranger(t *testing.T, receive func(remote.Remoting_ReceiveServer) error) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.WaitForHandlers(true),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Millisecond, PermitWithoutStream: true}))
	remote.RegisterRemotingServer(server, stranger{receive: receive})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

var (
	greeting = &remote.RemoteMessage{MessageType: &remote.RemoteMessage_ConnectResponse{ConnectResponse: &remote.ConnectResponse{}}}
	leaving  = &remote.RemoteMessage{MessageType: &remote.RemoteMessage_DisconnectRequest{DisconnectRequest: &remote.DisconnectRequest{}}}
)

func TestStrangers(t *testing.T) {
	a := start(t, "a", echo)
	for name, messages := range map[string][]*remote.RemoteMessage{
		"ends at once":          {},
		"does not greet":        {leaving},
		"greets and ends":       {greeting},
		"greets and leaves":     {greeting, leaving},
		"greets, talks, leaves": {greeting, greeting, leaving},
	} {
		t.Run(name, func(t *testing.T) {
			addr := serveStranger(t, func(s remote.Remoting_ReceiveServer) error {
				for _, m := range messages {
					if err := s.Send(m); err != nil {
						return err
					}
				}
				return nil
			})
			for range 10 {
				refused(t, a, Peer{Addr: addr}, ErrUnreachable)
			}
		})
	}
}

func TestNoGreeting(t *testing.T) {
	a := start(t, "a", echo, func(c *Config) { c.DialTimeout = 50 * time.Millisecond })
	addr := serveStranger(t, func(s remote.Remoting_ReceiveServer) error {
		<-s.Context().Done()
		return nil
	})
	refused(t, a, Peer{Addr: addr}, ErrUnreachable)
}

// A node that reads nothing has no more waiting for it than the limit.
func TestQueueIsBounded(t *testing.T) {
	a := start(t, "a", echo)
	a.wire.maxQueued = 1 << 20
	to := Peer{Addr: serveStranger(t, func(s remote.Remoting_ReceiveServer) error {
		if err := s.Send(greeting); err != nil {
			return err
		}
		<-s.Context().Done()
		return nil
	})}
	var err error
	for err == nil {
		err = a.wire.send(actor.NewPID(to.Addr, gateName), a.request(t.Context(), to, "kind", 0, make([]byte, 1<<16)), a.self, func(*link) {})
	}
	if !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	if _, err := a.Call(t.Context(), to, "kind", 0, make([]byte, 1<<20)); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	nothingWaits(t, a)
	a.Forget(to.Addr)
	// What is sent does not count.
	b := start(t, "b", echo)
	for range 100 {
		call(t, a, peer(b), strings.Repeat("x", 1<<16))
	}
}

func TestForget(t *testing.T) {
	begun := make(chan struct{})
	a := start(t, "a", echo)
	b := start(t, "b", func(ctx context.Context, req Request) ([]byte, error) {
		if req.Kind != "wait" {
			return echo(ctx, req)
		}
		begun <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	a.Forget("127.0.0.1:1")
	for range 10 {
		done := make(chan error)
		go func() {
			_, err := a.Call(t.Context(), peer(b), "wait", 0, nil)
			done <- err
		}()
		<-begun
		a.Forget(b.Addr())
		if err := <-done; !errors.Is(err, ErrUnreachable) {
			t.Fatal(err)
		}
		// The end of the old connection does not end the new one.
		call(t, a, peer(b), "again")
		call(t, a, peer(b), "and again")
	}
}

func TestForgetWhileConnecting(t *testing.T) {
	a, b := start(t, "a", echo), start(t, "b", echo)
	for range 50 {
		done := make(chan error)
		go func() {
			_, err := a.Call(t.Context(), peer(b), "kind", 0, nil)
			done <- err
		}()
		a.Forget(b.Addr())
		a.Forget(b.Addr())
		if err := <-done; err != nil && !errors.Is(err, ErrUnreachable) {
			t.Fatal(err)
		}
	}
	call(t, a, peer(b), "")
}

func TestFlapping(t *testing.T) {
	addr := freeAddr(t)
	a := start(t, "a", echo)
	alone := goleak.IgnoreCurrent()
	for life := range 20 {
		b := start(t, "b", echo, func(c *Config) { c.BindAddr, c.Incarnation = addr, fmt.Sprint(life) })
		if _, err := reach(t, a, peer(b), "kind"); err != nil {
			t.Fatal(err)
		}
		old := peer(b)
		old.Incarnation = fmt.Sprint(life - 1)
		refused(t, a, old, ErrWrongIncarnation)
		call(t, b, peer(a), "")
		b.Close()
		refused(t, a, peer(b), ErrUnreachable)
	}
	a.Forget(addr)
	goleak.VerifyNone(t, alone)
}

func TestCloseDuringCalls(t *testing.T) {
	for range 5 {
		a, b, c := start(t, "a", echo), start(t, "b", echo), start(t, "c", echo)
		begun := make(chan struct{}, 3*64)
		ended := make(chan error, 3*64)
		for range 64 {
			for _, from := range []*Mesh{a, b, c} {
				go func() {
					var err error
					for first := true; err == nil; first = false {
						_, err = from.Call(t.Context(), peer(b), "kind", 0, nil)
						if first {
							begun <- struct{}{}
						}
					}
					ended <- err
				}()
			}
		}
		<-begun
		go a.Close()
		b.Close()
		for range cap(ended) {
			if err := <-ended; !errors.Is(err, ErrUnreachable) && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		a.Close()
		b.Close()
		nothingWaits(t, a)
		nothingWaits(t, b)
		refused(t, a, peer(c), ErrClosed)
	}
}

// Close ends handlers, and calls that wait for those of others.
func TestCloseEndsWhatWaits(t *testing.T) {
	begun := make(chan struct{})
	wait := func(ctx context.Context, _ Request) ([]byte, error) {
		begun <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for name, end := range map[string]struct {
		close func(a, b *Mesh)
		want  error
	}{
		"of the one that asks":     {func(a, _ *Mesh) { a.Close() }, ErrClosed},
		"of the one that is asked": {func(_, b *Mesh) { b.Close() }, ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := start(t, "a", wait), start(t, "b", wait)
			done := make(chan error)
			go func() {
				_, err := a.Call(t.Context(), peer(b), "kind", 0, nil)
				done <- err
			}()
			<-begun
			end.close(a, b)
			if err := <-done; !errors.Is(err, end.want) {
				t.Error(err)
			}
		})
	}
}
