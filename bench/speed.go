package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// row is one comparison: a job that several tools do.
type row struct {
	name, title string
	// size is that of the file, or of each of count files of a batch.
	size  byteSize
	count int
	tools func() []tool
	// base is the URL of the origin's folder, with a slash at the end.
	base func(s *stage) string
	// target is where S3 results go; nil means disk.
	target func(s *stage) *s3Target
}

// rows are those of the speed scenario, in the order of the report.
func rows() []row {
	plain := func(s *stage) string { return "http://" + s.origin.plain + "/" }
	return []row{
		{
			name: "disk", title: "One file to disk", size: 2 * gib, base: plain,
			tools: func() []tool { return append(fileTools(), syncedTools()...) },
		},
		{
			name: "tls", title: "One file to disk over TLS", size: 2 * gib, tools: fileTools,
			base: func(s *stage) string { return "https://" + s.origin.tls + "/" },
		},
		{
			name: "capped", title: "One file, origin capped at 20 MiB/s a connection", size: 512 * mib, tools: fileTools,
			base: func(s *stage) string { return "http://" + s.origin.capped + "/" },
		},
		{
			name: "rtt", title: "One file from a distant origin", size: 256 * mib, tools: fileTools,
			base: func(s *stage) string { return "http://" + s.distant.addr() + "/" },
		},
		{name: "small", title: "Many small files in one batch", size: 64 * kib, count: 10_000, tools: batchTools, base: plain},
		{
			name: "s3-discard", title: "One file to an S3 server that discards", size: 2 * gib, tools: discardTools, base: plain,
			target: func(s *stage) *s3Target { return s.discard },
		},
		{
			name: "s3-versity", title: "One file to versitygw", size: 2 * gib, tools: s3Tools, base: plain,
			target: func(s *stage) *s3Target { return s.versity },
		},
		{
			name: "put", title: "One file sent with PUT to a server that discards", size: 2 * gib, tools: putTools, base: plain,
			target: func(s *stage) *s3Target { return s.discard },
		},
	}
}

func rowNames() []string {
	var names []string
	for _, r := range rows() {
		names = append(names, r.name)
	}
	return names
}

// scaled is the row with its sizes multiplied; a batch gets fewer files, not
// smaller ones.
func (r row) scaled(factor float64) row {
	if r.count > 0 {
		r.count = max(1, int(float64(r.count)*factor))
	} else {
		r.size = r.size.scaled(factor)
	}
	return r
}

// bytes is how much one run moves.
func (r row) bytes() int64 { return int64(r.size) * int64(max(r.count, 1)) }

// compareSpeed runs the selected rows and writes a table for each as soon as
// it is known.
func compareSpeed(ctx context.Context, o options, s *stage, w io.Writer) error {
	for _, r := range rows() {
		if !wants(o.rows, r.name, true) {
			continue
		}
		r = r.scaled(o.scale)
		results, err := r.run(ctx, o, s)
		if err != nil {
			return fmt.Errorf("row %s: %w", r.name, err)
		}
		r.report(w, results)
	}
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return fmt.Errorf("ask for our own memory: %w", err)
	}
	fmt.Fprintf(w, "\nPeaks of %d MiB and less cannot be told apart.\n", own.Maxrss>>10)
	return nil
}

// result is what a tool came to in one row.
type result struct {
	tool    string
	samples []sample
	// failed are runs that ended in an error or left something wrong.
	failed []error
	// missing is a program that is not installed.
	missing string
}

// run measures every tool in every round. The order is turned by one each
// round, so that no tool always follows the same other.
func (r row) run(ctx context.Context, o options, s *stage) ([]*result, error) {
	if r.target != nil && r.target(s) == nil {
		return []*result{{tool: "all", missing: "versitygw"}}, nil
	}
	template, want, err := r.stageFiles(s)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(want) //nolint:errcheck // the work folder goes in the end
	var tools []tool
	var results []*result
	for _, t := range r.tools() {
		if wants(o.tools, t.name, false) {
			tools, results = append(tools, t), append(results, &result{tool: t.name, missing: s.programs.lacks(t.needs)})
		}
	}
	for round := range o.rounds {
		for i := range tools {
			at := (i + round) % len(tools)
			if results[at].missing != "" {
				continue
			}
			took, err := r.once(ctx, o, s, tools[at], template, want)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			results[at].add(took, err)
			s.progress(r.name, round, tools[at].name, took, err)
		}
	}
	return results, nil
}

func (r *result) add(took sample, err error) {
	if err != nil {
		r.failed = append(r.failed, err)
		return
	}
	r.samples = append(r.samples, took)
}

// stageFiles makes what the row serves: it returns the job without the places
// of a run, and the path of what was served.
func (r row) stageFiles(s *stage) (job, string, error) {
	j := job{
		base: r.base(s), name: r.name + ".bin", out: s.path("out"), state: s.path("state"), cert: s.cert.certFile,
		key: r.name + ".bin",
	}
	if r.target != nil {
		j.target = r.target(s)
	}
	if r.count == 0 {
		want := filepath.Join(s.files, j.name)
		j.url, j.dest, j.source = j.base+j.name, filepath.Join(j.out, j.name), want
		return j, want, makeFile(want, int64(r.size), newNoise(1))
	}
	j.name = r.name + "/"
	want := filepath.Join(s.files, r.name)
	if err := makeSmall(want, r.count, int64(r.size)); err != nil {
		return job{}, "", err
	}
	var err error
	j.lists, err = makeLists(s.dir, j.base+j.name, j.out, r.count)
	return j, want, err
}

// once runs one tool in empty folders and checks what it left. Dirty pages of
// the runs before are written out first, not on its time.
func (r row) once(ctx context.Context, o options, s *stage, t tool, j job, want string) (sample, error) {
	for _, dir := range []string{j.out, j.state} {
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
			return sample{}, fmt.Errorf("make a place for a run: %w", err)
		}
	}
	syscall.Sync()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	took, err := measure(ctx, command{argv: t.command(s.programs, j), env: environment(j), dir: j.out})
	if err != nil {
		return sample{}, err
	}
	switch {
	case j.target != nil:
		err = j.target.check(ctx, j.key, want)
	case r.count > 0:
		err = sameFolder(j.out, want, r.count)
	default:
		err = sameContent(j.dest, want)
	}
	return took, err
}

// report writes a row's table, fastest first.
func (r row) report(w io.Writer, results []*result) {
	what := r.size.String()
	if r.count > 0 {
		what = fmt.Sprintf("%d files of %s", r.count, what)
	}
	fmt.Fprintf(w, "\n### %s (%s)\n\n", r.title, what)
	t := table{head: []string{"tool", "wall s", "MB/s", "CPU s/GB", "peak RSS MiB", "runs"}}
	if r.count > 0 {
		t.head[2] = "files/s"
	}
	slices.SortStableFunc(results, func(a, b *result) int {
		return int(medianSample(a.samples).wall - medianSample(b.samples).wall)
	})
	var notes []string
	for _, res := range results {
		switch {
		case res.missing != "":
			notes = append(notes, fmt.Sprintf("%s: not run, %s is not installed", res.tool, res.missing))
		case len(res.samples) > 0:
			t.add(r.cells(res)...)
		}
		for _, err := range res.failed {
			notes = append(notes, fmt.Sprintf("%s: a run failed: %v", res.tool, err))
		}
	}
	fmt.Fprint(w, t.String())
	for _, note := range notes {
		fmt.Fprintf(w, "\n- %s\n", note)
	}
}

func (r row) cells(res *result) []string {
	m := medianSample(res.samples)
	rate := megabytesPerSecond(r.bytes(), m.wall)
	if r.count > 0 {
		rate = float64(r.count) / max(m.wall.Seconds(), 1e-9)
	}
	return []string{
		res.tool, fmt.Sprintf("%.2f", m.wall.Seconds()), fmt.Sprintf("%.0f", rate),
		fmt.Sprintf("%.2f", cpuPerGigabyte(m.cpu, r.bytes())), fmt.Sprintf("%.0f", float64(m.rss)/float64(mib)),
		fmt.Sprint(len(res.samples)),
	}
}
