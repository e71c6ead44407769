package node

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// hostDir, when set, makes the test binary a process that serves a data dir
// until it is killed.
const hostDir = "GODWIT_TEST_HOST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(hostDir); dir != "" {
		serveUntilKilled(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m,
		// Of each actor system, a timer's goroutine lives on for a moment.
		goleak.IgnoreAnyFunction("github.com/asynkron/protoactor-go/actor.NewDeadLetter.NewThrottle.func4.1"))
}

func serveUntilKilled(dir string) {
	a, err := Attach(context.Background(), EmbedConfig{DataDir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ready")
	<-a.Closed()
}
