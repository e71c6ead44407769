package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

const (
	// submitters is how many transfers are created at a time.
	submitters = 64
	// watchChunk is how many transfers share one stream.
	watchChunk = 256
)

// outcome is what became of one entry.
type outcome struct {
	want *pb.Transfer
	last *pb.Transfer
	// done: it was complete before.
	done bool
	err  error
}

func (o *outcome) failure() error {
	if o.err != nil || o.last == nil {
		return o.err
	}
	return client.ErrorOf(o.last)
}

// runBatch downloads all entries of the input file through one node.
func (g *getCommand) runBatch(ctx context.Context, args []string) error {
	outcomes, err := g.requests(args)
	if err != nil {
		return err
	}
	s, err := g.a.open(ctx, g.target)
	if err != nil {
		return err
	}
	started := time.Now()
	d := g.a.newDisplay(g.quiet, len(outcomes))
	b := &batch{s: s, d: d, q: acquirer{s: s, start: !g.noStart, derived: true}, wait: !g.detach && !g.noStart}
	b.run(ctx, outcomes)
	d.close()
	leaveErr := s.leave()
	if err := g.report(ctx, s, outcomes, time.Since(started)); err != nil {
		return err
	}
	return leaveErr
}

// requests reads the input file; two lines that mean the same are one.
func (g *getCommand) requests(args []string) ([]*outcome, error) {
	if err := g.checkBatch(args); err != nil {
		return nil, err
	}
	in := g.a.stdin
	if g.input != "-" {
		f, err := os.Open(g.input)
		if err != nil {
			return nil, unreadable("--input-file", err)
		}
		defer f.Close()
		in = f
	}
	entries, err := parseBatch(in)
	if err != nil {
		return nil, err
	}
	here, err := workingFolder()
	if err != nil {
		return nil, err
	}
	var outcomes []*outcome
	seen := map[string]bool{}
	for _, e := range entries {
		t, err := g.entryRequest(e, strings.Join(args, ""), here)
		if err != nil {
			m := describe(err)
			return nil, &failure{code: m.GetCode(), message: fmt.Sprintf("line %d: %s", e.line, m.GetMessage()), err: err}
		}
		if !seen[t.GetId()] {
			seen[t.GetId()] = true
			outcomes = append(outcomes, &outcome{want: t})
		}
	}
	return outcomes, nil
}

// checkBatch refuses what cannot hold for several downloads.
func (g *getCommand) checkBatch(args []string) error {
	switch {
	case len(args) > 1 || len(args) == 1 && isWeb(args[0]):
		return usagef("with --input-file only a folder may follow: godwit get -i FILE [FOLDER]")
	case g.spec.id != "" || g.out != "":
		return usagef("--id and --out name one download; they do not go with --input-file")
	case g.spec.checksum != "":
		return usagef("a checksum belongs to one download; write it into the input file")
	case len(g.spec.mirrors) > 0:
		return usagef("a mirror belongs to one download; write it into the input file, after a tab")
	}
	return nil
}

func (g *getCommand) entryRequest(e entry, dir string, here folder) (*pb.Transfer, error) {
	spec := g.spec
	spec.mirrors = e.mirrors
	spec.headers = append(append([]string(nil), spec.headers...), e.headers...)
	spec.checksum = e.checksum
	dest := e.destination(dir)
	destination, err := here.resolve(dest, e.url)
	if err != nil {
		return nil, err
	}
	return spec.build(e.url, destination, g.a.stdin)
}

// batch submits and follows many transfers.
type batch struct {
	s    *session
	d    display
	q    acquirer
	wait bool
}

// run submits chunk after chunk and follows each as soon as it is in.
func (b *batch) run(ctx context.Context, all []*outcome) {
	var watchers sync.WaitGroup
	for len(all) > 0 {
		chunk := all[:min(watchChunk, len(all))]
		all = all[len(chunk):]
		b.submit(ctx, chunk)
		if b.wait {
			watchers.Go(func() { b.follow(ctx, chunk) })
		}
	}
	watchers.Wait()
}

func (b *batch) submit(ctx context.Context, chunk []*outcome) {
	var g errgroup.Group
	g.SetLimit(submitters)
	for _, o := range chunk {
		g.Go(func() error {
			found, err := b.q.acquire(ctx, o.want)
			o.last, o.done, o.err = found.t, found.done, err
			if found.t != nil {
				b.d.show(found.t)
			}
			return nil // one failure does not stop the others
		})
	}
	_ = g.Wait() // the functions return no errors
}

func (b *batch) follow(ctx context.Context, chunk []*outcome) {
	byID := map[string]*outcome{}
	var ids []string
	for _, o := range chunk {
		if o.err == nil && !o.done {
			byID[o.last.GetId()] = o
			ids = append(ids, o.last.GetId())
		}
	}
	if len(ids) == 0 {
		return
	}
	for t, err := range b.s.Watch(ctx, ids...) {
		if err != nil {
			for _, o := range byID {
				if !client.Terminal(o.last.GetStatus()) {
					o.err = err
				}
			}
			return
		}
		if o := byID[t.GetId()]; o != nil {
			o.last = t
		}
		b.d.show(t)
	}
}

// report prints what became of all and derives the command's own error.
func (g *getCommand) report(ctx context.Context, s *session, all []*outcome, elapsed time.Duration) error {
	list := &pb.ListTransfersResponse{}
	sum := newTally(len(all))
	var failed []*outcome
	for _, o := range all {
		if o.last != nil {
			list.Transfers = append(list.Transfers, o.last)
			sum.take(o.last)
		}
		if o.failure() != nil {
			failed = append(failed, o)
		}
	}
	if ctx.Err() != nil {
		g.howToGoOn(s, nil, context.Cause(ctx))
		return context.Cause(ctx)
	}
	g.reportFailures(failed)
	err := g.a.print(list, func(w io.Writer) {
		switch {
		case g.detach || g.noStart:
			for _, t := range list.GetTransfers() {
				fmt.Fprintln(w, printable(t.GetId()))
			}
		case !g.quiet.quiet:
			fmt.Fprintf(w, "%s  %s\n", sum.String(), pace(elapsed, sum.bytes))
		}
	})
	if err != nil || len(failed) == 0 {
		return err
	}
	if len(all) == 1 {
		return failed[0].failure()
	}
	return &failure{code: codeSome, message: fmt.Sprintf("%d of %d downloads failed", len(failed), len(all))}
}

func (g *getCommand) reportFailures(failed []*outcome) {
	if g.a.format != formatTable {
		return
	}
	for _, o := range failed {
		m := describe(o.failure())
		fmt.Fprintf(g.a.stderr, "%s: %s [%s]\n", shown(o.want.GetDestination().GetUrl()), printable(m.GetMessage()), m.GetCode())
	}
}
