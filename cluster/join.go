package cluster

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of joining.
const (
	// patience is how long Start goes on waiting for other seeds when one has
	// let it in.
	patience = 500 * time.Millisecond
	// A seed that hangs up is asked hangUps times, hangUpPause apart, before it
	// is taken as one that does not understand us: it may be just ending.
	hangUps     = 3
	hangUpPause = 200 * time.Millisecond
	// Each round joins at most maxRejoins addresses, rejoinsAtOnce at a time.
	maxRejoins    = 16
	rejoinsAtOnce = 4
	// resolveEvery is how long the addresses of a seed's name are believed.
	resolveEvery = 30 * time.Second
)

// seed is one entry of Config.Seeds.
type seed struct {
	configured string
	addrs      []string
	resolved   time.Time
}

// resolve returns the seed's addresses, ip:port each; none when its name is not
// known.
func (s *seed) resolve(ctx context.Context) ([]string, error) {
	host, port, err := net.SplitHostPort(s.configured)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip != nil {
		return []string{net.JoinHostPort(ip.String(), port)}, nil
	}
	if len(s.addrs) > 0 && time.Since(s.resolved) < resolveEvery {
		return s.addrs, nil
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	s.addrs, s.resolved = nil, time.Now()
	for _, ip := range ips {
		s.addrs = append(s.addrs, net.JoinHostPort(ip, port))
	}
	return s.addrs, nil
}

// verdict is what an attempt to join one address came to; err is nil when it
// succeeded or when nobody was reached.
type verdict struct {
	joined bool
	err    error
}

// firstJoin tries all seeds once. It fails when one of them is reached and
// refuses us or is refused by us; that none is reached is no error, because a
// whole cluster may be starting.
func (c *Cluster) firstJoin() error {
	ctx, stop := context.WithTimeout(c.ctx, c.cfg.JoinTimeout)
	defer stop()
	verdicts := make(chan verdict)
	attempts := 0
	for i := range c.seeds {
		s := &c.seeds[i]
		addrs, err := s.resolve(ctx)
		if err != nil {
			c.log.Warn("cannot look up a seed", slog.String("seed", s.configured), slog.String("error", err.Error()))
		}
		for _, addr := range addrs {
			if addr == c.addr {
				continue
			}
			attempts++
			c.wg.Go(func() {
				v := c.ask(ctx, s.configured, addr)
				select {
				case verdicts <- v:
				case <-ctx.Done():
				}
			})
		}
	}
	for ; attempts > 0; attempts-- {
		select {
		case v := <-verdicts:
			if v.err != nil {
				return v.err
			}
			if v.joined {
				time.AfterFunc(patience, stop)
			}
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// ask joins one address and judges the outcome.
func (c *Cluster) ask(ctx context.Context, configured, addr string) verdict {
	for attempt := 1; ; attempt++ {
		err := c.join(addr)
		switch {
		case err == nil:
			return verdict{joined: true}
		case hasHungUp(err) && attempt < hangUps && ctx.Err() == nil:
			rest(ctx, hangUpPause)
			continue
		case ctx.Err() != nil:
			return verdict{}
		}
		if foreign := c.foreign(err); foreign != nil {
			return verdict{err: foreign}
		}
		if hasHungUp(err) || isGibberish(err) {
			return verdict{err: &UnintelligibleError{Seed: configured, Err: err}}
		}
		c.log.InfoContext(ctx, "a seed cannot be reached", slog.String("seed", configured), slog.String("addr", addr), slog.String("error", err.Error()))
		return verdict{}
	}
}

// join compares everything with the node at an address.
func (c *Cluster) join(addr string) error {
	_, err := c.list.Join([]string{addr})
	if err == nil {
		return nil
	}
	// memberlist decorates errors over several lines.
	_, text, ok := strings.Cut(err.Error(), "failed to join ")
	if !ok {
		return err
	}
	return errors.New(strings.TrimSpace(text))
}

// foreign finds the refusal that a failed join was about. memberlist hands on
// its text only.
func (c *Cluster) foreign(err error) error {
	for _, f := range c.gossip.refusals() {
		if strings.Contains(err.Error(), f.Error()) {
			return f
		}
	}
	return nil
}

// hasHungUp tells whether the far end closed the connection: so does a node
// with another label, and one that is ending.
func hasHungUp(err error) bool {
	return endsWith(err, "EOF", "connection reset by peer", "broken pipe")
}

// isGibberish tells whether one side could not read what the other sent: the
// gossip keys differ, or only one side has one.
func isGibberish(err error) bool {
	text := err.Error()
	for _, sign := range []string{
		"no installed keys could decrypt", "encryption is not configured", "encryption is configured but",
		"remote error:", "received invalid msgType", "msgpack decode error",
	} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

func endsWith(err error, ends ...string) bool {
	for _, end := range ends {
		if strings.HasSuffix(err.Error(), end) {
			return true
		}
	}
	return false
}

// nameTaken looks for another life of our name that answers. One that gossip
// merely has not given up yet does not.
func (c *Cluster) nameTaken() error {
	for _, other := range c.lives.others(c.id) {
		if other.name == c.cfg.Name && !other.joining && other.addr() != c.addr && c.sameLife(other) {
			return &NameTakenError{Name: other.name, Addr: other.addr()}
		}
	}
	return nil
}

// pings is how often a life is asked whether it is there: a packet may be lost.
const pings = 2

// sameLife asks whether the process at a life's gossip address is that life. It
// waits for at most ProbeTimeout for each ping.
func (c *Cluster) sameLife(l life) bool {
	for range pings {
		if _, err := c.list.Ping(l.id, &net.UDPAddr{IP: l.ip, Port: int(l.port)}); err == nil {
			return true
		}
	}
	return false
}

// rejoin joins seeds and remembered peers that are not alive, again and again:
// memberlist does not heal a partition by itself.
func (c *Cluster) rejoin() {
	for {
		half := c.cfg.RejoinInterval / 2
		rest(c.ctx, half+rand.N(2*half))
		if c.ctx.Err() != nil {
			return
		}
		c.joinAbsent()
	}
}

// joinAbsent joins some of the absent, chosen by chance when there are many.
func (c *Cluster) joinAbsent() {
	absent := c.lives.absent(c.seedAddrs())
	rand.Shuffle(len(absent), func(i, j int) { absent[i], absent[j] = absent[j], absent[i] })
	absent = absent[:min(len(absent), maxRejoins)]
	slots := make(chan struct{}, rejoinsAtOnce)
	var round sync.WaitGroup
	for _, addr := range absent {
		slots <- struct{}{}
		round.Go(func() {
			defer func() { <-slots }()
			// One that was joined may have brought the others along.
			if c.ctx.Err() == nil && !c.lives.isAlive(addr) {
				if err := c.join(addr); err != nil {
					c.log.Debug("cannot join", slog.String("addr", addr), slog.String("error", err.Error()))
				}
			}
		})
	}
	round.Wait()
}

func (c *Cluster) seedAddrs() []string {
	ctx, stop := context.WithTimeout(c.ctx, c.cfg.JoinTimeout)
	defer stop()
	var all []string
	for i := range c.seeds {
		addrs, err := c.seeds[i].resolve(ctx)
		if err != nil {
			c.log.Debug("cannot look up a seed", slog.String("seed", c.seeds[i].configured), slog.String("error", err.Error()))
		}
		all = append(all, addrs...)
	}
	return all
}

// checkSeed says what is wrong with an entry of Config.Seeds.
func checkSeed(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return err
}
