package node

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"connectrpc.com/connect"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

// startHost runs another process that serves the data dir.
func startHost(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), hostDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	return cmd
}

func TestTakeoverFromAKilledProcess(t *testing.T) {
	const size = 96 << 20
	origin := endpointtest.New(t, endpointtest.Options{Seed: 4, Size: size, Behavior: endpointtest.Behavior{Rate: 16 << 20}})
	dir, dest := t.TempDir(), filepath.Join(t.TempDir(), "f")
	other := startHost(t, dir)
	ours := attach(t, dir)
	_, err := attached(ours).CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{
		Transfer: &pb.Transfer{Id: "t1", Source: &pb.Endpoint{Url: origin.URL("/f")}, Destination: &pb.Endpoint{Url: "file://" + dest}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := origin.WaitServed(t.Context(), size/2); err != nil {
		t.Fatal(err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ours.Closed()
	origin.Set(func(b *endpointtest.Behavior) { b.Rate = 0 })
	next := attach(t, dir)
	got := await(t, attached(next))
	if got.GetStatus() != pb.Transfer_COMPLETED {
		t.Fatalf("%v", got)
	}
	checkContent(t, dest, origin)
	// What was in flight is fetched again, and no more. (What the origin has sent
	// says less: it fills the buffers of connections that are closed.)
	if received := got.GetProgress().GetBytesOnWire(); received > size+64<<20 {
		t.Errorf("received %d bytes of a file of %d", received, size)
	}
}
