package chaos

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"slices"
	"strings"
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
	// slowed are the nodes whose uplink is slow.
	slowed []*Node
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
	n := &Network{nodes: nodes}
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

// addresses are those of a node.
func (n *Network) addresses(number int) (api, remote, gossip string) {
	return n.port(number, networkAPI), n.port(number, networkRemote), n.port(number, networkGossip)
}

// Gateway is the harness's own address, which all nodes reach.
func (n *Network) Gateway() string { return n.subnet + ".1" }

// Prefix holds all addresses.
func (n *Network) Prefix() string { return n.subnet + ".0/24" }

// Cut makes one node deaf to another: what it sends arrives no more.
func (n *Network) Cut(ctx context.Context, from, to *Node) error {
	source, _, _ := strings.Cut(from.API, ":")
	if n.filter == "nft" {
		return n.inside(ctx, to, "nft add rule ip chaos deaf ip saddr "+source+" drop")
	}
	return n.inside(ctx, to, "iptables -I INPUT -s "+source+" -j DROP")
}

// Lossy makes a node lose so many percent, from 1 to 100, of the packets that
// come to it, from other nodes and from the harness.
func (n *Network) Lossy(ctx context.Context, node *Node, percent int) error {
	if n.filter == "nft" {
		return n.inside(ctx, node, fmt.Sprintf("nft add rule ip chaos deaf iifname uplink numgen random mod 100 <= %d drop", percent-1))
	}
	return n.inside(ctx, node, fmt.Sprintf("iptables -I INPUT -i uplink -m statistic --mode random --probability %.2f -j DROP", float64(percent)/100))
}

// Slow lets a node send so many bytes a second.
func (n *Network) Slow(ctx context.Context, node *Node, rate int64) error {
	n.slowed = append(n.slowed, node)
	// The bucket must have room for a packet, and for what passes in a tick.
	return n.inside(ctx, node, fmt.Sprintf("tc qdisc replace dev uplink root tbf rate %dbit burst %d latency 400ms", 8*rate, max(4<<10, rate/100)))
}

// cutOff makes all other nodes deaf to those of one side, and these to them
// unless the cut is one way.
func (c *Cluster) cutOff(ctx context.Context, side []*Node, oneWay bool) error {
	for _, n := range side {
		for _, other := range c.Nodes() {
			if slices.Contains(side, other) {
				continue
			}
			if err := c.opts.Network.Cut(ctx, n, other); err != nil {
				return err
			}
			if oneWay {
				continue
			}
			if err := c.opts.Network.Cut(ctx, other, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// Heal undoes all cuts, and what Lossy and Slow did.
func (n *Network) Heal(ctx context.Context) error {
	for len(n.slowed) > 0 {
		if err := n.inside(ctx, n.slowed[0], "tc qdisc replace dev uplink root pfifo"); err != nil {
			return err
		}
		n.slowed = n.slowed[1:]
	}
	line := "iptables -F INPUT"
	if n.filter == "nft" {
		line = "nft flush chain ip chaos deaf"
	}
	for i := 1; i <= n.nodes; i++ {
		if err := command(ctx, append(n.command(i), strings.Fields(line)...)...); err != nil {
			return err
		}
	}
	return nil
}

// inside runs a command in the namespace of a node.
func (n *Network) inside(ctx context.Context, node *Node, line string) error {
	return command(ctx, append(node.command[:len(node.command)-1:len(node.command)-1], strings.Fields(line)...)...)
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
func command(ctx context.Context, words ...string) error {
	if out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
