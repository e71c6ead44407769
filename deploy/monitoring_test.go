package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"godwit/client"
	"godwit/node"
)

const (
	rulesFile      = "prometheus/alerts.yaml"
	rulesTest      = "prometheus/alerts_test.yaml"
	configFile     = "prometheus/prometheus.yaml"
	dashboardFile  = "grafana/dashboard.json"
	operationsPage = "../docs/operations.md"
)

// rule is an alert as Prometheus reads it.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readRules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	if err := yaml.Unmarshal(read(t, rulesFile), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no rules", rulesFile)
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// queries are all expressions of a dashboard, by the title of their panel.
func queries(t *testing.T) map[string][]string {
	t.Helper()
	type panel struct {
		Title   string
		Targets []struct{ Expr string }
	}
	var board struct {
		Panels      []panel
		Annotations struct{ List []struct{ Name, Expr string } }
		Templating  struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(read(t, dashboardFile), &board); err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			found[p.Title] = append(found[p.Title], target.Expr)
		}
	}
	for _, a := range board.Annotations.List {
		found[a.Name] = append(found[a.Name], a.Expr)
	}
	for _, v := range board.Templating.List {
		found[v.Name] = append(found[v.Name], v.Definition)
	}
	return found
}

// scrape is what Prometheus is told by a node that has done nothing yet.
func scrape(t *testing.T) string {
	t.Helper()
	n, err := node.New(node.Config{
		Name: "n1", DataDir: t.TempDir(), APIAddr: "127.0.0.1:0", RemoteAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0",
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the node ended with %v", err)
		}
	}()
	c, err := client.New(client.Config{Servers: []string{n.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	// Asked again while the node starts.
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + n.Addr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %d, %v", resp.StatusCode, err)
	}
	return string(text)
}

var (
	metricName = regexp.MustCompile(`\b(?:godwit|process|go)_[a-z_]+\b`)
	selector   = regexp.MustCompile(`(godwit_[a-z_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z]+)(=~|=|!=|!~)"([^"]*)"`)
)

// missing says what an expression asks for that a node does not have.
func missing(expr, metrics string) []string {
	var out []string
	for _, name := range metricName.FindAllString(expr, -1) {
		if !strings.Contains(metrics, "\n"+name+"{") && !strings.Contains(metrics, "\n"+name+" ") {
			out = append(out, name)
		}
	}
	for _, s := range selector.FindAllStringSubmatch(expr, -1) {
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			if m[1] == "job" || m[1] == "instance" { // Prometheus adds them
				continue
			}
			for value := range strings.SplitSeq(m[3], "|") {
				series := regexp.MustCompile(fmt.Sprintf(`\n%s\{[^}]*\b%s="%s"`, s[1], m[1], regexp.QuoteMeta(value)))
				if !series.MatchString(metrics) {
					out = append(out, fmt.Sprintf("%s{%s=%q}", s[1], m[1], value))
				}
			}
		}
	}
	return out
}

func TestMonitoringNamesMetricsThatExist(t *testing.T) {
	metrics := scrape(t)
	shown := ""
	for title, all := range queries(t) {
		for _, expr := range all {
			shown += expr + "\n"
			if lack := missing(expr, metrics); lack != nil {
				t.Errorf("dashboard, %s: a node has no %v", title, lack)
			}
		}
	}
	for _, r := range readRules(t) {
		if lack := missing(r.Expr, metrics); lack != nil {
			t.Errorf("%s: a node has no %v", r.Alert, lack)
		}
	}
	for _, name := range metricName.FindAllString(metrics, -1) {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "godwit_") && !strings.Contains(shown, base) {
			t.Errorf("the dashboard does not show %s", base)
		}
	}
}

func TestMissingMetricsAreNoticed(t *testing.T) {
	metrics := "\n" + `godwit_transfers{direction="UPLOAD",state="FAILED"} 0` + "\ngo_goroutines 4\n"
	for expr, want := range map[string][]string{
		`sum(godwit_transfers{state="FAILED",job=~"$job"}) + go_goroutines`: nil,
		`rate(godwit_transfer_total[5m])`:                                   {"godwit_transfer_total"},
		`godwit_transfers{state=~"FAILED|LOST"}`:                            {`godwit_transfers{state="LOST"}`},
		`godwit_transfers{status="FAILED"}`:                                 {`godwit_transfers{status="FAILED"}`},
		`process_start_time_seconds > 0`:                                    {"process_start_time_seconds"},
	} {
		if got := missing(expr, metrics); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", expr, got, want)
		}
	}
}

// Who is woken by a rule is told what it means and what to do.
func TestAlertsAreExplained(t *testing.T) {
	page := string(read(t, operationsPage))
	named := map[string]bool{}
	for _, r := range readRules(t) {
		named[r.Alert] = true
		if want := "docs/operations.md#" + strings.ToLower(r.Alert); r.Annotations["runbook"] != want {
			t.Errorf("%s: runbook %q, want %q", r.Alert, r.Annotations["runbook"], want)
		}
		if !strings.Contains(page, "\n### "+r.Alert+"\n") {
			t.Errorf("%s has no section %s", operationsPage, r.Alert)
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
		}
		for _, key := range []string{"summary", "description"} {
			if r.Annotations[key] == "" {
				t.Errorf("%s has no %s", r.Alert, key)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (Godwit\w+)$`).FindAllStringSubmatch(page, -1) {
		if !named[m[1]] {
			t.Errorf("%s explains %s, which is no rule", operationsPage, m[1])
		}
	}
}

func TestRulesFireWhenTheyShall(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: apt-get install prometheus")
	}
	for _, args := range [][]string{
		{"check", "config", configFile}, {"check", "rules", rulesFile}, {"test", "rules", rulesTest},
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	tested := string(read(t, rulesTest))
	for _, r := range readRules(t) {
		if !strings.Contains(tested, fmt.Sprintf(`alertname="%s"`, r.Alert)) {
			t.Errorf("%s has no series on which %s fires", rulesTest, r.Alert)
		}
	}
}
