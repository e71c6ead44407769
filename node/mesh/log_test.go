package mesh

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc/grpclog"
)

// What gRPC prints goes where the program lets the standard logger write.
func TestLibraryPrintsToTheStandardLogger(t *testing.T) {
	var out bytes.Buffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&out)
	grpclog.Error("something is wrong")
	grpclog.Info("something happened")
	if text := out.String(); !strings.Contains(text, "something is wrong") || strings.Contains(text, "happened") {
		t.Errorf("printed %q", text)
	}
}

// What the library says of its connections is a warning at most.
func TestLibraryWarns(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(warnings{slog.NewTextHandler(&out, nil)}).With(slog.String("component", "remote"))
	logger.Error("failed to send")
	logger.Info("connected")
	if text := out.String(); !strings.Contains(text, `level=WARN msg="failed to send" component=remote`) || strings.Contains(text, "connected") {
		t.Errorf("logged %q", text)
	}
}
