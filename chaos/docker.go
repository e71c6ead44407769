package chaos

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// ErrNoEngine tells why nodes cannot run in containers on this machine.
var ErrNoEngine = errors.New("no Docker engine answers")

// dockerLabel marks all that a driver makes, with its name.
const dockerLabel = "godwit.chaos"

// Docker runs each node as a container of its own, with an address of its own on
// a network of their own. The image is the binary and nothing else, so that nothing
// is pulled. The harness and its origins are at the gateway of the network. Its
// methods are safe for concurrent use.
type Docker struct {
	// name is that of the network, and begins those of containers and images.
	name string
	// subnet is the first three numbers of all addresses.
	subnet string
	// folder is where nodes work, which containers see under the same path.
	folder string

	mu     sync.Mutex        // guards what follows
	images map[string]string // by the path of their binary
}

// NewDocker makes a network for containers that work in a folder. The error is
// ErrNoEngine where none answers. The caller closes it.
func NewDocker(ctx context.Context, folder string) (*Docker, error) {
	if _, err := engine(ctx, "version", "--format", "{{.Server.Version}}"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoEngine, err)
	}
	var last error
	for range 5 { // another one may have the subnet
		number, err := rand.Int(rand.Reader, big.NewInt(200))
		if err != nil {
			return nil, fmt.Errorf("make a network: %w", err)
		}
		d := &Docker{
			name: fmt.Sprintf("godwit-chaos-%d-%d", os.Getpid(), number), subnet: fmt.Sprintf("10.84.%d", number.Int64()+20),
			folder: folder, images: map[string]string{},
		}
		_, last = engine(ctx, "network", "create", "--label", dockerLabel+"="+d.name, "--subnet", d.subnet+".0/24", "--gateway", d.Host(), d.name)
		if last == nil {
			return d, nil
		}
	}
	return nil, last
}

// Close removes containers, images and network.
func (d *Docker) Close() {
	ctx := context.Background() // also after an interrupt
	label := "label=" + dockerLabel + "=" + d.name
	if ids, err := engine(ctx, "ps", "-aq", "--filter", label); err == nil && ids != "" {
		_, _ = engine(ctx, append([]string{"rm", "-f", "-v"}, strings.Fields(ids)...)...)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, image := range d.images {
		_, _ = engine(ctx, "rmi", "-f", image)
	}
	_, _ = engine(ctx, "network", "rm", d.name)
}

// Host implements [Driver].
func (d *Docker) Host() string { return d.subnet + ".1" }

// Addresses implements [Driver].
func (d *Docker) Addresses(number int) (api, remote, gossip string, err error) {
	a := d.address(number)
	return a + ":" + networkAPI, a + ":" + networkRemote, a + ":" + networkGossip, nil
}

func (d *Docker) address(number int) string   { return fmt.Sprintf("%s.%d", d.subnet, 10+number) }
func (d *Docker) container(number int) string { return fmt.Sprintf("%s-n%d", d.name, number) }

// Args implements [Driver].
func (d *Docker) Args() []string {
	return []string{"--insecure", "--egress-allow", d.subnet + ".0/24"}
}

// Launch implements [Driver]. The log is written by the client of the engine, which
// lives as long as the container.
func (d *Docker) Launch(number int, log *os.File, command, env []string) (Running, error) {
	image, err := d.image(context.Background(), command[0])
	if err != nil {
		return nil, err
	}
	args := []string{
		"run", "--rm", "--name", d.container(number), "--hostname", fmt.Sprintf("n%d", number), "--label", dockerLabel + "=" + d.name,
		"--network", d.name, "--ip", d.address(number), "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--user", fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()), "--volume", d.folder + ":" + d.folder,
	}
	for _, variable := range env {
		args = append(args, "--env", variable)
	}
	args = append(append(args, image), command[1:]...)
	client, err := StartTo(log, "docker", args, nil)
	if err != nil {
		return nil, err
	}
	return &container{name: d.container(number), client: client}, nil
}

// image packs a binary, once.
func (d *Docker) image(ctx context.Context, binary string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if image, ok := d.images[binary]; ok {
		return image, nil
	}
	image := fmt.Sprintf("%s:%d", d.name, len(d.images)+1)
	build, err := os.MkdirTemp("", "godwit-image-")
	if err != nil {
		return "", fmt.Errorf("pack %s: %w", binary, err)
	}
	defer func() { _ = os.RemoveAll(build) }()
	if err := copyFile(filepath.Join(build, "godwit"), binary, 0o755); err != nil {
		return "", fmt.Errorf("pack %s: %w", binary, err)
	}
	text := "FROM scratch\nCOPY godwit /godwit\nENTRYPOINT [\"/godwit\"]\n"
	if err := os.WriteFile(filepath.Join(build, "Dockerfile"), []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("pack %s: %w", binary, err)
	}
	if _, err := engine(ctx, "build", "--quiet", "--label", dockerLabel+"="+d.name, "--tag", image, build); err != nil {
		return "", err
	}
	d.images[binary] = image
	return image, nil
}

// Unplug takes a running node off its network, from the harness too; what it
// returns plugs it in again.
func (d *Docker) Unplug(ctx context.Context, number int) (heal func(context.Context) error, err error) {
	if _, err := engine(ctx, "network", "disconnect", d.name, d.container(number)); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := engine(ctx, "network", "connect", "--ip", d.address(number), d.name, d.container(number))
		return err
	}, nil
}

// engine runs a command of the engine's client and returns what it prints.
func engine(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// container is one life of a node; client runs it in the foreground.
type container struct {
	name   string
	client *Process
}

// killedCode is the exit code of a container that SIGKILL ended.
const killedCode = 128 + int(syscall.SIGKILL)

// Kill implements [Running]. The container may not have begun yet, or be paused,
// so it is asked for until it has ended.
func (c *container) Kill() {
	for !c.client.Ended() {
		ctx, cancel := context.WithTimeout(context.Background(), 50*glance)
		_, _ = engine(ctx, "kill", "--signal", "KILL", c.name)
		_, _ = c.client.Wait(ctx)
		cancel()
	}
}

// Signal implements [Running]. What holds it is the engine's pause, which stops
// all of it at once.
func (c *container) Signal(sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("signal %s: the system has no such signal", c.name)
	}
	args := []string{"kill", "--signal", strconv.Itoa(int(number)), c.name}
	switch number {
	case syscall.SIGSTOP:
		args = []string{"pause", c.name}
	case syscall.SIGCONT:
		args = []string{"unpause", c.name}
	}
	_, err := engine(context.Background(), args...)
	return err
}

// Wait implements [Running].
func (c *container) Wait(ctx context.Context) (int, error) {
	code, err := c.client.Wait(ctx)
	if code == killedCode {
		code = -1
	}
	return code, err
}

// Ended implements [Running].
func (c *container) Ended() bool { return c.client.Ended() }

// Pid implements [Running]: that of its first process, 0 when it does not run.
func (c *container) Pid() int {
	text, err := engine(context.Background(), "inspect", "--format", "{{.State.Pid}}", c.name)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(text)
	return pid
}
