package chaos

import (
	"context"
	"os"
	"testing"
	"time"
)

// inContainers is quick with each node in a container.
func inContainers(t *testing.T) staging {
	t.Helper()
	if os.Getenv("GODWIT_TEST_DOCKER") == "" {
		t.Skip("it starts containers: ask for it with GODWIT_TEST_DOCKER=1, where a Docker engine answers (apt-get install docker.io)")
	}
	as := quick(t, 3, "dir")
	as.driver = "docker"
	return as
}

func TestDockerKill(t *testing.T) { play(t, "kill", inContainers(t)) }

func TestDockerPause(t *testing.T) { play(t, "pause", inContainers(t)) }

// TestDockerUnplug takes a node off its network, from origins, others and callers.
// It has the store all the while, and goes on when it is plugged in again.
func TestDockerUnplug(t *testing.T) {
	as := inContainers(t)
	as.params = as.params.WithDefaults()
	c := stage(t, Scenario{Name: "unplug", Least: 3}, as)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	r, err := c.run(ctx, "unplug", as.params, func(ctx context.Context, _ *Report, i int) error {
		victim := c.Nodes()[i%len(c.Nodes())]
		heal, err := c.opts.Driver.(*Docker).Unplug(ctx, victim.Number)
		if err != nil {
			return err
		}
		if victim.ready(ctx) {
			t.Errorf("%s answers without a network", victim.Name)
		}
		if err := heal(ctx); err != nil {
			return err
		}
		return victim.AwaitReady(ctx)
	})
	if err == nil {
		err = r.Err()
	}
	t.Log(r.String())
	if err != nil || r.Faults == 0 || r.Transfers == 0 {
		t.Errorf("%d faults, %d transfers: %v", r.Faults, r.Transfers, err)
	}
}
