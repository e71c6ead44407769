package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"godwit/endpoint/endpointtest"
	"godwit/storage/s3/s3test"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"godwit": main})
}

// TestScript runs the command as a process. $API is a server with a few
// transfers in all states and a few nodes, $DEAD the address of none, $ORIGIN a web server with
// the same content of 32 MiB under every path, $SHA256 its digest.
func TestScript(t *testing.T) {
	runScripts(t, "testdata/script", nil)
}

// TestScriptS3 has a real store besides, whose buckets are folders of $BUCKETS.
func TestScriptS3(t *testing.T) {
	store := s3test.StartVersity(t)
	store.Bucket(t, "results")
	runScripts(t, "testdata/s3", map[string]string{
		"AWS_ENDPOINT_URL_S3": store.Endpoint, "AWS_REGION": "us-east-1", "BUCKETS": store.Dir,
		"AWS_ACCESS_KEY_ID": s3test.AccessKey, "AWS_SECRET_ACCESS_KEY": s3test.SecretKey,
	})
}

func runScripts(t *testing.T, dir string, variables map[string]string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit": exitStatus, "origin": commandOrigin, "same": sameContent, "serve": serveInBackground, "sink": commandSink, "halt": stopServer, "draining": waitForDrain, "free": freeAddresses, "until": untilPrinted, "mode": fileMode, "age": ageFiles,
		},
		Setup: func(env *testscript.Env) error {
			for name, value := range variables {
				env.Setenv(name, value)
			}
			return setUp(env)
		},
	})
}

func setUp(env *testscript.Env) error {
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("XDG_DATA_HOME", "")
	if err := os.Mkdir(filepath.Join(env.WorkDir, "home"), 0o700); err != nil {
		return err
	}
	nodes := newScriptNodes()
	api, stop := scriptAPI(nodes)
	env.Defer(stop)
	env.Values[nodesKey{}] = nodes
	origin, err := endpointtest.Start(endpointtest.Options{Seed: 1, Size: originSize})
	if err != nil {
		return err
	}
	env.Defer(origin.Close)
	env.Values[originKey{}] = origin
	env.Values[serversKey{}] = map[string]*background{}
	startSink(env)
	env.Setenv("ORIGIN", origin.URL(""))
	env.Setenv("SHA256", origin.SHA256())
	env.Setenv("API", api)
	env.Setenv("DEAD", "http://127.0.0.1:1")
	return nil
}

const originSize = 32 << 20

// patience bounds what a script waits for.
const patience = time.Minute

type (
	nodesKey   struct{}
	originKey  struct{}
	serversKey struct{}
)

// exitStatus runs a program and compares its exit code: exit CODE PROGRAM ARG...
func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE PROGRAM [ARG...]")
	}
	code := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exited, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = strconv.Itoa(exited.ExitCode())
	}
	if code != args[0] {
		ts.Fatalf("exit %s, want %s", code, args[0])
	}
}

// background is a server that was started by serve.
type background struct {
	cmd  *exec.Cmd
	log  *bytes.Buffer
	once sync.Once
	err  error
}

// stop asks it to end and returns how it did.
func (b *background) stop() error {
	b.once.Do(func() {
		if b.err = b.cmd.Process.Signal(syscall.SIGTERM); b.err == nil {
			b.err = b.cmd.Wait()
		}
	})
	return b.err
}

// stopServer ends what serve started and wants it to end well: halt VARIABLE.
func stopServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: halt VARIABLE")
	}
	ts.Check(ts.Value(serversKey{}).(map[string]*background)[args[0]].stop())
}

// commandOrigin makes the origin behave, or waits for it:
//
//	origin rate SIZE        bytes a second for each connection
//	origin reset            forget what was served
//	origin well             no faults from now on
//	origin status N         answer N
//	origin served SIZE      wait until so many bytes were served
func commandOrigin(ts *testscript.TestScript, neg bool, args []string) {
	origin := ts.Value(originKey{}).(*endpointtest.Origin)
	size := func() int64 {
		n, err := parseBytes(args[1])
		ts.Check(err)
		return n
	}
	switch {
	case neg || len(args) == 0:
		ts.Fatalf("usage: origin WORD [ARG...]")
	case args[0] == "well":
		origin.Set(func(b *endpointtest.Behavior) { *b = endpointtest.Behavior{} })
	case args[0] == "rate":
		origin.Set(func(b *endpointtest.Behavior) { *b = endpointtest.Behavior{Rate: size()} })
	case args[0] == "reset":
		origin.ResetLedger()
	case args[0] == "status":
		origin.Set(func(b *endpointtest.Behavior) {
			*b = endpointtest.Behavior{Status: int(size()), StatusTimes: endpointtest.Always}
		})
	case args[0] == "served":
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		ts.Check(origin.WaitServed(ctx, size()))
	default:
		ts.Fatalf("origin: %q?", args[0])
	}
}

// sameContent compares files with the origin's content: same FILE...
func sameContent(ts *testscript.TestScript, neg bool, files []string) {
	want := ts.Value(originKey{}).(*endpointtest.Origin).SHA256()
	for _, file := range files {
		content, err := os.ReadFile(ts.MkAbs(file))
		ts.Check(err)
		if got := fmt.Sprintf("%x", sha256.Sum256(content)); (got == want) == neg {
			ts.Fatalf("%s has %d bytes with SHA-256 %s", file, len(content), got)
		}
	}
}

// serveInBackground runs godwit serve until the script ends, and sets a variable
// to the address it prints: serve VARIABLE ARG...
func serveInBackground(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: serve VARIABLE [ARG...]")
	}
	program, err := exec.LookPath("godwit")
	ts.Check(err)
	cmd := exec.Command(program, append([]string{"serve", "--api-addr", "127.0.0.1:0", "--remote-addr", "127.0.0.1:0", "--gossip-addr", "127.0.0.1:0"}, args[1:]...)...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_STATE_HOME=")
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	server := &background{cmd: cmd, log: &log}
	running := ts.Value(serversKey{}).(map[string]*background)
	running[args[0]] = server
	ts.Defer(func() { ts.Logf("serve: %v\n%s", server.stop(), log.String()) })
	address, err := bufio.NewReader(out).ReadString('\n')
	ts.Check(err)
	ts.Setenv(args[0], strings.TrimSpace(address))
}
