package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// startPatience is how long a server may take to accept connections.
	startPatience = 20 * time.Second
	// stopPatience is how long one may take to end before it is killed.
	stopPatience = 5 * time.Second
)

// server is a process that others talk to.
type server struct {
	cmd *exec.Cmd
	// ended is closed when the process is gone.
	ended chan struct{}
	log   *os.File
}

// startServer starts a process and waits until addr accepts connections. What
// it writes goes to a file of the folder logs.
func startServer(ctx context.Context, name, addr, logs string, c command) (*server, error) {
	log, err := os.Create(filepath.Join(logs, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s := &server{cmd: c.prepare(ctx, log), ended: make(chan struct{}), log: log}
	if err := s.cmd.Start(); err != nil {
		log.Close() //nolint:errcheck // nothing was written
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		s.cmd.Wait() //nolint:errcheck // it ends by a signal
		close(s.ended)
	}()
	if err := s.awaitListening(ctx, addr); err != nil {
		s.stop()
		return nil, fmt.Errorf("start %s: %w (see %s with -keep)", name, err, log.Name())
	}
	return s, nil
}

// awaitListening returns when addr accepts a connection.
func (s *server) awaitListening(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		var d net.Dialer
		if conn, err := d.DialContext(ctx, "tcp", addr); err == nil {
			return conn.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("it ended: %v", s.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("nothing listens on %s: %w", addr, ctx.Err())
		case <-again.C:
		}
	}
}

// stop ends the process.
func (s *server) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	select {
	case <-s.ended:
	case <-time.After(stopPatience):
		killGroup(s.cmd) //nolint:errcheck // it may have ended
		<-s.ended
	}
	s.log.Close() //nolint:errcheck // a log only
}

// freeAddr returns a loopback address that was free a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
