// Package deploy_test runs the scripts of this folder.
package deploy_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// local is the script with a folder and ports of its own.
type local struct {
	program, home string
	port          int
}

func (l local) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{"local.sh"}, args...)...)
	cmd.Env = append(os.Environ(), "GODWIT="+l.program, "GODWIT_LOCAL="+l.home, fmt.Sprintf("PORT=%d", l.port))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("local.sh %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// call is a command of a client, with what the script has written for one.
func (l local) call(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "bash", "-c", `. "$1"; shift; eval "$@"`, "call", filepath.Join(l.home, "env"),
		l.program+" "+command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

func TestLocal(t *testing.T) {
	for _, tool := range []string{"bash", "ps", "seq", "nohup"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: apt-get install bash procps coreutils", tool)
		}
	}
	program := filepath.Join(t.TempDir(), "godwit")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/godwit").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	content := make([]byte, 1<<20)
	_, _ = rand.Read(content)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(content))
	}))
	defer origin.Close()
	for i, flags := range [][]string{nil, {"--tls"}} {
		t.Run(strings.Join(append([]string{"up"}, flags...), " "), func(t *testing.T) {
			l := local{program: program, home: filepath.Join(t.TempDir(), "local"), port: 20000 + os.Getpid()%100*100 + 10000*i/2}
			defer func() {
				// The nodes outlive the test when it fails.
				cleaning := exec.CommandContext(context.WithoutCancel(t.Context()), "bash", "local.sh", "clean")
				cleaning.Env = append(os.Environ(), "GODWIT_LOCAL="+l.home)
				_ = cleaning.Run()
			}()
			try(t, l, flags, origin.URL, content)
		})
	}
}

func try(t *testing.T, l local, flags []string, origin string, content []byte) {
	l.run(t, append([]string{"up"}, flags...)...)
	scheme := "http://"
	if len(flags) > 0 {
		scheme = "https://"
	}
	env, err := os.ReadFile(filepath.Join(l.home, "env"))
	if err != nil || strings.Count(string(env), scheme) != 3 {
		t.Errorf("%v: %s", err, env)
	}
	l.run(t, "kill", "n2")
	if out := l.run(t, "status"); !strings.Contains(out, "n2 does not run") || !strings.Contains(out, "n3 runs") {
		t.Errorf("after the kill:\n%s", out)
	}
	l.call(t, fmt.Sprintf("get %s/a file://%s/files/a -q", origin, l.home))
	got, err := os.ReadFile(filepath.Join(l.home, "files", "a"))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("the result has %d bytes, %v", len(got), err)
	}
	// The second time it starts what is missing, as it was.
	if out := l.run(t, "up"); strings.Count(out, "ALIVE") != 3 {
		t.Errorf("started again:\n%s", out)
	}
	l.run(t, "stop", "n1")
	l.run(t, "clean")
	if _, err := os.Stat(l.home); !os.IsNotExist(err) {
		t.Errorf("something was left: %v", err)
	}
}
