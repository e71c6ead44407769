package chaos

import (
	"bytes"
	"strings"
	"testing"

	"godwit/endpoint/endpointtest"
)

// TestChecksum publishes nothing that is not what was declared.
func TestChecksum(t *testing.T) {
	t.Parallel()
	for kind, make := range destinations {
		for name, ranges := range map[string]endpointtest.RangeMode{"parts": endpointtest.RangesOn, "stream": endpointtest.RangesOff} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				o := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 5, Behavior: endpointtest.Behavior{Ranges: ranges}})
				dest := make(t)
				got := fetch(t, dest, o.URL("/f"), "--checksum", "sha256:"+strings.Repeat("0a", 32))
				judge(t, got, "checksum.mismatch")
				dest.empty(t)

				got = fetch(t, dest, o.URL("/f"), "--checksum", "sha256:"+strings.ToUpper(o.SHA256()))
				judge(t, got, "")
				dest.holds(t, o.Content())
				if !strings.Contains(got.stdout, o.SHA256()) {
					t.Errorf("the digest is not shown: %s", got.stdout)
				}
			})
		}
	}
}

// TestIfExists meets a result that is there already, and one that appears while
// the download runs.
func TestIfExists(t *testing.T) {
	t.Parallel()
	old := []byte("what was there before")
	for kind, make := range destinations {
		for _, c := range []struct {
			name string
			args []string
			code string
			// late: it appears in the middle of the download.
			late, replaced bool
		}{
			{name: "default", code: "dest.exists"},
			{name: "fail", args: []string{"--if-exists", "fail"}, code: "dest.exists"},
			{name: "fail late", args: []string{"--if-exists", "fail"}, code: "dest.exists", late: true},
			{name: "skip", args: []string{"--if-exists", "skip"}},
			{name: "skip late", args: []string{"--if-exists", "skip"}, late: true},
			{name: "overwrite", args: []string{"--if-exists", "overwrite"}, replaced: true},
			{name: "overwrite late", args: []string{"--if-exists", "overwrite"}, late: true, replaced: true},
		} {
			t.Run(kind+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				o := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 6})
				dest := make(t)
				if c.late {
					o.When(contentSize/2, func() { dest.put(t, old) })
				} else {
					dest.put(t, old)
				}
				judge(t, fetch(t, dest, o.URL("/f"), c.args...), c.code)
				if c.replaced {
					dest.holds(t, o.Content())
					return
				}
				if data, _ := dest.result(t); !bytes.Equal(data, old) {
					t.Errorf("what was there is gone: %d bytes", len(data))
				}
				if left := dest.left(t); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
				if !c.late && o.BytesServed() > 0 {
					t.Errorf("%d bytes were fetched for nothing", o.BytesServed())
				}
			})
		}
	}
}
