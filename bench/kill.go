package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// killTools go on with a download that was interrupted, each in the way its
// manual says.
func killTools() []tool {
	return []tool{
		{"godwit get", []string{"godwit"}, func(p programs, j job) []string {
			return []string{p["godwit"], "get", "-q", "--no-progress", "--data-dir", j.state, j.url, j.dest}
		}},
		{"aria2c -c", []string{"aria2c"}, func(p programs, j job) []string {
			return []string{p["aria2c"], "-q", "--no-conf", "-c", "-d", j.out, "-o", j.name, j.url}
		}},
		{"aria2c -c -x4", []string{"aria2c"}, func(p programs, j job) []string {
			return []string{p["aria2c"], "-q", "--no-conf", "-c", "-x4", "-s4", "-d", j.out, "-o", j.name, j.url}
		}},
		{"curl -C -", []string{"curl"}, func(p programs, j job) []string {
			return []string{p["curl"], "-q", "-sSf", "-C", "-", "-o", j.dest, j.url}
		}},
		{"wget2 -c", []string{"wget2"}, func(p programs, j job) []string {
			return []string{p["wget2"], "-q", "-c", "-P", j.out, j.url}
		}},
		{"rclone copy", []string{"rclone"}, rcloneCopy},
		{"rclone copyurl", []string{"rclone"}, func(p programs, j job) []string {
			return []string{p["rclone"], "copyurl", j.url, j.dest}
		}},
	}
}

// revival is what became of a download that was killed and started again.
type revival struct {
	// firstBytes and secondBytes are what the origin served to each process.
	firstBytes, secondBytes int64
	// outcome says how the second process ended and what it left.
	outcome string
}

// compareKills writes one table: the file unchanged, and changed at the kill.
func compareKills(ctx context.Context, o options, s *stage, w io.Writer) error {
	origin, err := startCounter(ctx, int64(o.killSize), int64(o.killRate))
	if err != nil {
		return err
	}
	defer origin.stop()
	t := table{head: []string{
		"tool", "same file: fetched again, MB", "same file: ends with",
		"changed file: fetched after the change, MB", "changed file: ends with",
	}}
	for _, tool := range killTools() {
		if !wants(o.tools, tool.name, false) {
			continue
		}
		if missing := s.programs.lacks(tool.needs); missing != "" {
			t.add(tool.name, "", missing+" is not installed", "", "")
			continue
		}
		same := reviveAll(ctx, o, s, origin, tool, false)
		changed := reviveAll(ctx, o, s, origin, tool, true)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		again := func(r revival) int64 { return r.firstBytes + r.secondBytes - origin.size }
		anew := func(r revival) int64 { return r.secondBytes }
		t.add(tool.name, megabytes(medianOf(same, again)), outcomes(same), megabytes(medianOf(changed, anew)), outcomes(changed))
	}
	fmt.Fprintf(w, "\n### kill -9 at half of a download, the same command again (%s at %s/s)\n\n%s", &o.killSize, &o.killRate, t.String())
	return nil
}

// reviveAll does every round of one tool. A round that could not be carried out
// is an outcome like others.
func reviveAll(ctx context.Context, o options, s *stage, origin *counter, t tool, change bool) []revival {
	var all []revival
	for round := range o.rounds {
		r, err := revive(ctx, o, s, origin, t, change)
		if err != nil {
			r.outcome = "not carried out: " + err.Error()
		}
		s.note("kill: round %d: %s: changed %v: %d + %d bytes: %s", round+1, t.name, change, r.firstBytes, r.secondBytes, r.outcome)
		all = append(all, r)
	}
	return all
}

// revive starts a tool, kills it when the origin has served half, and starts
// it again.
func revive(ctx context.Context, o options, s *stage, origin *counter, t tool, change bool) (revival, error) {
	j := job{base: "http://" + origin.addr + "/", name: "file.bin", out: s.path("out"), state: s.path("state"), cert: s.cert.certFile}
	j.url, j.dest = j.base+j.name, filepath.Join(j.out, j.name)
	for _, dir := range []string{j.out, j.state} {
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
			return revival{}, fmt.Errorf("make a place for a run: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	c := command{argv: t.command(s.programs, j), env: environment(j), dir: j.out}
	half := origin.reset(origin.size / 2)
	if err := killAt(ctx, c, half); err != nil {
		return revival{}, err
	}
	r := revival{firstBytes: origin.total()}
	want := before
	if change {
		origin.change()
		want = after
	}
	_, err := measure(ctx, c)
	if ctx.Err() != nil {
		return revival{}, err
	}
	r.secondBytes = origin.total() - r.firstBytes
	r.outcome, err = judge(err, j.dest, want, origin.size)
	return r, err
}

// killAt starts a command and kills it, with its children, when half is closed.
func killAt(ctx context.Context, c command, half <-chan struct{}) error {
	var output tail
	cmd := c.prepare(ctx, &output)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return fmt.Errorf("it ended before it could be killed: %w: %s", errors.Join(err, context.Cause(ctx)), output.String())
	case <-half:
	}
	err := killGroup(cmd)
	<-ended //nolint:errcheck // it ends by the signal
	return err
}

// judge puts exit and result of the second process in words.
func judge(exit error, path string, want version, size int64) (string, error) {
	end := "exit 0"
	if exit != nil {
		end = "an error"
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return end + ", no file", nil
	}
	if err != nil {
		return "", fmt.Errorf("judge: %w", err)
	}
	defer f.Close()
	found, err := count(f, size)
	return end + ", file " + found.verdict(want, size), err
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f", float64(n)/1e6) }

func medianOf(rs []revival, quantity func(revival) int64) int64 {
	var values []int64
	for _, r := range rs {
		values = append(values, quantity(r))
	}
	return median(values, func(a, b int64) int64 { return a + (b-a)/2 })
}

// outcomes counts how often each outcome came up.
func outcomes(rs []revival) string {
	times := map[string]int{}
	var order []string
	for _, r := range rs {
		if times[r.outcome]++; !slices.Contains(order, r.outcome) {
			order = append(order, r.outcome)
		}
	}
	var out []string
	for _, o := range order {
		out = append(out, fmt.Sprintf("%s (%d of %d)", o, times[o], len(rs)))
	}
	return strings.Join(out, "; ")
}
