package client_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"connectrpc.com/connect"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

func TestSpoolSendsEverything(t *testing.T) {
	for _, size := range []int{0, 1, 256 << 10, 256<<10 + 1, 1 << 20} {
		content := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		f := &fake{spool: func(got []byte) (*pb.SpoolSourceResponse, error) {
			if !bytes.Equal(got, content) {
				t.Errorf("%d bytes arrived of %d", len(got), size)
			}
			return &pb.SpoolSourceResponse{Url: "file:///spool/x", Size: int64(len(got))}, nil
		}}
		url, n, err := connectTo(t, dead(t), serve(t, f)).Spool(t.Context(), iotest.HalfReader(bytes.NewReader(content)))
		if err != nil || url != "file:///spool/x" || n != int64(size) || f.counted("spool") != 1 {
			t.Errorf("%d bytes: %q, %d (%v) in %d calls", size, url, n, err, f.counted("spool"))
		}
	}
}

func TestSpoolKeepsNothingOfASourceThatFails(t *testing.T) {
	f := &fake{}
	broken := errors.New("broken")
	source := io.MultiReader(strings.NewReader(strings.Repeat("x", 300<<10)), iotest.ErrReader(broken))
	_, _, err := connectTo(t, serve(t, f)).Spool(t.Context(), source)
	if client.CodeOf(err) != client.CodeInvalid || !errors.Is(err, broken) {
		t.Errorf("it fails with %v", err)
	}
}

func TestSpoolRepeatsOnlyWhatItHas(t *testing.T) {
	for size, calls := range map[int]int{1000: 2, 1 << 20: 1} {
		f := &fake{}
		f.spool = func(got []byte) (*pb.SpoolSourceResponse, error) {
			if f.counted("spool") == 1 {
				return nil, refusal(connect.CodeUnavailable, "server.stopping", "stopping", true)
			}
			return &pb.SpoolSourceResponse{Url: "u", Size: int64(len(got))}, nil
		}
		_, n, err := connectTo(t, serve(t, f)).Spool(t.Context(), strings.NewReader(strings.Repeat("x", size)))
		if calls == 2 && (err != nil || n != int64(size)) || calls == 1 && client.CodeOf(err) != "server.stopping" || f.counted("spool") != calls {
			t.Errorf("%d bytes: %d (%v) in %d calls", size, n, err, f.counted("spool"))
		}
	}
}
