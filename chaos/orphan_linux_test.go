package chaos

import (
	"context"
	"net"
	"os"
	"testing"
)

// TestNodesEndWithTheHarness: whoever kills a harness is left with none of its
// processes.
func TestNodesEndWithTheHarness(t *testing.T) {
	t.Parallel()
	free, err := reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	harness, err := Start(os.Args[0], nil, []string{helperEnv + "=start " + free[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer harness.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := harness.AwaitStdout(ctx, "started <nil>"); err != nil {
		t.Fatal(err)
	}
	dial := func() error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", free[0])
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	if err := dial(); err != nil {
		t.Fatal(err)
	}
	harness.Kill()
	for dial() == nil {
		if err := idle(ctx, glance); err != nil {
			t.Fatalf("its process lives on: %v", err)
		}
	}
}
