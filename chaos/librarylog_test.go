package chaos

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	pb "godwit/protos/godwit/v1"
)

// talkative is an origin that sends more than it was asked for, on a connection
// that is kept: net/http prints that.
func talkative(t *testing.T) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"+
					"HTTP/1.1 200 OK\r\nX: "+canary+"\r\nContent-Length: 0\r\n\r\n") // the client may have gone
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/f"
}

// TestLibrariesPrintNothing makes net/http print something. It is a line of our
// log for developers, without what the origin sent, and nothing for others.
func TestLibrariesPrintNothing(t *testing.T) {
	t.Parallel()
	const complaint = "Unsolicited response"
	source := talkative(t)
	s := serve(t, nil)
	s.create(download("f", source, s.file("f")))
	if last := s.ended("f"); last.GetStatus() != pb.Transfer_COMPLETED {
		t.Fatalf("%v", last)
	}
	if err := s.AwaitStderr(t.Context(), complaint); err != nil {
		t.Fatal(err)
	}
	s.healthy()
	quiet(t, s.Stderr())
	for _, level := range []string{"debug", "error"} {
		got := godwit(t, environment(t), "get", source, s.file(level), "--data-dir", t.TempDir(), "--log-level", level, "--no-progress")
		if got.code != 0 {
			t.Errorf("exit %d: %s", got.code, got.stderr)
		}
		if level == "error" && strings.Contains(got.stderr, complaint) {
			t.Errorf("printed: %s", got.stderr)
		}
		ours(t, got.stderr)
		quiet(t, got.stderr)
	}
}
