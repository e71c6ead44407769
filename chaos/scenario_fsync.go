package chaos

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"godwit/chaos/history"
)

const (
	// syncCalls are the calls that make writes durable.
	syncCalls = "fsync,fdatasync,sync_file_range"
	// attached is how long strace takes to have stopped all threads once, and a node
	// to write down the outcomes of calls from before.
	attached = 2 * time.Second
)

// syncFaults are what becomes of such calls, in turn.
var syncFaults = []string{"error=EIO", "delay_enter=2000000"}

// runFsync makes every call of one node that makes writes durable fail, or take
// long. While all of them fail, the node must not believe that anything was
// written.
func runFsync(ctx context.Context, c *Cluster, p Params) (Report, error) {
	if _, err := exec.LookPath("strace"); err != nil {
		return Report{}, fmt.Errorf("%w: there is no strace command", ErrNotHere)
	}
	if !strings.HasPrefix(c.opts.Store.State, "dir://") {
		return Report{}, fmt.Errorf("%w: the state is in no folder", ErrNotHere)
	}
	c.explained = append(c.explained, "input/output error")
	type span struct {
		node        string
		began, over time.Duration
	}
	var failing []span
	r, err := c.run(ctx, "fsync", p, func(ctx context.Context, r *Report, i int) error {
		v, err := c.Victim(ctx)
		if err != nil {
			return err
		}
		fault := syncFaults[i%len(syncFaults)]
		c.Logf("fault %d: %s, which runs %d transfers, has %s", i+1, v.Name, len(v.Ran), fault)
		var s span
		m, err := c.Strike(v, func() error {
			detach, err := v.inject(ctx, syncCalls, fault)
			if err != nil {
				return err
			}
			s = span{node: v.Name, began: history.Clock()}
			err = idle(ctx, 2*time.Second+p.Pauses[i%len(p.Pauses)])
			s.over = history.Clock()
			return errors.Join(err, detach())
		})
		if err != nil {
			return err
		}
		if fault == syncFaults[0] {
			failing = append(failing, s)
		}
		if !v.Live() {
			r.Note("%s ended by itself %.1f s after its calls began to fail", v.Name, m.Over.Sub(m.Began).Seconds())
			return v.Start(ctx)
		}
		return v.AwaitReady(ctx)
	})
	if err != nil {
		return r, err
	}
	events, err := c.writes(history.Run{})
	if err != nil {
		return r, err
	}
	refused := 0
	for _, e := range events {
		for _, s := range failing {
			switch {
			case e.Write == nil || e.Node != s.node || e.At < s.began || max(e.At, e.End) > s.over:
			case e.Write.Outcome == history.OK:
				r.Violate("a write was taken for done although nothing could be made durable: %s: %+v", e.Write.Key, *e.Write)
			default:
				refused++
			}
		}
	}
	r.Note("%d writes did not succeed while no call to make them durable did", refused)
	return r, nil
}

// inject has system calls of a node's process meet a fault until the returned
// function is called.
func (n *Node) inject(ctx context.Context, calls, fault string) (detach func() error, err error) {
	cmd := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-p", fmt.Sprint(n.process().Pid()),
		"-e", "trace="+calls, "-e", "inject="+calls+":"+fault)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("inject a fault: %w", err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }() // it is ended by a signal
	if err := idle(ctx, attached); err != nil {
		_ = cmd.Process.Kill()
		return nil, err
	}
	select {
	case <-ended:
		return nil, fmt.Errorf("%w: strace may not attach: %s", ErrNotHere, strings.TrimSpace(said.String()))
	default:
	}
	return func() error {
		_ = cmd.Process.Signal(syscall.SIGINT) // it may have ended with the node
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, nil
}
