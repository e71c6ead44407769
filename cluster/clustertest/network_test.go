package clustertest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"godwit/cluster/clustertest"
)

// inBubble runs a test in virtual time on a network with a listener at b:1 and
// a dialler on the host a.
func inBubble(t *testing.T, test func(t *testing.T, n *clustertest.Network, l net.Listener, dial func(time.Duration) (net.Conn, error))) {
	synctest.Test(t, func(t *testing.T) {
		n := clustertest.NewNetwork(1)
		l, err := n.Listen("10.0.0.2:1")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		test(t, n, l, func(timeout time.Duration) (net.Conn, error) {
			ctx, stop := context.WithTimeout(t.Context(), timeout)
			defer stop()
			return n.Dialer("10.0.0.1")(ctx, "10.0.0.2:1")
		})
	})
}

// connect returns both ends of a new connection.
func connect(t *testing.T, l net.Listener, dial func(time.Duration) (net.Conn, error)) (near, far net.Conn) {
	t.Helper()
	near, err := dial(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

func TestConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, n *clustertest.Network, l net.Listener, dial func(time.Duration) (net.Conn, error)) {
		near, far := connect(t, l, dial)
		go func() {
			_, _ = io.WriteString(far, "hello")
			far.Close()
		}()
		if got, err := io.ReadAll(near); string(got) != "hello" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if _, err := near.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write to one who has closed: %v", err)
		}

		near, far = connect(t, l, dial)
		if err := near.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Hour {
			t.Errorf("read till a deadline: %v after %v", err, time.Since(began))
		}
		_ = near.SetReadDeadline(time.Time{})
		_, _ = near.Write([]byte("unread"))
		far.Close()
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read from one who closed before reading: %v", err)
		}
	})
}

func TestPartitionStallsAndHealDelivers(t *testing.T) {
	inBubble(t, func(t *testing.T, n *clustertest.Network, l net.Listener, dial func(time.Duration) (net.Conn, error)) {
		for _, cut := range []struct{ off, on func() }{
			{func() { n.Partition([]string{"10.0.0.1"}) }, n.Heal},
			{func() { n.Pause("10.0.0.2") }, func() { n.Resume("10.0.0.2") }},
		} {
			near, far := connect(t, l, dial)
			cut.off()
			if _, err := dial(time.Minute); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("dial across: %v", err)
			}
			began := time.Now()
			_, _ = far.Write([]byte("x"))
			time.AfterFunc(time.Hour, cut.on)
			if _, err := near.Read(make([]byte, 1)); err != nil || time.Since(began) != time.Hour {
				t.Errorf("read across: %v after %v", err, time.Since(began))
			}
			near.Close()
			far.Close()
		}
	})
}

func TestCrash(t *testing.T) {
	inBubble(t, func(t *testing.T, n *clustertest.Network, l net.Listener, dial func(time.Duration) (net.Conn, error)) {
		near, far := connect(t, l, dial)
		waiting, err := dial(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		n.Crash("10.0.0.2")
		for _, c := range []net.Conn{near, waiting} {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read from a crashed host: %v", err)
			}
		}
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read on a crashed host: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept on a crashed host: %v", err)
		}
		if _, err := dial(time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial a crashed host: %v", err)
		}
		again, err := n.Listen("10.0.0.2:1")
		if err != nil {
			t.Fatalf("listen after a crash: %v", err)
		}
		again.Close()
	})
}

func TestPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := clustertest.NewNetwork(1)
		a, err := n.Transport("10.0.0.1:1")
		if err != nil {
			t.Fatal(err)
		}
		b, err := n.Transport("10.0.0.2:1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Transport("10.0.0.2:1"); err == nil {
			t.Error("an address was taken twice")
		}
		// arrived sends a hundred packets and returns how many arrive.
		arrived := func() int {
			for range 100 {
				if _, err := a.WriteTo([]byte("x"), "10.0.0.2:1"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(clustertest.Latency)
			synctest.Wait()
			count := 0
			for {
				select {
				case p := <-b.PacketCh():
					if string(p.Buf) != "x" || p.From.String() != "10.0.0.1:1" {
						t.Errorf("%q came from %s", p.Buf, p.From)
					}
					count++
				default:
					return count
				}
			}
		}
		if got := arrived(); got != 100 {
			t.Errorf("%d of 100 packets arrived", got)
		}
		n.Drop(0.5)
		if got := arrived(); got < 30 || got > 70 {
			t.Errorf("%d of 100 packets arrived when half are lost", got)
		}
		n.Drop(0)
		n.Pause("10.0.0.1")
		if got := arrived(); got != 0 {
			t.Errorf("%d packets left a paused host", got)
		}
		if packets, bytes := n.Traffic(); packets != 300 || bytes != 300 {
			t.Errorf("%d packets and %d bytes were sent", packets, bytes)
		}
		for _, tr := range []*clustertest.Transport{a, b} {
			if err := tr.Shutdown(); err != nil {
				t.Error(err)
			}
		}
		if _, err := a.WriteTo([]byte("x"), "10.0.0.2:1"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("send after a shutdown: %v", err)
		}
	})
}
