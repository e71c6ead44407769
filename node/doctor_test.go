package node

import (
	"os"
	"path/filepath"
	"testing"
)

// find returns the finding of a check.
func find(t *testing.T, r Report, area, check string) Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Area == area && f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding %s / %s in %+v", area, check, r.Findings)
	return Finding{}
}

func TestDoctorOnAGoodConfiguration(t *testing.T) {
	data, root := t.TempDir(), t.TempDir()
	if err := os.Chmod(data, 0o700); err != nil {
		t.Fatal(err)
	}
	r := Doctor(t.Context(), DoctorConfig{Config: Config{DataDir: data, FileRoots: []string{root}}})
	for _, f := range r.Findings {
		// What a store promises of objects is for its own tests.
		if f.Severity == SeverityError && f.Area != "files in "+root {
			t.Errorf("%+v", f)
		}
	}
	find(t, r, "state store", "create race")
	find(t, r, "files in "+root, "publish")
	if f := find(t, r, "data dir", "secrets key"); f.Severity != SeverityOK {
		t.Errorf("%+v", f)
	}
	left, err := os.ReadDir(root)
	if err != nil || len(left) != 0 {
		t.Errorf("the doctor left %v behind, %v", left, err)
	}
}

func TestDoctorFindsFaults(t *testing.T) {
	data := t.TempDir()
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(data, madeKey)
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := Doctor(t.Context(), DoctorConfig{Config: Config{DataDir: data}})
	if f := find(t, r, "data dir", "permissions"); f.Severity != SeverityWarning {
		t.Errorf("%+v", f)
	}
	if f := find(t, r, "data dir", "secrets key"); f.Severity != SeverityError || r.Safe() {
		t.Errorf("%+v", f)
	}
	r = Doctor(t.Context(), DoctorConfig{Config: Config{DataDir: data, StateStore: "nfs://x"}})
	if f := find(t, r, "configuration", "values"); f.Severity != SeverityError || len(r.Findings) != 1 {
		t.Errorf("%+v", r.Findings)
	}
}

// A store that does not answer is one finding, not one for each promise.
func TestDoctorSaysOnceThatAStoreDoesNotAnswer(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "key")
	// Nothing listens on port 1.
	r := Doctor(t.Context(), DoctorConfig{Config: Config{
		DataDir: t.TempDir(), StateStore: "s3://bucket/prefix?endpoint=http://127.0.0.1:1",
	}})
	if f := find(t, r, "state store", "reach"); f.Severity != SeverityError {
		t.Errorf("%+v", f)
	}
	for _, f := range r.Findings {
		if f.Area == "state store" && f.Check != "reach" {
			t.Errorf("after that: %+v", f)
		}
	}
}
