package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

var content = []byte(strings.Repeat("0123456789", 100))

// reading makes a server that breaks off after each 77 bytes.
func reading(restarts int32) *fake {
	tr := state("a", pb.Transfer_RUNNING, 1)
	tr.Progress.Restarts = restarts
	return &fake{
		transfers: map[string]*pb.Transfer{"a": tr},
		read: func(_ context.Context, offset int64, send func([]byte)) error {
			end := min(offset+77, int64(len(content)))
			send(content[offset:end])
			if end < int64(len(content)) {
				return cut()
			}
			return nil
		},
	}
}

func TestReadGoesOnWhereItBroke(t *testing.T) {
	first, second := reading(1), reading(1)
	r := connectTo(t, dead(t), serve(t, first), serve(t, second)).Read(t.Context(), "a", 5)
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, content[5:]) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if first.counted("read") == 0 || second.counted("read") == 0 {
		t.Errorf("%d streams on the first server, %d on the second", first.counted("read"), second.counted("read"))
	}
}

// What a transfer fetches after it began again may be other bytes.
func TestReadDoesNotMixContents(t *testing.T) {
	r := connectTo(t, serve(t, reading(1)), serve(t, reading(2))).Read(t.Context(), "a", 0)
	defer r.Close()
	got, err := io.ReadAll(r)
	if client.CodeOf(err) != "source.changed" || !bytes.Equal(got, content[:77]) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

// A result that became shorter than what was read of it is another one; an
// offset that was wrong from the start is said to be.
func TestReadBeyondTheEnd(t *testing.T) {
	refuse := refusal(connect.CodeOutOfRange, "offset.invalid", "beyond the end", false)
	short := reading(1)
	short.read = func(_ context.Context, offset int64, send func([]byte)) error {
		if offset > 50 {
			return refuse
		}
		send(content[offset:50])
		return nil
	}
	for _, c := range []struct {
		offset int64
		code   string
	}{{60, "offset.invalid"}, {0, "source.changed"}} {
		first := reading(1)
		if c.offset > 0 {
			first.read = short.read
		}
		r := connectTo(t, serve(t, first), serve(t, short)).Read(t.Context(), "a", c.offset)
		if _, err := io.ReadAll(r); client.CodeOf(err) != c.code {
			t.Errorf("from %d: %v, want %s", c.offset, err, c.code)
		}
		r.Close()
	}
}

// The code is retryable for a transfer, but not for who reads it.
func TestReadEndsWhenTheServerSaysSo(t *testing.T) {
	f := reading(0)
	f.read = func(_ context.Context, offset int64, send func([]byte)) error {
		send(content[offset:77])
		return refusal(connect.CodeUnavailable, "source.changed", "it began again", true)
	}
	r := connectTo(t, serve(t, f)).Read(t.Context(), "a", 0)
	defer r.Close()
	if got, err := io.ReadAll(r); client.CodeOf(err) != "source.changed" || len(got) != 77 || f.counted("read") != 1 {
		t.Errorf("read %d bytes from %d streams, %v", len(got), f.counted("read"), err)
	}
}

func TestReadFailsWithTheServersCode(t *testing.T) {
	f := &fake{read: func(context.Context, int64, func([]byte)) error {
		return refusal(connect.CodeFailedPrecondition, "result.not_ready", "nothing yet", false)
	}}
	r := connectTo(t, serve(t, f)).Read(t.Context(), "a", 0)
	for range 2 {
		if _, err := r.Read(make([]byte, 1)); client.CodeOf(err) != "result.not_ready" {
			t.Errorf("Read: %v", err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	f := reading(0)
	f.read = func(ctx context.Context, _ int64, send func([]byte)) error {
		send(content[:1])
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := connectTo(t, serve(t, f)).Read(ctx, "a", 0)
	defer r.Close()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v", err)
	}
}
