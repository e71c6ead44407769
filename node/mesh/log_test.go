package mesh

import (
	"bytes"
	"log"
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
