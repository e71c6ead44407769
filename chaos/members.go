package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Member is a node as the cluster shows it.
type Member struct {
	Name      string `json:"name"`
	State     string `json:"state"`
	APIAddr   string `json:"apiAddr"`
	Shards    int    `json:"shards"`
	Transfers struct {
		Running int `json:"running"`
		Queued  int `json:"queued"`
	} `json:"transfers"`
	Version string `json:"version"`
}

// maxAnswer bounds an answer that is read whole, in bytes.
const maxAnswer = 8 << 20

// Members asks a node who the members are, by name.
func (n *Node) Members(ctx context.Context) (map[string]Member, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL()+"/godwit.v1.ClusterService/ListNodes", bytes.NewReader([]byte("{}")))
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := glimpse.Do(r)
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("list nodes: %s: %.300s", resp.Status, text)
	}
	var answer struct{ Nodes []Member }
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	found := map[string]Member{}
	for _, m := range answer.Nodes {
		found[m.Name] = m
	}
	return found, nil
}

// Members asks any live node who the members are, by name.
func (c *Cluster) Members(ctx context.Context) (map[string]Member, error) {
	return anywhere(ctx, c, func(ctx context.Context, n *Node) (map[string]Member, error) { return n.Members(ctx) })
}

// AwaitMembers returns when every live node sees as ALIVE exactly the live
// ones: the cluster has healed.
func (c *Cluster) AwaitMembers(ctx context.Context) error {
	for {
		wrong := c.disagreement(ctx)
		if wrong == nil {
			return nil
		}
		if err := idle(ctx, 5*glance); err != nil {
			return fmt.Errorf("the members do not agree: %w: %w", err, wrong)
		}
	}
}

func (c *Cluster) disagreement(ctx context.Context) error {
	for _, n := range c.Live() {
		members, err := n.Members(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
		for _, other := range c.Nodes() {
			if state := members[other.Name].State; (state == "ALIVE") != other.Live() {
				return fmt.Errorf("%s sees %s as %q", n.Name, other.Name, state)
			}
		}
	}
	return nil
}

// Operate runs `godwit node` with a verb, drain for example, for a node, asking
// another live one.
func (c *Cluster) Operate(ctx context.Context, verb string, n *Node) error {
	for _, other := range c.Live() {
		if other == n && len(c.Live()) > 1 {
			continue
		}
		p, err := Start(c.opts.Binary, []string{"node", verb, n.Name, "--server", other.URL()}, other.env)
		if err != nil {
			return err
		}
		defer p.Kill()
		code, err := p.Wait(ctx)
		if err == nil && code != 0 {
			err = fmt.Errorf("exit code %d\n%s", code, p.Stderr())
		}
		if err != nil {
			return fmt.Errorf("godwit node %s %s: %w", verb, n.Name, err)
		}
		return nil
	}
	return fmt.Errorf("godwit node %s %s: no node lives", verb, n.Name)
}
