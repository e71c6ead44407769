package chaos

import (
	"context"
	"os"
)

// Running is one life of a node, wherever it runs: a [Process] is one.
type Running interface {
	// Kill ends it as a power switch would, and waits until it is gone.
	Kill()
	// Signal sends a signal to it; SIGSTOP and SIGCONT hold it and let it go on.
	Signal(sig os.Signal) error
	// Wait returns its exit code, or -1 when a signal ended it, or ctx's error.
	Wait(ctx context.Context) (int, error)
	// Ended tells whether it has ended.
	Ended() bool
	// Pid is its process id as the harness sees it, 0 where it sees none.
	Pid() int
}

// Driver is where nodes run.
type Driver interface {
	// Addresses are those of the node with that number, counted from 1, as
	// host:port; they stay the same over all its lives.
	Addresses(number int) (api, remote, gossip string, err error)
	// Args are the arguments that only nodes need which run here.
	Args() []string
	// Launch starts the node of that number with a command line, the binary first,
	// and more environment. It prints to log.
	Launch(number int, log *os.File, command, env []string) (Running, error)
	// Host is the address of the harness, at which all nodes reach it.
	Host() string
}

// Links are a driver that can hold its nodes apart. What is cut and lost adds
// up: each of the functions returns what undoes it alone.
type Links interface {
	// Cut makes one node deaf to another: what it sends arrives no more.
	Cut(ctx context.Context, from, to int) (heal func(context.Context) error, err error)
	// CutHost makes a node deaf to a port of the harness: requests arrive there
	// and their answers do not come back.
	CutHost(ctx context.Context, port string, to int) (heal func(context.Context) error, err error)
	// Lose drops so many percent of the packets that arrive at a node.
	Lose(ctx context.Context, percent, to int) (heal func(context.Context) error, err error)
	// Slow limits what a node sends to so many bytes a second.
	Slow(ctx context.Context, rate int64, from int) (heal func(context.Context) error, err error)
	// Heal undoes everything.
	Heal(ctx context.Context) error
}

// Loopback runs nodes as processes of this machine, all at one address, which
// cannot be held apart. It is the driver where nothing else is asked for.
type Loopback struct{}

// Addresses implements [Driver]: they are free now.
func (Loopback) Addresses(int) (api, remote, gossip string, err error) {
	ports, err := reserve(3)
	if err != nil {
		return "", "", "", err
	}
	return ports[0], ports[1], ports[2], nil
}

// Args implements [Driver].
func (Loopback) Args() []string { return nil }

// Launch implements [Driver].
func (Loopback) Launch(_ int, log *os.File, command, env []string) (Running, error) {
	return StartTo(log, command[0], command[1:], env)
}

// Host implements [Driver].
func (Loopback) Host() string { return "127.0.0.1" }
