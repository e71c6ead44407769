package mesh

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// peerAddr and peerLife, when set, make the test binary a node at that address
// that lives until its standard input ends.
const (
	peerAddr = "GODWIT_TEST_MESH_ADDR"
	peerLife = "GODWIT_TEST_MESH_LIFE"
)

const peerSkew = time.Millisecond

func servePeer() {
	var served atomic.Int64
	m, err := Start(Config{
		Name: "b", Incarnation: os.Getenv(peerLife), BindAddr: os.Getenv(peerAddr), ClockSkew: peerSkew,
		Handler: func(ctx context.Context, req Request) ([]byte, error) {
			n := served.Add(1)
			if req.Kind == "wait" {
				<-ctx.Done()
			}
			return []byte(strconv.FormatInt(n, 10)), nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// process is a node in a process of its own.
type process struct {
	Peer
	cmd *exec.Cmd
}

func startProcess(t *testing.T, addr, life string) process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), peerAddr+"="+addr, peerLife+"="+life)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := process{Peer{Name: "b", Incarnation: life}, cmd}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	p.Addr = strings.TrimSpace(line)
	return p
}

func (p process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// pause returns when the process does nothing any more.
func (p process) pause(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatal(err, status)
	}
}

func (p process) resume(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

func TestKilledAndStartedAgain(t *testing.T) {
	a := start(t, "a", echo)
	first := startProcess(t, "127.0.0.1:0", "1")
	call(t, a, first.Peer, "")
	done := make(chan error)
	go func() {
		_, err := a.Call(t.Context(), first.Peer, "wait", 0, nil)
		done <- err
	}()
	// Its turn comes after the one above, if that has been sent.
	call(t, a, first.Peer, "")
	first.kill()
	if err := <-done; !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
	refused(t, a, first.Peer, ErrUnreachable)

	second := startProcess(t, first.Addr, "2")
	if got, err := reach(t, a, second.Peer, "kind"); err != nil || got != "1" {
		t.Errorf("%q, %v", got, err)
	}
	refused(t, a, first.Peer, ErrWrongIncarnation)
}

// What came while a process was paused is not carried out when it goes on.
func TestPaused(t *testing.T) {
	a := start(t, "a", echo)
	b := startProcess(t, "127.0.0.1:0", "1")
	// The first one waits for a connection, and says little of how quick others are.
	for _, want := range []string{"1", "2", "3"} {
		if got := call(t, a, b.Peer, ""); got != want {
			t.Fatal(got)
		}
	}
	b.pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	all(t, 10, func(int) error {
		if _, err := a.Call(ctx, b.Peer, "kind", 0, nil); !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("error is %w", err)
		}
		return nil
	})
	// Past what clocks may disagree by, for which there is only the real one.
	<-time.After(10 * peerSkew)
	b.resume(t)
	if got := call(t, a, b.Peer, ""); got != "4" {
		t.Errorf("%s requests were carried out", got)
	}
}
