package chaos

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"godwit/endpoint/endpointtest"
	"godwit/storage/s3/s3test"
)

// destination is a place for one result, and what may be found there.
type destination struct {
	// url is the argument of the command, env its environment.
	url string
	env []string
	// result returns what was published, false if there is nothing.
	result func(t testing.TB) ([]byte, bool)
	// left lists everything else that is there.
	left func(t testing.TB) []string
	// put publishes something that was there before.
	put func(t testing.TB, data []byte)
}

// destinations are made anew for each use.
var destinations = map[string]func(t testing.TB) destination{"file": toFile, "s3": toS3}

func toFile(t testing.TB) destination {
	folder := t.TempDir()
	path := filepath.Join(folder, "f")
	return destination{
		url: path, env: environment(t),
		result: func(t testing.TB) ([]byte, bool) {
			data, err := os.ReadFile(path)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			return data, err == nil
		},
		left: func(t testing.TB) (left []string) {
			for _, found := range files(t, folder) {
				if found != path {
					left = append(left, found)
				}
			}
			return left
		},
		put: func(t testing.TB, data []byte) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func toS3(t testing.TB) destination {
	fake := s3test.NewFake(t)
	return destination{
		url: "s3://results/f", env: environment(t, reachS3(fake)...),
		result: func(testing.TB) ([]byte, bool) {
			data, ok := fake.Objects()["results/f"]
			return data, ok
		},
		left: func(testing.TB) []string {
			left := fake.Uploads()
			for name := range fake.Objects() {
				if name != "results/f" {
					left = append(left, name)
				}
			}
			return left
		},
		put: func(t testing.TB, data []byte) { putObject(t, fake, "results/f", data) },
	}
}

// reachS3 is the environment of a process that shall use the fake.
func reachS3(fake *s3test.Fake) []string {
	return []string{"AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret", "AWS_ENDPOINT_URL=" + fake.Endpoint}
}

// holds fails unless exactly one of these contents was published, and nothing
// else is left.
func (d destination) holds(t testing.TB, any ...endpointtest.Content) {
	t.Helper()
	data, ok := d.result(t)
	if !ok {
		t.Error("nothing was published")
	}
	var wrong []error
	for _, want := range any {
		if err := want.Verify(bytes.NewReader(data)); err != nil {
			wrong = append(wrong, err)
		}
	}
	if ok && len(wrong) == len(any) {
		t.Error(errors.Join(wrong...))
	}
	if left := d.left(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// unpublished fails when there is a result.
func (d destination) unpublished(t testing.TB) {
	t.Helper()
	if data, ok := d.result(t); ok {
		t.Errorf("%d bytes were published", len(data))
	}
}

// empty fails when anything is there.
func (d destination) empty(t testing.TB) {
	t.Helper()
	d.unpublished(t)
	if left := d.left(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
