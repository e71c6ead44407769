package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// carry sends body through one direction and returns when it was all there.
func carry(t *testing.T, body []byte, rtt time.Duration) time.Duration {
	t.Helper()
	r := &relay{rtt: rtt, ctx: t.Context()}
	srcIn, src := net.Pipe()
	dst, dstOut := net.Pipe()
	started := time.Now()
	go func() {
		srcIn.Write(body)
		srcIn.Close()
	}()
	done := make(chan struct{})
	go func() {
		r.oneWay(dst, src)
		dst.Close()
		close(done)
	}()
	got, err := io.ReadAll(dstOut)
	took := time.Since(started)
	<-done
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d of %d bytes, %v", len(got), len(body), err)
	}
	return took
}

func TestRelayDelaysByHalfOfTheRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if took := carry(t, []byte("hello"), 40*time.Millisecond); took != 20*time.Millisecond {
			t.Errorf("one way took %v", took)
		}
	})
}

func TestRelayLimitsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rtt = 40 * time.Millisecond
		took := carry(t, bytes.Repeat([]byte("0123456789abcdef"), 2<<20), rtt) // 32 MiB
		// A full window each round trip, and some round trips to get there.
		full := 32 << 20 / fullWindow * rtt
		if took < full || took > full+12*rtt {
			t.Errorf("32 MiB took %v, a full window would take %v", took, full)
		}
	})
}

func TestRoomDoublesUpToTheFullWindow(t *testing.T) {
	if room(0) != firstWindow/2 || room(firstWindow) != firstWindow || room(1<<40) != fullWindow/2 {
		t.Errorf("%d, %d, %d", room(0), room(firstWindow), room(1<<40))
	}
}

func TestRelayForwardsBothWays(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		conn, err := echo.Accept()
		if err != nil {
			return
		}
		io.Copy(conn, conn)
		conn.Close()
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := startRelay(ctx, echo.Addr().String(), time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer r.stop()
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("there and back")); err != nil {
		t.Fatal(err)
	}
	conn.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "there and back" {
		t.Errorf("%q, %v", got, err)
	}
}
