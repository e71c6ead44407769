package actors

import (
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"godwit/transfer"
)

// TestSpooledContentWaitsForSoLong has content named by a new transfer long after it
// was spooled: somebody may be deleting it.
func TestSpooledContentWaitsForSoLong(t *testing.T) {
	now := time.Now()
	name := func(age time.Duration) string {
		return strings.ToLower(ulid.MustNew(ulid.Timestamp(now.Add(-age)), ulid.DefaultEntropy()).String())
	}
	for _, tc := range []struct {
		source  string
		spooled bool
		refused bool
	}{
		{"file:///spool/" + name(time.Minute), true, false},
		{"s3://bucket/p-spool/" + name(spoolPatience-time.Minute), true, false},
		{"s3://bucket/p-spool/" + name(spoolPatience+time.Minute), true, true},
		{"file:///srv/" + name(spoolPatience+time.Minute), false, false},
	} {
		spec := &transfer.Spec{Direction: transfer.Upload, Source: tc.source, Outgoing: transfer.Outgoing{Spooled: tc.spooled}}
		if err := checkFresh(spec, now); (err != nil) != tc.refused {
			t.Errorf("%s: %v", tc.source, err)
		}
	}
}
