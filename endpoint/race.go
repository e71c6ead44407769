package endpoint

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// dialed is the outcome of one attempt.
type dialed struct {
	conn net.Conn
	err  error
}

// race connects to the first address that answers. The next one is tried when
// one fails, or beside it when it takes longer than fallbackDelay (RFC 8305,
// section 5). Without any, it returns the first error.
func (d *dialer) race(ctx context.Context, network string, targets []netip.AddrPort) (net.Conn, error) {
	if len(targets) == 1 {
		return d.connect(ctx, network, targets[0])
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialed, len(targets))
	delay := time.NewTimer(0)
	defer delay.Stop()
	var firstErr error
	for started, running := 0, 0; started < len(targets) || running > 0; {
		select {
		case <-delay.C:
			if started < len(targets) {
				target := targets[started]
				go func() {
					conn, err := d.connect(ctx, network, target)
					results <- dialed{conn, err}
				}()
				started, running = started+1, running+1
				delay.Reset(fallbackDelay)
			}
		case r := <-results:
			running--
			if r.err == nil {
				go drop(results, running)
				return r.conn, nil
			}
			if firstErr == nil || isOffline(firstErr) {
				// That one family of addresses has no route tells nothing while
				// another one has.
				firstErr = r.err
			}
			delay.Reset(0)
		}
	}
	return nil, firstErr
}

// drop closes the connections of n attempts that lost.
func drop(results <-chan dialed, n int) {
	for range n {
		if r := <-results; r.err == nil {
			_ = r.conn.Close()
		}
	}
}
