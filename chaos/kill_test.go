package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"godwit/endpoint/endpointtest"
	"godwit/storage/s3/s3test"
)

// The short runs of go test move 256 MiB; -chaos.size=1073741824 is the full
// measure.
var size = flag.Int64("chaos.size", 256<<20, "bytes of each download that is killed")

// inFlight is what one kill may cost: the parts in flight, and what lies in
// socket buffers on both sides of the connections.
const inFlight = 64<<20 + 24<<20

var binary string

func TestMain(m *testing.M) {
	if order := os.Getenv(helperEnv); order != "" {
		os.Exit(help(order))
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "godwit-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if binary = filepath.Join(folder, "godwit"); askedControls.bug != "" {
		return m.Run() // which builds another one beside
	}
	if binary, err = Build(context.Background(), folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// killed runs `godwit get` and kills it each time the origin has served a given
// share of the content, then runs it to the end.
type killed struct {
	t      *testing.T
	origin *endpointtest.Origin
	args   []string
	env    []string
}

func newKilled(t *testing.T, dest string, env ...string) *killed {
	t.Helper()
	origin := endpointtest.New(t, endpointtest.Options{Size: *size, Seed: 7})
	return &killed{
		t: t, origin: origin, env: env,
		args: []string{"get", origin.URL("/big"), dest, "--data-dir", t.TempDir(), "--no-progress"},
	}
}

// killAt starts the command and kills it when the origin has served n bytes in
// all. It reports false when the command had ended by itself before.
func (k *killed) killAt(n int64) bool {
	k.t.Helper()
	p, err := Start(binary, k.args, k.env)
	if err != nil {
		k.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(k.t.Context(), time.Minute)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- k.origin.WaitServed(ctx, n) }()
	select {
	case err := <-served:
		if err != nil {
			k.t.Fatalf("%v\n%s", err, p.Stderr())
		}
	case <-p.done:
	}
	p.Kill()
	return p.cmd.ProcessState.ExitCode() == -1
}

// finish runs the command to its end.
func (k *killed) finish() (code int, p *Process) {
	k.t.Helper()
	p, err := Start(binary, k.args, k.env)
	if err != nil {
		k.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(k.t.Context(), 2*time.Minute)
	defer cancel()
	code, err = p.Wait(ctx)
	if err != nil {
		p.Kill()
		k.t.Fatalf("%v\n%s", err, p.Stderr())
	}
	return code, p
}

func digestOf(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// judgeWaste fails when the kills cost more than the parts in flight.
func (k *killed) judgeWaste(kills int) {
	k.t.Helper()
	extra := k.origin.BytesServed() - *size
	k.t.Logf("%d kills: %d bytes served beyond the content, %.1f MiB a kill", kills, extra, float64(extra)/float64(kills)/(1<<20))
	if extra > int64(kills)*inFlight {
		k.t.Errorf("the origin served %d bytes beyond the content, %d are allowed", extra, int64(kills)*inFlight)
	}
}

func TestKillGetToFile(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "big")
	k := newKilled(t, dest)
	kills := 0
	for _, percent := range []int64{5, 50, 95} {
		if k.killAt(*size * percent / 100) {
			kills++
		}
		if _, err := os.Stat(dest); err == nil && percent < 95 {
			t.Fatal("the destination exists before the content is whole")
		}
	}
	if code, p := k.finish(); code != 0 {
		t.Fatalf("exit %d\n%s", code, p.Stderr())
	}
	f, err := os.Open(dest)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := digestOf(t, f); got != k.origin.SHA256() {
		t.Errorf("sha256 %s, want %s", got, k.origin.SHA256())
	}
	if kills < 2 {
		t.Errorf("only %d kills met a running download", kills)
	}
	k.judgeWaste(kills)
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dest), ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestKillGetToS3(t *testing.T) {
	fake := s3test.NewFake(t)
	k := newKilled(t, "s3://results/big", "AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s", "AWS_ENDPOINT_URL="+fake.Endpoint)
	k.toS3()
	body := fake.Objects()["results/big"]
	if got := digestOf(t, strings.NewReader(string(body))); got != k.origin.SHA256() {
		t.Errorf("sha256 %s of %d bytes, want %s", got, len(body), k.origin.SHA256())
	}
	if left := fake.Uploads(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestKillGetToVersity is the same against a server that nobody here wrote.
func TestKillGetToVersity(t *testing.T) {
	server := s3test.StartVersity(t)
	bucket := server.Bucket(t, "results")
	k := newKilled(t, "s3://"+bucket+"/big",
		"AWS_ACCESS_KEY_ID="+s3test.AccessKey, "AWS_SECRET_ACCESS_KEY="+s3test.SecretKey, "AWS_ENDPOINT_URL="+server.Endpoint)
	k.toS3()
	f, err := os.Open(filepath.Join(server.Dir, bucket, "big"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := digestOf(t, f); got != k.origin.SHA256() {
		t.Errorf("sha256 %s, want %s", got, k.origin.SHA256())
	}
	if left := server.Uploads(t, bucket); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// toS3 kills a download to S3 three times and finishes it.
func (k *killed) toS3() {
	t := k.t
	t.Helper()
	kills := 0
	for _, percent := range []int64{5, 50, 95} {
		if k.killAt(*size * percent / 100) {
			kills++
		}
	}
	if code, p := k.finish(); code != 0 {
		t.Fatalf("exit %d\n%s", code, p.Stderr())
	}
	if kills < 2 {
		t.Errorf("only %d kills met a running download", kills)
	}
	k.judgeWaste(kills)
}

// TestKillAndChange changes the content at the moment of the kill: same length,
// new ETag. The result must be the new content, whole.
func TestKillAndChange(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "big")
	k := newKilled(t, dest)
	if !k.killAt(*size / 2) {
		t.Fatal("the download ended before it was killed")
	}
	k.origin.Change()
	if code, p := k.finish(); code != 0 {
		t.Fatalf("exit %d\n%s", code, p.Stderr())
	}
	f, err := os.Open(dest)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := k.origin.Content().Verify(f); err != nil {
		t.Error(err)
	}
}
