package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener hands out connections that exist in memory only, so that
// deadlines run in the virtual time of a bubble.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l pipeListener) Close() error   { close(l.done); return nil }
func (l pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func TestABodyThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: New(Config{Engine: newFake()})}
		go func() { _ = server.Serve(l) }()
		defer func() { _ = server.Close() }()
		client, far := net.Pipe()
		defer func() { _ = client.Close() }()
		l.conns <- far
		began := time.Now()
		go func() {
			_, _ = io.WriteString(client, "POST /godwit.v1.TransferService/ListTransfers HTTP/1.1\r\nHost: localhost\r\n"+
				"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
		}()
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusRequestTimeout || !resp.Close {
			t.Errorf("%s, close %v", resp.Status, resp.Close)
		}
		if waited := time.Since(began); waited != bodyTimeout {
			t.Errorf("answered after %v, want %v", waited, bodyTimeout)
		}
	})
}

// A stream may take as long as it likes, but each piece must come in time.
func TestAStreamThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newFake()
		l := pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: New(Config{Engine: engine, Spooler: engine})}
		go func() { _ = server.Serve(l) }()
		defer func() { _ = server.Close() }()
		client, far := net.Pipe()
		defer func() { _ = client.Close() }()
		l.conns <- far
		began := time.Now()
		const pieces, pause = 4, bodyTimeout * 2 / 3
		go func() {
			_, _ = io.WriteString(client, "POST /godwit.v1.TransferService/SpoolSource HTTP/1.1\r\nHost: localhost\r\n"+
				"Content-Type: application/connect+json\r\nTransfer-Encoding: chunked\r\n\r\n")
			for range pieces {
				piece := envelope(`{"data":"AA=="}`)
				_, _ = fmt.Fprintf(client, "%x\r\n%s\r\n", len(piece), piece)
				time.Sleep(pause)
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil || !strings.Contains(string(body), "request.json") || engine.spools > 0 {
			t.Errorf("%q, %v, %d spooled", body, err, engine.spools)
		}
		if waited := time.Since(began); waited != (pieces-1)*pause+bodyTimeout {
			t.Errorf("answered after %v", waited)
		}
	})
}
