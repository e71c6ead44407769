package main

import (
	"context"
	"fmt"
	"io"
	"time"

	pb "godwit/protos/godwit/v1"
)

// spool has the server keep what comes from standard input.
func (p *putCommand) spool(ctx context.Context, s *session, t *pb.Transfer) error {
	k := &keeping{r: interruptible{ctx: ctx, r: p.a.stdin}, w: io.Discard, now: time.Now, began: time.Now()}
	if terminal := isTerminal(p.a.stderr); !p.quiet.quiet && !p.quiet.noProgress {
		k.w, k.inPlace = p.a.stderr, terminal
		if isTerminal(p.a.stdin) {
			fmt.Fprintln(p.a.stderr, "Reading standard input; Ctrl-D ends it.")
		}
	}
	url, _, err := s.Spool(ctx, k)
	k.end()
	if err != nil {
		if unfinished(err) && !p.quiet.quiet && p.a.format != formatJSON {
			fmt.Fprintln(p.a.stderr, "Nothing was sent: standard input had not come to its end.")
		}
		return err
	}
	t.Source, t.Upload.Spooled = &pb.Endpoint{Url: url}, true
	return nil
}

// keeping tells from time to time how much of standard input has been read; nothing
// of it is sent before its end.
type keeping struct {
	r   io.Reader
	w   io.Writer
	now func() time.Time
	// inPlace: each line replaces the one before.
	inPlace bool
	// began is when the last line was written, or the reading begun.
	began time.Time
	n     int64
	wrote bool
}

func (k *keeping) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	k.n += int64(n)
	every, end := lineInterval, "\n"
	if k.inPlace {
		every, end = barInterval, "\r"
	}
	if now := k.now(); now.Sub(k.began) >= every {
		fmt.Fprintf(k.w, "standard input: %10s kept, to be sent when it ends%s", humanBytes(k.n), end)
		k.began, k.wrote = now, true
	}
	return n, err
}

// end takes the line away that is replaced by nothing else.
func (k *keeping) end() {
	if k.inPlace && k.wrote {
		fmt.Fprintf(k.w, "%62s\r", "")
	}
}

// interruptible stops waiting for a reader when its context ends. Such a reader
// must not be used any more.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	own := make([]byte, len(p))
	done := make(chan result, 1)
	go func() {
		n, err := i.r.Read(own)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return copy(p, own[:r.n]), r.err
	case <-i.ctx.Done():
		return 0, context.Cause(i.ctx)
	}
}
