package deploy_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"godwit/client"
	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

var nodeNames = []string{"node1", "node2", "node3"}

// project is a running copy of compose.yaml.
type project struct {
	name    string
	command []string
	env     []string
	servers []string
	client  *client.Client
}

// up starts three nodes under a name of their own, and takes everything away
// again at the end of the test.
func up(t *testing.T, settings ...string) *project {
	t.Helper()
	p := &project{name: fmt.Sprintf("godwit-test-%d-%s", os.Getpid(), strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")))}
	p.command = append(composeCommand(), "-p", p.name)
	for i := 0; i < len(settings); i++ {
		if name, ok := strings.CutPrefix(settings[i], "--env-file="); ok {
			p.command = append(p.command, "--env-file", name)
		} else {
			p.env = append(p.env, settings[i])
		}
	}
	p.command = append(p.command, "-f", "compose.yaml")
	for i := range nodeNames {
		port := freePort(t)
		p.env = append(p.env, fmt.Sprintf("NODE%d_PORT=%s", i+1, port))
		p.servers = append(p.servers, "http://127.0.0.1:"+port)
	}
	var err error
	if p.client, err = client.New(client.Config{Servers: p.servers, RepeatFor: patience}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.down(t) })
	p.compose(t, "config", "-q")
	p.compose(t, "--profile", "s3", "--profile", "monitoring", "config", "-q")
	p.compose(t, "up", "-d")
	for _, name := range nodeNames {
		p.awaitHealthy(t, name)
	}
	return p
}

func (p *project) down(t *testing.T) {
	if t.Failed() {
		for _, name := range nodeNames {
			t.Logf("the end of the log of %s:\n%s", name, tail(p.log(context.Background(), name), 20))
		}
	}
	// The test's own context has ended.
	if out, err := p.run(context.Background(), "down", "-v", "-t", "40", "--remove-orphans"); err != nil {
		t.Errorf("compose down: %v\n%s", err, out)
	}
	left, err := exec.Command("docker", "ps", "-aq", "--filter", "label=com.docker.compose.project="+p.name).Output()
	if err != nil || len(left) > 0 {
		t.Errorf("containers are left: %s, %v", left, err)
	}
}

func tail(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(len(lines)-n, 0):], "")
}

func (p *project) run(ctx context.Context, args ...string) (string, error) {
	all := append(p.command[1:len(p.command):len(p.command)], args...)
	cmd := exec.CommandContext(ctx, p.command[0], all...)
	cmd.Env = append(os.Environ(), p.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (p *project) compose(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.run(t.Context(), args...)
	if err != nil {
		t.Fatalf("compose %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// container is the id of a service's one, running or not.
func (p *project) container(t *testing.T, service string) string {
	t.Helper()
	id := docker(t, "ps", "-aq", "--filter", "label=com.docker.compose.project="+p.name, "--filter", "label=com.docker.compose.service="+service)
	if id == "" || strings.Contains(id, "\n") {
		t.Fatalf("containers of %s: %q", service, id)
	}
	return id
}

func (p *project) inspect(t *testing.T, service, format string) string {
	t.Helper()
	return docker(t, "inspect", "--format", format, p.container(t, service))
}

func (p *project) awaitHealthy(t *testing.T, service string) {
	t.Helper()
	await(t, service+" becomes healthy", func() bool {
		return p.inspect(t, service, "{{.State.Health.Status}}") == "healthy"
	})
}

func (p *project) log(ctx context.Context, service string) string {
	out, err := p.run(ctx, "logs", "--no-color", service)
	if err != nil {
		return err.Error()
	}
	return out
}

// slowOrigin is this process: containers reach it as host.docker.internal. One
// connection takes half a minute, so that there is time to kill.
func slowOrigin(t *testing.T) *endpointtest.Origin {
	t.Helper()
	return endpointtest.New(t, endpointtest.Options{
		Addr: "0.0.0.0:0", Seed: 6, Size: 64 << 20, Behavior: endpointtest.Behavior{Rate: 1 << 20},
	})
}

func seenByContainers(origin *endpointtest.Origin, path string) string {
	_, port, _ := net.SplitHostPort(origin.Addr())
	return "http://" + net.JoinHostPort("host.docker.internal", port) + path
}

// handOver downloads from a slow origin, kills the container that does it
// mid-way, and wants the other ones to bring the whole content.
func handOver(t *testing.T, p *project, destination string) {
	origin := slowOrigin(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	op, err := p.client.Download(ctx, &pb.Transfer{
		Id: "big", Source: &pb.Endpoint{Url: seenByContainers(origin, "/big")}, Destination: &pb.Endpoint{Url: destination},
		Digest: "sha256",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := origin.WaitServed(ctx, 16<<20); err != nil {
		t.Fatal(err)
	}
	var owner string
	await(t, "the transfer runs", func() bool {
		got, err := p.client.Get(ctx, "big")
		if err != nil {
			t.Fatal(err)
		}
		owner = got.GetOwner().GetNode()
		if got.GetStatus() == pb.Transfer_COMPLETED {
			t.Fatal("it ended before anything could be killed")
		}
		return got.GetStatus() == pb.Transfer_RUNNING && slices.Contains(nodeNames, owner)
	})
	p.compose(t, "kill", owner)
	ended, err := op.Wait(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if by := ended.GetOwner().GetNode(); by == owner || ended.GetOwner().GetEpoch() < 1 {
		t.Errorf("%s was killed, and %s completed the transfer", owner, by)
	}
	if got := ended.GetChecksums().GetSha256(); got != origin.SHA256() {
		t.Errorf("SHA-256 %s, want %s", got, origin.SHA256())
	}
	content := sha256.New()
	result := p.client.Read(ctx, "big", 0)
	defer result.Close()
	if _, err := io.Copy(content, result); err != nil || hex.EncodeToString(content.Sum(nil)) != origin.SHA256() {
		t.Errorf("the result is not the content: %v", err)
	}
	if served := origin.PathBytes("/big"); served > 64<<20+64<<20 {
		t.Errorf("%d bytes were served for 64 MiB: what was there was fetched again", served)
	}
	t.Logf("%s was killed, %s completed the transfer; %d MiB of 64 were served", owner, ended.GetOwner().GetNode(), origin.PathBytes("/big")>>20)
	p.compose(t, "start", owner)
	p.awaitHealthy(t, owner)
}

// contained looks at what the engine holds the nodes to.
func contained(t *testing.T, p *project) {
	for _, name := range nodeNames {
		if got := p.inspect(t, name, "{{.HostConfig.ReadonlyRootfs}} {{.Config.User}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}"); got != "true 65532:65532 [ALL] [no-new-privileges:true]" {
			t.Errorf("%s: %s", name, got)
		}
	}
	id := p.container(t, nodeNames[0])
	if _, err := tryDocker(t, "exec", id, "godwit", "certs", "init", "/elsewhere"); err == nil || !strings.Contains(err.Error(), "read-only file system") {
		t.Errorf("a write outside of the volumes: %v", err)
	}
	if out := docker(t, "exec", id, "godwit", "health", "-o", "json"); strings.Count(out, `"ready": true`) != len(nodeNames) {
		t.Errorf("health: %s", out)
	}
}

// drained stops the nodes as a machine that is switched off does.
func drained(t *testing.T, p *project) {
	for _, name := range nodeNames {
		docker(t, "stop", "-t", "40", p.container(t, name))
		if code := p.inspect(t, name, "{{.State.ExitCode}}"); code != "0" {
			t.Errorf("%s ended with %s", name, code)
		}
	}
}

// complaints looks for lines that no kill explains. What the gossip library says of
// others that do not answer is explained; a node that is up before its S3 server
// gives up, and is started again.
func complaints(log string) []string {
	var found []string
	for line := range strings.Lines(log) {
		ours := strings.Contains(line, `"level":"ERROR"`) && !strings.Contains(line, `"msg":"gossip"`)
		if strings.Contains(line, "godwit: ") && strings.Contains(line, "[store.unavailable]") {
			continue
		}
		if ours || strings.Contains(line, "panic:") || strings.Contains(line, "fatal error:") || strings.Contains(line, "godwit: ") {
			found = append(found, line)
		}
	}
	return found
}

func tour(t *testing.T, p *project, destination string) {
	handOver(t, p, destination)
	contained(t, p)
	drained(t, p)
	for _, name := range nodeNames {
		if found := complaints(p.log(t.Context(), name)); found != nil {
			t.Errorf("%s complains:\n%s", name, strings.Join(found, ""))
		}
	}
}

func TestContainers(t *testing.T) {
	needEngine(t)
	image(t, "godwit")
	t.Run("folder", func(t *testing.T) {
		tour(t, up(t), "file:///shared/files/big")
	})
	t.Run("s3", func(t *testing.T) {
		image(t, "s3")
		tour(t, up(t, "--env-file=s3.env", "S3_IMAGE=godwit-s3:local"), "s3://godwit-results/big")
	})
}
