package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"godwit/storage"
	"godwit/storage/dir"
	"godwit/storage/s3"
)

// Severity says how much a finding matters.
type Severity string

// The severities.
const (
	SeverityOK      Severity = "ok"
	SeverityWarning Severity = "warning"
	SeverityError   Severity = "error"
)

// Finding is one thing that Doctor looked at.
type Finding struct {
	// Area is what was looked at: "configuration", "data dir", "state store",
	// "objects in …" or "files in …".
	Area string `json:"area"`
	// Check is the single check within it.
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	// Detail says for a person what was seen, without secrets.
	Detail string `json:"detail"`
}

// Report is what Doctor found, in the order in which it looked.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Safe tells that a node may run with the configuration: nothing is an error.
func (r Report) Safe() bool {
	for _, f := range r.Findings {
		if f.Severity == SeverityError {
			return false
		}
	}
	return true
}

// DoctorConfig says what to look at.
type DoctorConfig struct {
	Config
	// Buckets are looked at as places of results; the one of an S3 state store
	// always is.
	Buckets []string
}

// Doctor looks at a configuration, without running it: permissions, the state
// store's promises, and the places where results go. It writes and removes
// small records and objects; it makes the state folder where it is missing, as
// a node would.
func Doctor(ctx context.Context, cfg DoctorConfig) Report {
	d := &doctor{ctx: ctx}
	full, err := cfg.Validate()
	if d.note("configuration", "values", err, "all values are acceptable"); err != nil {
		return d.report
	}
	state, err := parseStateStore(full.StateStore)
	if err != nil {
		d.note("configuration", "state-store", err, "")
		return d.report
	}
	d.dataDir(full)
	d.stateStore(state)
	d.fileRoots(full)
	d.buckets(state, cfg.Buckets)
	return d.report
}

// doctor collects findings.
type doctor struct {
	ctx    context.Context
	report Report
}

func (d *doctor) add(area, check string, severity Severity, detail string) {
	d.report.Findings = append(d.report.Findings, Finding{area, check, severity, detail})
}

// note adds an error, or that all is well.
func (d *doctor) note(area, check string, err error, well string) {
	if err != nil {
		d.add(area, check, SeverityError, err.Error())
		return
	}
	d.add(area, check, SeverityOK, well)
}

// probed adds the checks of a probe.
func (d *doctor) probed(area string, report storage.Report) {
	severities := map[storage.Outcome]Severity{storage.ProbePass: SeverityOK, storage.ProbeWarn: SeverityWarning}
	for _, check := range report.Checks {
		severity, known := severities[check.Outcome]
		if !known {
			severity = SeverityError
		}
		d.add(area, check.Name, severity, check.Detail)
	}
}

func (d *doctor) dataDir(cfg Config) {
	const area = "data dir"
	info, err := os.Stat(cfg.DataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.add(area, "folder", SeverityOK, "it does not exist yet and will be made")
		return
	case err != nil:
		d.add(area, "folder", SeverityError, err.Error())
		return
	case !info.IsDir():
		d.add(area, "folder", SeverityError, cfg.DataDir+" is no folder")
		return
	case info.Mode().Perm()&notOwner != 0:
		d.add(area, "permissions", SeverityWarning, fmt.Sprintf("%s has mode %04o, others can look in: use chmod 700", cfg.DataDir, info.Mode().Perm()))
	default:
		d.add(area, "permissions", SeverityOK, "only the owner can look in")
	}
	keyPath := cfg.SecretsKeyFile
	if keyPath == "" {
		keyPath = filepath.Join(cfg.DataDir, madeKey)
	}
	_, err = readKey(keyPath)
	if errors.Is(err, fs.ErrNotExist) && cfg.SecretsKeyFile == "" {
		d.add(area, "secrets key", SeverityOK, "it will be made at first start")
		return
	}
	d.note(area, "secrets key", err, "it can be used; keep a copy, sealed records cannot be read without it")
}

func (d *doctor) stateStore(state stateStore) {
	const area = "state store"
	records, err := state.openRecords()
	if err != nil {
		d.add(area, "open", SeverityError, err.Error())
		return
	}
	// Where it does not answer, every check would say the same again.
	if _, err := records.Get(d.ctx, probePrefix+"/reach"); errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrDenied) {
		d.add(area, "reach", SeverityError, err.Error())
		return
	}
	d.probed(area, storage.Probe(d.ctx, records, probePrefix))
	if state.dir != "" {
		d.features(area, state.dir)
	}
}

func (d *doctor) fileRoots(cfg Config) {
	for _, root := range cfg.FileRoots {
		area := "files in " + root
		files, err := dir.OpenObjects(dir.Config{Roots: []string{filepath.Clean(root)}})
		if err != nil {
			d.add(area, "open", SeverityError, err.Error())
			continue
		}
		name := filepath.Join(root, ".godwit-probe-"+rand.Text())
		d.probed(area, storage.ProbeObjects(d.ctx, files, name))
		// The store removes it if it can; what is left is ours alone.
		_ = os.Remove(name)
		d.features(area, root)
	}
}

// features looks for what makes a file system fast and safe for us; godwit
// copes without.
func (d *doctor) features(area, folder string) {
	missing := map[bool]Severity{true: SeverityOK, false: SeverityWarning}
	for _, f := range fileFeatures(folder) {
		d.add(area, f.name, missing[f.there], f.detail)
	}
}

// feature is something that a file system may have.
type feature struct {
	name   string
	there  bool
	detail string
}

func (d *doctor) buckets(state stateStore, buckets []string) {
	if state.dir == "" {
		buckets = append([]string{state.s3.Bucket}, buckets...)
	}
	if len(buckets) == 0 {
		return
	}
	objects, err := s3.OpenObjects(state.objectConfig(storage.NewBufferPool(int64(minMemoryBudget))))
	if err != nil {
		d.add("objects", "open", SeverityError, err.Error())
		return
	}
	for _, bucket := range buckets {
		name := path.Join(bucket, "godwit-probe-"+rand.Text())
		d.probed("objects in "+bucket, storage.ProbeObjects(d.ctx, objects, name))
	}
}
