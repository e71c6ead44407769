package chaos

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"godwit/chaos/history"
)

const (
	// sampleEvery and observeEvery are how often nodes are looked at.
	sampleEvery  = 5 * time.Second
	observeEvery = 2 * time.Second
	// ticks is how many of the units of /proc/…/stat are a second, on Linux.
	ticks = 100
)

// sample notes what the processes of nodes take.
func (m *mix) sample(ctx context.Context) {
	for idle(ctx, sampleEvery) == nil {
		m.mu.Lock()
		quiet := m.active == 0
		m.mu.Unlock()
		idleNow := quiet && len(m.load.open()) == 0
		for _, n := range m.c.Live() {
			s, err := n.take(ctx)
			if err != nil {
				continue // it died, or stands still
			}
			s.Idle = idleNow
			m.rec.Add(history.Event{Node: n.Name, Life: n.Life(), Sample: s})
		}
	}
}

// take reads what its process takes; not where its driver has no process id.
func (n *Node) take(ctx context.Context) (*history.Sample, error) {
	now, _, err := n.Memory()
	if err != nil {
		return nil, err
	}
	proc := fmt.Sprintf("/proc/%d/", n.process().Pid())
	files, err := os.ReadDir(proc + "fd")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(proc + "stat")
	if err != nil {
		return nil, err
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return nil, fmt.Errorf("read %sstat: %q", proc, text)
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	s := &history.Sample{Resident: now, Files: len(files), CPU: time.Duration(user+system) * time.Second / ticks}
	s.Goroutines = n.goroutines(ctx)
	return s, nil
}

// goroutines asks the node how many it has; 0 when it does not say.
func (n *Node) goroutines(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL()+"/metrics", nil)
	if err != nil {
		return 0
	}
	resp, err := glimpse.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			count, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0
			}
			return int(count)
		}
	}
	return 0
}

// observe notes whom each node takes for a member.
func (m *mix) observe(ctx context.Context) {
	for idle(ctx, observeEvery) == nil {
		for _, n := range m.c.Live() {
			asking, cancel := context.WithTimeout(ctx, 2*time.Second)
			members, err := n.Members(asking)
			cancel()
			if err != nil {
				continue // the next time
			}
			seen := &history.Members{States: map[string]string{}, Shards: map[string]int{}}
			for name, one := range members {
				seen.States[name], seen.Shards[name] = one.State, one.Shards
			}
			m.rec.Add(history.Event{Node: n.Name, Life: n.Life(), Members: seen})
		}
	}
}
