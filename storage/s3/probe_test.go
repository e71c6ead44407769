package s3_test

import (
	"testing"

	"godwit/storage"
	"godwit/storage/s3"
	"godwit/storage/s3/s3test"
)

func wantSafe(t *testing.T, report storage.Report) {
	t.Helper()
	for _, c := range report.Checks {
		if c.Outcome != storage.ProbePass {
			t.Errorf("%+v", c)
		}
	}
	if !report.Safe {
		t.Error("not safe")
	}
}

func TestProbeOnVersity(t *testing.T) {
	v := s3test.StartVersity(t)
	bucket := v.Bucket(t, "probed")
	cfg := s3.Config{Endpoint: v.Endpoint, Bucket: bucket}
	rs := openRecords(t, cfg)
	wantSafe(t, storage.ProbeQuick(t.Context(), rs, "state"))
	wantSafe(t, storage.ProbeObjects(t.Context(), openObjects(t, cfg), bucket+"/probe"))
	if left, err := rs.List(t.Context(), "", "", 10); err != nil || len(left) > 0 {
		t.Errorf("left %q, %v", left, err)
	}
	if left := v.Uploads(t, bucket); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// A server that ignores a condition is found out through the whole stack.
func TestProbeFindsLyingServer(t *testing.T) {
	for _, header := range []string{"If-None-Match", "If-Match"} {
		f := s3test.NewFake(t)
		f.Ignore(header)
		report := storage.ProbeQuick(t.Context(), openRecords(t, s3.Config{Endpoint: f.Endpoint, Bucket: "bucket"}), "state")
		if report.Safe {
			t.Errorf("a server that ignores %s is called safe: %+v", header, report.Checks)
		}
	}
	f := s3test.NewFake(t)
	f.Ignore("If-None-Match")
	report := storage.ProbeObjects(t.Context(), openObjects(t, s3.Config{Endpoint: f.Endpoint}), "bucket/probe")
	if report.Safe {
		t.Errorf("a server that replaces objects is called safe: %+v", report.Checks)
	}
}

func TestProbeOnFake(t *testing.T) {
	f := s3test.NewFake(t)
	cfg := s3.Config{Endpoint: f.Endpoint, Bucket: "bucket"}
	wantSafe(t, storage.Probe(t.Context(), openRecords(t, cfg), ""))
	wantSafe(t, storage.ProbeObjects(t.Context(), openObjects(t, cfg), "bucket/probe"))
	if len(f.Objects()) != 0 || len(f.Uploads()) != 0 {
		t.Errorf("left %d objects and %q", len(f.Objects()), f.Uploads())
	}
}
