// Package helm_test renders the chart with helm and looks at what matters. It
// proves nothing about a cluster: none runs here.
package helm_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"godwit/node"
)

// A version of Kubernetes that the chart takes; helm asks no cluster.
const kubeVersion = "1.33.0"

func helm(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	if _, err := exec.LookPath("helm"); err != nil {
		t.Skip("helm is not installed: go install helm.sh/helm/v3/cmd/helm@latest")
	}
	cmd := exec.CommandContext(t.Context(), "helm", args...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var out, trouble bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &trouble
	err = cmd.Run()
	return out.String(), trouble.String(), err
}

// render returns the objects of the chart by kind and name.
func render(t *testing.T, args ...string) map[string]map[string]any {
	t.Helper()
	args = append([]string{"template", "trial", "godwit", "--namespace", "apps", "--kube-version", kubeVersion}, args...)
	out, trouble, err := helm(t, args...)
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, trouble)
	}
	found := map[string]map[string]any{}
	for dec := yaml.NewDecoder(strings.NewReader(out)); ; {
		var object map[string]any
		if err := dec.Decode(&object); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		if object == nil {
			continue
		}
		name := text(t, object, "kind") + "/" + text(t, object, "metadata", "name")
		if found[name] != nil {
			t.Errorf("%s is there twice", name)
		}
		found[name] = object
	}
}

// at follows keys, and indexes of lists, into an object.
func at(t *testing.T, object any, path ...any) any {
	t.Helper()
	for i, step := range path {
		switch key := step.(type) {
		case string:
			within, _ := object.(map[string]any)
			object = within[key]
		case int:
			list, _ := object.([]any)
			if key >= len(list) {
				t.Fatalf("%v: there is no entry %d", path[:i], key)
			}
			object = list[key]
		}
	}
	return object
}

func text(t *testing.T, object any, path ...any) string {
	t.Helper()
	s, ok := at(t, object, path...).(string)
	if !ok {
		t.Fatalf("%v is no text but %v", path, at(t, object, path...))
	}
	return s
}

func valueFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("godwit/ci/*-values.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	return files
}

func TestChartIsValid(t *testing.T) {
	for _, file := range valueFiles(t) {
		if out, trouble, err := helm(t, "lint", "--strict", "godwit", "--values", file); err != nil {
			t.Errorf("%s: %v\n%s%s", file, err, out, trouble)
		}
		render(t, "--values", file)
	}
}

// TestNodesTakeTheConfiguration: a node refuses keys that it does not know.
func TestNodesTakeTheConfiguration(t *testing.T) {
	for _, file := range valueFiles(t) {
		objects := render(t, "--values", file)
		path := filepath.Join(t.TempDir(), "godwit.yaml")
		if err := os.WriteFile(path, []byte(text(t, objects["ConfigMap/trial-godwit"], "data", "godwit.yaml")), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := node.LoadFile(path)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if cfg.SecretsKeyFile == "" || cfg.GossipKeyFile == "" || cfg.APITokenFile == "" || cfg.StateStore == "" {
			t.Errorf("%s: %+v", file, cfg)
		}
		if secret := cfg.TLSCert != "" && cfg.TLSKey != "" && cfg.TLSCA != ""; secret == cfg.Insecure {
			t.Errorf("%s: with certificates %v, insecure %v", file, secret, cfg.Insecure)
		}
		if len(cfg.Join) != 1 || cfg.Join[0] != "trial-godwit-nodes.apps.svc.cluster.local:7482" {
			t.Errorf("%s joins %v", file, cfg.Join)
		}
	}
}

func TestPods(t *testing.T) {
	objects := render(t, "--values", "godwit/ci/minimal-values.yaml")
	set := objects["StatefulSet/trial-godwit"]
	pod := at(t, set, "spec", "template", "spec")
	container := at(t, pod, "containers", 0)
	want := func(what, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	want("replicas", at(t, set, "spec", "replicas"), 3)
	want("policy", at(t, set, "spec", "podManagementPolicy"), "Parallel")
	headless := text(t, set, "spec", "serviceName")
	want("headless", at(t, objects["Service/"+headless], "spec", "clusterIP"), "None")
	want("addresses before ready", at(t, objects["Service/"+headless], "spec", "publishNotReadyAddresses"), true)
	want("token of the service account", at(t, pod, "automountServiceAccountToken"), false)
	// They would be taken for flags.
	want("variables of services", at(t, pod, "enableServiceLinks"), false)
	want("user", at(t, pod, "securityContext", "runAsNonRoot"), true)
	want("system calls", at(t, pod, "securityContext", "seccompProfile", "type"), "RuntimeDefault")
	want("root file system", at(t, container, "securityContext", "readOnlyRootFilesystem"), true)
	want("capabilities", at(t, container, "securityContext", "capabilities", "drop", 0), "ALL")
	want("live", at(t, container, "livenessProbe", "httpGet", "path"), "/livez")
	want("ready", at(t, container, "readinessProbe", "httpGet", "path"), "/readyz")
	want("scheme", at(t, container, "startupProbe", "httpGet", "scheme"), "HTTPS")
	grace, _ := at(t, pod, "terminationGracePeriodSeconds").(int)
	pause, _ := at(t, container, "lifecycle", "preStop", "sleep", "seconds").(int)
	// docs/operations.md: a node stops within 25 s.
	if grace < pause+25 || pause == 0 {
		t.Errorf("%d s to stop in, of which %d s are a pause", grace, pause)
	}
	var args []string
	for _, arg := range at(t, container, "args").([]any) {
		args = append(args, arg.(string))
	}
	all := strings.Join(args, " ")
	for _, arg := range []string{"--name=$(POD_NAME)", "--advertise=$(POD_NAME)." + headless + ".apps.svc.cluster.local"} {
		if !strings.Contains(all, arg) {
			t.Errorf("%s lacks %s", all, arg)
		}
	}
	if objects["PodDisruptionBudget/trial-godwit"] == nil || objects["NetworkPolicy/trial-godwit"] == nil {
		t.Error("no budget, or no policy")
	}
}

// TestCertificateNamesWhatIsAdvertised: other nodes check it.
func TestCertificateNamesWhatIsAdvertised(t *testing.T) {
	objects := render(t, "--values", "godwit/ci/full-values.yaml")
	first := text(t, objects["Certificate/trial-godwit"], "spec", "dnsNames", 0)
	if first != "*.trial-godwit-nodes.apps.svc.cluster.local" {
		t.Errorf("the certificate names %s", first)
	}
	usages, _ := at(t, objects["Certificate/trial-godwit"], "spec", "usages").([]any)
	if len(usages) != 3 {
		t.Errorf("the certificate is for %v", usages)
	}
}

func TestRefusedValues(t *testing.T) {
	for set, want := range map[string]string{
		"stateStore=dir:///data/state,replicas=2":                         "stateStore",
		"stateStore=dir:///data/state,replicas=1":                         "persistence.enabled",
		"stateStore=dir:///srv/state,replicas=1,persistence.enabled=true": "below /data",
		"stateStore=":                      "say where the state is",
		"stateStore=nfs://x/y":             "stateStore",
		"keys.existingSecret=":             "keys.existingSecret",
		"tls.existingSecret=":              "existingSecret or enable certManager",
		"tls.certManager.enabled=true":     "issuerRef",
		"replica=3":                        "replica",
		"replicas=0":                       "replicas",
		"config.join=elsewhere":            "config.join",
		"config.insecure=true":             "config.insecure",
		"terminationGracePeriodSeconds=10": "terminationGracePeriodSeconds",
		"serviceMonitor.on=true":           "serviceMonitor",
	} {
		out, trouble, err := helm(t, "template", "trial", "godwit", "--kube-version", kubeVersion,
			"--values", "godwit/ci/minimal-values.yaml", "--set", set)
		if err == nil || !strings.Contains(trouble, want) {
			t.Errorf("%s: %v\n%s%s", set, err, out, trouble)
		}
	}
}

// TestAlerts: a chart cannot hold a link to a file outside of it, so it has a copy.
func TestAlerts(t *testing.T) {
	ours, err := os.ReadFile("godwit/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile("../prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ours, theirs) {
		t.Error("the alerts differ: cp deploy/prometheus/alerts.yaml deploy/helm/godwit/files/")
	}
	rule := render(t, "--values", "godwit/ci/full-values.yaml")["PrometheusRule/trial-godwit"]
	rules, _ := at(t, rule, "spec", "groups", 0, "rules").([]any)
	if len(rules) < 10 {
		t.Fatalf("%d rules", len(rules))
	}
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		name := text(t, r, "alert")
		if !strings.Contains(string(manual), "\n### "+name+"\n") {
			t.Errorf("the manual does not say what to do about %s", name)
		}
		if expr := text(t, r, "expr"); strings.Contains(expr, `job="godwit"`) {
			t.Errorf("%s is about another job: %s", name, expr)
		}
	}
}
