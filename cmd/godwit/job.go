package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

// job is what commands have in common that make one transfer and wait for it.
type job struct {
	a       *app
	target  target
	quiet   quietFlags
	detach  bool
	noStart bool
	timeout time.Duration
	// named: the user chose the id; once: the same command, run again, would not
	// find its transfer.
	named, once bool
}

func (j *job) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&j.detach, "detach", false, "do not wait (with --server)")
	fs.BoolVar(&j.noStart, "no-start", false, "create the transfer without starting it")
	fs.DurationVar(&j.timeout, "timeout", 0, "stop waiting after this time, such as 10m; the transfer can be resumed")
	j.target.add(cmd)
	j.quiet.add(fs)
	j.a.addOutput(cmd)
}

// bounded runs work for as long as the flags allow.
func (j *job) bounded(ctx context.Context, work func(context.Context) error) error {
	if j.detach && len(j.target.servers) == 0 {
		return usagef("--detach needs --server: without one this process does the work")
	}
	if j.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, j.timeout, errTimedOut)
		defer cancel()
	}
	return work(ctx)
}

// one runs a single transfer to its end.
func (j *job) one(ctx context.Context, s *session, want *pb.Transfer) error {
	q := acquirer{s: s, start: !j.noStart, derived: !j.named}
	started := time.Now()
	found, err := q.acquire(ctx, want)
	if err != nil {
		j.howToGoOn(s, want, err)
		return err
	}
	if secret := found.t.GetResolver().GetSecret(); secret != "" {
		fmt.Fprintf(j.a.stderr, "The resolver's secret, shown here only: %s\n", secret)
	}
	if found.done {
		return j.alreadyDone(found.t)
	}
	if j.detach || j.noStart {
		return j.leaveIt(found.t)
	}
	d := j.a.newDisplay(j.quiet, 1)
	before := position(found.t)
	last, err := followOne(ctx, s, found.t, d)
	d.close()
	if err != nil {
		j.howToGoOn(s, last, err)
		return err
	}
	return j.finish(last, time.Since(started), position(last)-before)
}

func (j *job) alreadyDone(t *pb.Transfer) error {
	return j.a.print(t, func(w io.Writer) {
		if !j.quiet.quiet {
			fmt.Fprintf(w, "%s  %s\n", summaryOfOld(t), "already complete")
			j.whereTheAnswerIs(w, t)
		}
	})
}

// whereTheAnswerIs tells how to read what the far side said to an upload.
func (j *job) whereTheAnswerIs(w io.Writer, t *pb.Transfer) {
	if n := t.GetResponse().GetBodyBytes(); n > 0 && t.GetDirection() == pb.Transfer_UPLOAD {
		fmt.Fprintf(w, "The answer has %s: %s\n", humanBytes(n), quoteAll(j.command("cat", t.GetId())))
	}
}

// command is one of godwit transfer, for where this command's transfer is.
func (j *job) command(verb, id string) []string {
	words := []string{"godwit", "transfer", verb, id}
	if len(j.target.servers) > 0 {
		words = append(words, "--server", strings.Join(j.target.servers, ","))
	} else if j.target.dataDir != "" {
		words = append(words, "--data-dir", j.target.dataDir)
	}
	return slices.DeleteFunc(words, func(word string) bool { return word == "" })
}

// leaveIt prints the id, which is all that a script needs to come back.
func (j *job) leaveIt(t *pb.Transfer) error {
	return j.a.print(t, func(w io.Writer) { fmt.Fprintln(w, printable(t.GetId())) })
}

func (j *job) finish(t *pb.Transfer, elapsed time.Duration, fetched int64) error {
	if err := client.ErrorOf(t); err != nil {
		if !j.quiet.quiet && j.a.format == formatTable {
			j.whereTheAnswerIs(j.a.stderr, t)
		}
		return j.advise(t, err)
	}
	return j.a.print(t, func(w io.Writer) {
		if !j.quiet.quiet {
			fmt.Fprintln(w, summary(t, elapsed, fetched))
			j.whereTheAnswerIs(w, t)
		}
	})
}

// howToGoOn tells a person whose command stopped waiting how to come back. After
// a batch there is no transfer.
func (j *job) howToGoOn(s *session, t *pb.Transfer, err error) {
	if !unfinished(err) || j.quiet.quiet || j.a.format == formatJSON {
		return
	}
	switch {
	case s.embedded() && cutOff(t):
		fmt.Fprintln(j.a.stderr, "The request was cut off, and may have been carried out: look at the server. This command does not repeat it.")
	case !s.embedded():
		fmt.Fprintf(j.a.stderr, "The transfer goes on. To watch it: %s\n", quoteAll(j.command("watch", t.GetId())))
	case j.once && t.GetId() == "":
	case j.once:
		fmt.Fprintf(j.a.stderr, "The transfer can be resumed. To go on: %s\n", quoteAll(j.command("watch", t.GetId())))
	default:
		fmt.Fprintf(j.a.stderr, "The transfer can be resumed. To go on: %s\n", sameCommand(j.a.args))
	}
}
