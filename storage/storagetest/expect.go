package storagetest

import (
	"errors"
	"slices"
	"testing"

	"godwit/storage"
)

// must returns a function that gives the value, or ends the test when there
// is an error. The two steps let a call's two results be its only arguments.
func must[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// wantKind demands a *storage.Error of this kind that names its operation.
func wantKind(t *testing.T, err error, kind storage.Kind) {
	t.Helper()
	var e *storage.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want a *storage.Error: %s", err, kind)
	}
	if e.Kind != kind || !errors.Is(err, kind) || e.Op == "" {
		t.Fatalf("got error %q of kind %q, want %q", err, e.Kind, kind)
	}
}

func wantRecord(t *testing.T, rs storage.RecordStore, key, body string, version storage.Version) storage.Record {
	t.Helper()
	rec := wantBody(t, rs, key, body)
	if rec.Version != version {
		t.Fatalf("%s has version %q, want %q", key, rec.Version, version)
	}
	return rec
}

func wantBody(t *testing.T, rs storage.RecordStore, key, body string) storage.Record {
	t.Helper()
	rec, err := rs.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Key != key || string(rec.Body) != body {
		t.Fatalf("%s holds %.60q (%d bytes) under %q, want %.60q (%d bytes)",
			key, rec.Body, len(rec.Body), rec.Key, body, len(body))
	}
	return rec
}

func wantKeys(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("listed %q, want %q", got, want)
	}
}
