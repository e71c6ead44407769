package chaos

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAskedControls is what chaos/cmd/controls runs: each scene with healthy
// nodes, then each bug until it is caught.
func TestAskedControls(t *testing.T) {
	if askedControls.bug == "" {
		t.Skip("go run ./chaos/cmd/controls runs it")
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	logf := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%7.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	sound := map[string]bool{}
	var outcomes []outcome
	for _, c := range controls {
		if askedControls.bug != "all" && !slices.Contains(strings.Split(askedControls.bug, ","), string(c.bug)) {
			continue
		}
		ok, known := sound[c.scene.name]
		if !known {
			ok = c.scene.clean(ctx, t, logf)
			sound[c.scene.name] = ok
		}
		if ok {
			outcomes = append(outcomes, c.try(ctx, t, askedControls.budget, logf))
		}
	}
	if len(outcomes) == 0 {
		t.Fatalf("no control was tried; is %q the name of a bug?", askedControls.bug)
	}
	for _, o := range outcomes {
		fmt.Println(o)
		if o.promise == "" {
			t.Errorf("%s escaped", o.bug)
		}
	}
	fmt.Printf("%d controls, %d scenes, %.0f s\n", len(outcomes), len(sound), time.Since(began).Seconds())
}
