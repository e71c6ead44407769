package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// notifyHangup returns a channel of SIGHUPs, and what ends it. A node with
// nothing to reload leaves the signal alone, which then ends the process.
func (n *Node) notifyHangup() (<-chan os.Signal, func()) {
	hangup := make(chan os.Signal, 1)
	if n.tokens != nil || n.cert != nil {
		signal.Notify(hangup, syscall.SIGHUP)
	}
	return hangup, func() { signal.Stop(hangup) }
}

// lookAgain is how often the node looks whether its files have changed: where they
// are mounted, nobody can send it a signal.
const lookAgain = time.Minute

// reloadOn reloads at each signal and when a file has changed, until ctx ends.
func (n *Node) reloadOn(ctx context.Context, hangup <-chan os.Signal) error {
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	seen := n.stamps()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if n.stamps() == seen {
				continue
			}
		case <-hangup:
		}
		// Before they are read: what changes meanwhile is read again. What could not be
		// read is, too: no file may have changed when it can be.
		now := n.stamps()
		if err := n.Reload(); err != nil {
			n.cfg.Logger.WarnContext(ctx, "reload failed, the old tokens and certificate stay", slog.Any("error", err))
			seen = ""
			continue
		}
		seen = now
		n.cfg.Logger.InfoContext(ctx, "tokens and certificate were read again")
	}
}

// stamps changes when a file that Reload reads has changed.
func (n *Node) stamps() string {
	var out strings.Builder
	for _, path := range []string{n.cfg.APITokenFile, n.cfg.TLSCert, n.cfg.TLSKey} {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintf(&out, "%s %d %d\n", path, info.ModTime().UnixNano(), info.Size())
		}
	}
	return out.String()
}

// Reload reads the token file and the certificate again. What cannot be read
// stays as it was.
func (n *Node) Reload() error {
	var failures []error
	if n.tokens != nil {
		content, err := readPrivate(n.cfg.APITokenFile, othersRead)
		if err == nil {
			err = n.tokens.Replace(content)
		}
		if err != nil {
			failures = append(failures, &ConfigError{Key: "api-token-file", Message: "cannot be used", Err: err})
		}
	}
	if n.cert != nil {
		failures = append(failures, n.cert.reload())
	}
	return errors.Join(failures...)
}
