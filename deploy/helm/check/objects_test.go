// Package check_test decodes what the chart renders into the types of Kubernetes
// and the Prometheus operator, strictly: a field that they do not have, or one of
// another type, is an error. It is a module of its own, so that godwit needs none
// of these types.
package check_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// kinds are what the chart may make. The Certificate of cert-manager is left out:
// its module brings all of Kubernetes.
var kinds = map[string]func() any{
	"apps/v1 StatefulSet":                     func() any { return &apps.StatefulSet{} },
	"v1 ConfigMap":                            func() any { return &core.ConfigMap{} },
	"v1 Pod":                                  func() any { return &core.Pod{} },
	"v1 Service":                              func() any { return &core.Service{} },
	"v1 ServiceAccount":                       func() any { return &core.ServiceAccount{} },
	"networking.k8s.io/v1 NetworkPolicy":      func() any { return &networking.NetworkPolicy{} },
	"policy/v1 PodDisruptionBudget":           func() any { return &policy.PodDisruptionBudget{} },
	"monitoring.coreos.com/v1 ServiceMonitor": func() any { return &monitoring.ServiceMonitor{} },
	"monitoring.coreos.com/v1 PrometheusRule": func() any { return &monitoring.PrometheusRule{} },
	"cert-manager.io/v1 Certificate":          nil,
}

func TestObjectsAreWhatKubernetesKnows(t *testing.T) {
	if _, err := exec.LookPath("helm"); err != nil {
		t.Skip("helm is not installed: go install helm.sh/helm/v3/cmd/helm@latest")
	}
	files, err := filepath.Glob("../godwit/ci/*-values.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	seen := map[string]int{}
	for _, file := range files {
		for _, document := range render(t, file) {
			var head struct{ APIVersion, Kind string }
			if err := yaml.Unmarshal(document, &head); err != nil {
				t.Fatalf("%s: %v\n%s", file, err, document)
			}
			if head.Kind == "" {
				continue
			}
			kind := head.APIVersion + " " + head.Kind
			empty, known := kinds[kind]
			if !known {
				t.Errorf("%s: nothing decodes %s", file, kind)
			}
			seen[kind]++
			if empty == nil {
				continue
			}
			if err := yaml.UnmarshalStrict(document, empty()); err != nil {
				t.Errorf("%s: %s: %v", file, kind, err)
			}
		}
	}
	for kind := range kinds {
		if seen[kind] == 0 {
			t.Errorf("no values make a %s", kind)
		}
	}
}

// TestMisspelledFieldIsFound: the check can fail.
func TestMisspelledFieldIsFound(t *testing.T) {
	for _, document := range []string{
		`{"spec": {"replicsa": 3}}`, `{"spec": {"replicas": "three"}}`, `{"spec": {"template": {"spec": {"containers": [{"readinesProbe": {}}]}}}}`,
	} {
		if !json.Valid([]byte(document)) {
			t.Fatal(document)
		}
		if yaml.UnmarshalStrict([]byte(document), &apps.StatefulSet{}) == nil {
			t.Errorf("%s was taken", document)
		}
	}
}

func render(t *testing.T, values string) [][]byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "helm", "template", "trial", "../godwit", "--namespace", "apps",
		"--kube-version", "1.33.0", "--values", values)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var trouble strings.Builder
	cmd.Stderr = &trouble
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", values, err, trouble.String())
	}
	return bytes.Split(out, []byte("\n---\n"))
}
