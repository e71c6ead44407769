package deploy_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// patience bounds what a test waits for; nothing is measured.
const patience = 2 * time.Minute

// look is how often is asked again.
const look = 100 * time.Millisecond

// needEngine skips a test that starts containers: where that was not asked for,
// and where there is nothing to start them with.
func needEngine(t *testing.T) {
	t.Helper()
	if os.Getenv("GODWIT_TEST_DOCKER") == "" {
		t.Skip("it builds images and starts containers: ask for it with GODWIT_TEST_DOCKER=1")
	}
	if out, err := exec.Command("docker", "version").CombinedOutput(); err != nil {
		t.Skipf("no Docker engine answers: apt-get install docker.io (%s)", lastLine(out))
	}
	if composeCommand() == nil {
		t.Skip("Compose is not installed: apt-get install docker-compose")
	}
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// composeCommand is Compose as a plugin or as a program of its own, or nil.
func composeCommand() []string {
	for _, command := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if exec.Command(command[0], append(command[1:], "version")...).Run() == nil {
			return command
		}
	}
	return nil
}

// await asks until the answer is yes.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("%s: still waiting after %s", what, patience)
		}
	}
}

// freePort is one that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// docker runs the client and returns what it prints on standard output.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := tryDocker(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryDocker(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, said.String())
	}
	return strings.TrimSpace(string(out)), err
}

// image builds one of the images, and leaves it: layers and compiled packages are
// used again.
func image(t *testing.T, kind string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "./image.sh", kind)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("image.sh %s: %v\n%s", kind, err, out)
	}
}
