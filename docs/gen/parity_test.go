package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "godwit/protos/godwit/v1" // registers what the page names
)

// parityPage says where each member of the original's API is found.
const parityPage = "docs/background-transfer.md"

// quoted is what stands between backticks.
var quoted = regexp.MustCompile("`([^`]+)`")

// parityRows are the cells of all rows of tables of the page, without heads.
func parityRows(t *testing.T) (rows [][]string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(root, parityPage))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(strings.ReplaceAll(string(body), `\|`, "/")) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| ---") || strings.HasSuffix(line, "| test |") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if len(rows) < 180 {
		t.Fatalf("only %d rows", len(rows))
	}
	return rows
}

// TestParityPageNamesTests wants every row to be planned or to name tests that
// there are.
func TestParityPageNamesTests(t *testing.T) {
	sources := map[string]string{}
	for _, cells := range parityRows(t) {
		last := cells[len(cells)-1]
		names := quoted.FindAllStringSubmatch(last, -1)
		if last != "planned" && len(names) == 0 {
			t.Errorf("%s: neither a test nor planned", cells[0])
		}
		for _, name := range names {
			if why := noTest(name[1], sources); why != "" {
				t.Errorf("%s: %s", cells[0], why)
			}
		}
	}
}

// noTest says why "folder.Test/subtest" names no test, or "". Sources keeps the
// tests of the folders read.
func noTest(name string, sources map[string]string) string {
	folder, test, found := strings.Cut(name, ".")
	if !found {
		return name + " names no package"
	}
	if _, read := sources[folder]; !read {
		files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
		if err != nil {
			return err.Error()
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				return err.Error()
			}
			sources[folder] += string(content)
		}
	}
	parts := strings.Split(test, "/")
	if !strings.Contains(sources[folder], "\nfunc "+parts[0]+"(") {
		return "no test " + parts[0] + " in " + folder
	}
	for _, part := range parts[1:] {
		_, err := os.Stat(filepath.Join(root, folder, "testdata", part+".txt"))
		if err != nil && !strings.Contains(sources[folder], strconv.Quote(part)) {
			return "no subtest " + part + " of " + parts[0]
		}
	}
	return ""
}

// TestParityPageNamesTheAPI wants messages, fields, values, methods, commands and
// flags that the page names to exist.
func TestParityPageNamesTheAPI(t *testing.T) {
	commands := commandSource(t)
	for _, cells := range parityRows(t) {
		if len(cells) != 4 {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[2], -1) {
			if _, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("godwit.v1." + m[1])); err != nil {
				t.Errorf("%s: %s: %v", cells[0], m[1], err)
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			for _, word := range strings.Fields(m[1]) {
				flag := strings.HasPrefix(word, "--")
				if !flag && !strings.HasPrefix(m[1], "godwit ") || word == "godwit" || !flag && strings.ToLower(word) != word || strings.Contains(word, ":") {
					continue
				}
				if word = strings.TrimPrefix(word, "--"); !strings.Contains(commands, `"`+word+`"`) && !strings.Contains(commands, `"`+word+" ") {
					t.Errorf("%s: no command or flag %s", cells[0], word)
				}
			}
		}
	}
}

func commandSource(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range []string{"cmd/godwit", "node"} {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(content)
		}
	}
	return all.String()
}

// parityLine is a line of the checklist in the source.
var parityLine = regexp.MustCompile(`(?m)^\t\{"([^"]+)", parity\w+\},$`)

// TestParityPageIsComplete wants every line of the checklist to be on the page.
func TestParityPageIsComplete(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, parityPage))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "node/parity_*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range parityLine.FindAllStringSubmatch(string(content), -1) {
			lines++
			if !strings.Contains(string(page), "/"+m[1]+"`") {
				t.Errorf("%s is not on the page", m[1])
			}
		}
	}
	if lines < 50 {
		t.Errorf("only %d lines", lines)
	}
}

func TestNoTest(t *testing.T) {
	for name, there := range map[string]bool{
		"docs/gen.TestNoTest": true, "docs/gen.TestNone": false, "TestNoTest": false, "none.TestNoTest": false,
		"node.TestParity/Control/start is idempotent": true, "node.TestParity/Control/stop is": false, "transfer.TestHistories/offline": true,
	} {
		if why := noTest(name, map[string]string{}); (why == "") != there {
			t.Errorf("%s: %q", name, why)
		}
	}
}
