package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// stage is the work folder and the servers of a run.
type stage struct {
	dir, files string
	programs   programs
	cert       certificate
	origin     *nginx
	distant    *relay
	discard    *s3Target
	// versity is nil where versitygw is not installed.
	versity *s3Target
	log     io.Writer
	closers []func()
}

// newStage makes the work folder, finds or builds the programs and starts the
// servers of the scenario. The caller closes it, also after an error.
func newStage(ctx context.Context, o options, log io.Writer) (*stage, error) {
	s := &stage{log: log}
	dir, err := os.MkdirTemp(o.dir, "godwit-bench-")
	if err != nil {
		return s, fmt.Errorf("make the work folder: %w", err)
	}
	s.dir, s.files = dir, filepath.Join(dir, "files")
	s.closers = append(s.closers, func() { s.remove(o.keep) })
	for _, sub := range []string{s.files, s.path("logs"), s.path("versity")} {
		if err := os.Mkdir(sub, 0o755); err != nil {
			return s, fmt.Errorf("make the work folder: %w", err)
		}
	}
	s.programs = find("curl", "wget2", "aria2c", "rclone", "nginx", "versitygw")
	if s.programs["godwit"], err = godwitBinary(ctx, o, dir); err != nil {
		return s, err
	}
	if s.cert, err = makeCertificate(dir); err != nil || o.scenario != "speed" {
		return s, err
	}
	return s, s.startServers(ctx, o)
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

// godwitBinary builds godwit as it is released, or takes the one that is given.
func godwitBinary(ctx context.Context, o options, dir string) (string, error) {
	if o.godwit != "" {
		return filepath.Abs(o.godwit)
	}
	path := filepath.Join(dir, "godwit")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "godwit/cmd/godwit")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build godwit (from its repository): %w: %s", err, output)
	}
	return path, nil
}

// startServers starts what the selected rows talk to.
func (s *stage) startServers(ctx context.Context, o options) (err error) {
	if s.programs["nginx"] == "" {
		return errors.New("nginx is not installed: it is the origin of every row")
	}
	if s.origin, err = startNginx(ctx, s.programs["nginx"], s.path("logs"), s.files, s.cert); err != nil {
		return err
	}
	s.closers = append(s.closers, s.origin.stop)
	if s.distant, err = startRelay(ctx, s.origin.plain, o.rtt); err != nil {
		return err
	}
	s.closers = append(s.closers, s.distant.stop)
	if wants(o.rows, "s3-discard", true) || wants(o.rows, "put", true) {
		if s.discard, err = startDiscard(ctx, s.path("logs")); err != nil {
			return err
		}
		s.closers = append(s.closers, s.discard.stop)
	}
	if program := s.programs["versitygw"]; program != "" && wants(o.rows, "s3-versity", true) {
		if s.versity, err = startVersity(ctx, program, s.path("versity"), s.path("logs")); err != nil {
			return err
		}
		s.closers = append(s.closers, s.versity.stop)
	}
	return nil
}

// close stops the servers and removes the work folder.
func (s *stage) close() {
	for _, stop := range slices.Backward(s.closers) {
		stop()
	}
}

func (s *stage) remove(keep bool) {
	if keep {
		s.note("kept: %s", s.dir)
		return
	}
	if err := os.RemoveAll(s.dir); err != nil {
		s.note("left behind: %v", err)
	}
}

// note tells the person who waits.
func (s *stage) note(format string, args ...any) {
	fmt.Fprintf(s.log, strings.TrimSuffix(format, "\n")+"\n", args...)
}

// progress tells what one run came to.
func (s *stage) progress(row string, round int, name string, took sample, err error) {
	if err != nil {
		s.note("%s: round %d: %s: %v", row, round+1, name, err)
		return
	}
	s.note("%s: round %d: %s: %v, CPU %v, %d MiB", row, round+1, name,
		took.wall.Round(time.Millisecond), took.cpu.Round(time.Millisecond), took.rss>>20)
}
