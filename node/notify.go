package node

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"godwit/actors"
)

// notify tells the service manager; where there is none it does nothing, and
// an error is of no use to anybody.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// watchdog tells the service manager twice in its interval that the actors
// answer, until ctx ends. When they do not, it stays silent and the manager
// restarts the process.
func (n *Node) watchdog(ctx context.Context) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval <= 0 {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(interval / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if n.alive(ctx, interval/2) {
				notify(daemon.SdNotifyWatchdog)
			}
		}
	}
}

// alive tells whether the actors answer within the timeout. A node that still
// loads its transfers, or that stops, is alive.
func (n *Node) alive(ctx context.Context, timeout time.Duration) bool {
	if n.readiness.check() != nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := n.engine.List(ctx, actors.Query{Limit: 1})
	return err == nil
}
