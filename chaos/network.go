package chaos

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
)

// ErrNoNetwork tells why nodes cannot be held apart on this machine.
var ErrNoNetwork = errors.New("nodes cannot be held apart here")

// Ports of nodes that have an address of their own.
const (
	networkAPI    = "7480"
	networkRemote = "7481"
	networkGossip = "7482"
)

// Network is a network namespace for each node, with an address of its own,
// and one more with the bridge between them: there, no rule of the machine's
// firewall is in the way. The harness and its origins are at the gateway.
type Network struct {
	// name is that of the gateway's interface; those of namespaces begin with it.
	name string
	// subnet is the first three numbers of all addresses.
	subnet string
	nodes  int
	// filter is the program that drops packets, nft or iptables.
	filter string

	mu     sync.Mutex // guards what follows
	serial int
	// rules say by node which packets that arrive are dropped, by a number that is
	// given once.
	rules map[int]map[int]rule
	// slow are the limits of what nodes send, in bytes a second.
	slow map[int]map[int]int64
}

// rule drops packets: from an address, of a port if there is one, so many
// percent.
type rule struct {
	from, port string
	percent    int
}

// NewNetwork makes a network for so many nodes. The error is ErrNoNetwork
// where that needs rights or programs that are missing. The caller closes it.
func NewNetwork(ctx context.Context, nodes int) (*Network, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: only root makes network namespaces", ErrNoNetwork)
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return nil, fmt.Errorf("%w: there is no ip command (iproute2)", ErrNoNetwork)
	}
	n := &Network{nodes: nodes, rules: map[int]map[int]rule{}, slow: map[int]map[int]int64{}}
	for _, program := range []string{"nft", "iptables"} {
		if _, err := exec.LookPath(program); err == nil && n.filter == "" {
			n.filter = program
		}
	}
	if n.filter == "" {
		return nil, fmt.Errorf("%w: there is neither nft nor iptables", ErrNoNetwork)
	}
	number, err := rand.Int(rand.Reader, big.NewInt(200))
	if err != nil {
		return nil, fmt.Errorf("make a network: %w", err)
	}
	n.name = fmt.Sprintf("gwc%d", number)
	n.subnet = fmt.Sprintf("10.83.%d", number.Int64()+20)
	if err := n.build(ctx); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func (n *Network) build(ctx context.Context) error {
	// The first command tells whether the system allows any of it.
	if err := command(ctx, "ip", "netns", "add", n.hub()); err != nil {
		return fmt.Errorf("%w: %w", ErrNoNetwork, err)
	}
	lines := []string{
		"ip -n " + n.hub() + " link add bridge type bridge",
		"ip -n " + n.hub() + " link set bridge up",
		"ip link add " + n.name + " type veth peer name gateway netns " + n.hub(),
		"ip -n " + n.hub() + " link set gateway master bridge up",
		"ip addr add " + n.Gateway() + "/24 dev " + n.name,
		"ip link set " + n.name + " up",
	}
	for i := 1; i <= n.nodes; i++ {
		ns, port := n.namespace(i), fmt.Sprintf("port%d", i)
		lines = append(lines,
			"ip netns add "+ns,
			"ip -n "+ns+" link add uplink type veth peer name "+port+" netns "+n.hub(),
			"ip -n "+n.hub()+" link set "+port+" master bridge up",
			"ip -n "+ns+" addr add "+n.address(i)+"/24 dev uplink",
			"ip -n "+ns+" link set uplink up",
			"ip -n "+ns+" link set lo up",
		)
		if n.filter == "nft" {
			lines = append(lines,
				"ip netns exec "+ns+" nft add table ip chaos",
				"ip netns exec "+ns+" nft add chain ip chaos deaf { type filter hook input priority 0 ; }")
		}
	}
	for _, line := range lines {
		if err := command(ctx, strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}

func (n *Network) hub() string                 { return n.name + "hub" }
func (n *Network) namespace(number int) string { return fmt.Sprintf("%sn%d", n.name, number) }
func (n *Network) address(number int) string   { return fmt.Sprintf("%s.%d", n.subnet, 10+number) }
func (n *Network) command(number int) []string {
	return []string{"ip", "netns", "exec", n.namespace(number)}
}
func (n *Network) port(number int, p string) string { return n.address(number) + ":" + p }

// Addresses implements [Driver].
func (n *Network) Addresses(number int) (api, remote, gossip string, err error) {
	if number > n.nodes {
		return "", "", "", fmt.Errorf("the network has room for %d nodes", n.nodes)
	}
	return n.port(number, networkAPI), n.port(number, networkRemote), n.port(number, networkGossip), nil
}

// Args implements [Driver].
func (n *Network) Args() []string { return []string{"--insecure", "--egress-allow", n.Prefix()} }

// Launch implements [Driver].
func (n *Network) Launch(number int, log *os.File, line, env []string) (Running, error) {
	line = append(n.command(number), line...)
	return StartTo(log, line[0], line[1:], env)
}

// Host implements [Driver].
func (n *Network) Host() string { return n.Gateway() }

// Gateway is the harness's own address, which all nodes reach.
func (n *Network) Gateway() string { return n.subnet + ".1" }

// Prefix holds all addresses.
func (n *Network) Prefix() string { return n.subnet + ".0/24" }

// Cut implements [Links].
func (n *Network) Cut(ctx context.Context, from, to int) (func(context.Context) error, error) {
	return n.drop(ctx, to, rule{from: n.address(from), percent: 100})
}

// CutHost implements [Links].
func (n *Network) CutHost(ctx context.Context, port string, to int) (func(context.Context) error, error) {
	return n.drop(ctx, to, rule{from: n.Gateway(), port: port, percent: 100})
}

// Lose implements [Links].
func (n *Network) Lose(ctx context.Context, percent, to int) (func(context.Context) error, error) {
	return n.drop(ctx, to, rule{from: n.Prefix(), percent: percent})
}

// drop adds a rule to a node.
func (n *Network) drop(ctx context.Context, to int, r rule) (func(context.Context) error, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.serial++
	id := n.serial
	if n.rules[to] == nil {
		n.rules[to] = map[int]rule{}
	}
	n.rules[to][id] = r
	return func(ctx context.Context) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.rules[to], id)
		return n.apply(ctx, to)
	}, n.apply(ctx, to)
}

// apply makes the filter of a node what its rules say, at once; mu is held.
func (n *Network) apply(ctx context.Context, to int) error {
	if n.filter == "nft" {
		script := "flush chain ip chaos deaf\n"
		for _, r := range n.rules[to] {
			script += "add rule ip chaos deaf ip saddr " + r.from
			if r.port != "" {
				script += " tcp sport " + r.port
			}
			if r.percent < 100 {
				script += fmt.Sprintf(" numgen random mod 100 < %d", r.percent)
			}
			script += " drop\n"
		}
		return commandWith(ctx, script, append(n.command(to), "nft", "-f", "-")...)
	}
	lines := []string{"iptables -F INPUT"}
	for _, r := range n.rules[to] {
		line := "iptables -A INPUT -s " + r.from
		if r.port != "" {
			line += " -p tcp --sport " + r.port
		}
		if r.percent < 100 {
			line += fmt.Sprintf(" -m statistic --mode random --probability %.2f", float64(r.percent)/100)
		}
		lines = append(lines, line+" -j DROP")
	}
	for _, line := range lines {
		if err := command(ctx, append(n.command(to), strings.Fields(line)...)...); err != nil {
			return err
		}
	}
	return nil
}

// Slow implements [Links]. Of several limits the lowest counts.
func (n *Network) Slow(ctx context.Context, rate int64, from int) (func(context.Context) error, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.serial++
	id := n.serial
	if n.slow[from] == nil {
		n.slow[from] = map[int]int64{}
	}
	n.slow[from][id] = rate
	return func(ctx context.Context) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.slow[from], id)
		return n.shape(ctx, from)
	}, n.shape(ctx, from)
}

// shape makes what a node sends as slow as is asked for; mu is held.
func (n *Network) shape(ctx context.Context, from int) error {
	// There may be none.
	_ = command(ctx, append(n.command(from), strings.Fields("tc qdisc del dev uplink root")...)...)
	if len(n.slow[from]) == 0 {
		return nil
	}
	least := slices.Min(slices.Collect(maps.Values(n.slow[from])))
	// The bucket must have room for a packet, and for what passes in a tick.
	line := fmt.Sprintf("tc qdisc add dev uplink root tbf rate %dbps burst %d latency 400ms", least, max(4<<10, least/100))
	return command(ctx, append(n.command(from), strings.Fields(line)...)...)
}

// Heal implements [Links].
func (n *Network) Heal(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.rules)
	clear(n.slow)
	for i := 1; i <= n.nodes; i++ {
		if err := errors.Join(n.apply(ctx, i), n.shape(ctx, i)); err != nil {
			return err
		}
	}
	return nil
}

// Close removes what was made. Processes in it must have ended.
func (n *Network) Close() {
	ctx := context.Background() // also after an interrupt
	for i := 1; i <= n.nodes; i++ {
		_ = command(ctx, "ip", "netns", "del", n.namespace(i)) // may not have been made
	}
	_ = command(ctx, "ip", "link", "del", n.name)
	_ = command(ctx, "ip", "netns", "del", n.hub())
}

// command runs a command of the system.
func command(ctx context.Context, words ...string) error { return commandWith(ctx, "", words...) }

// commandWith is command with something to read.
func commandWith(ctx context.Context, input string, words ...string) error {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
