// Package godwit_test holds the rules that no single package can check: who may
// import whom, and what every package and every file owes its readers.
package godwit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// pkg is what is known of one package of the module.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	// Standard is set in listings of the standard library only.
	Standard bool
}

// path is the import path within the module, "transfer" for example.
func (p pkg) path() string { return strings.TrimPrefix(p.ImportPath, "godwit/") }

// load lists all packages of the module once.
var load = sync.OnceValues(func() ([]pkg, error) {
	output, err := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,Imports", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var found []pkg
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if len(p.GoFiles) > 0 {
			found = append(found, p)
		}
	}
})

func packages(t *testing.T) []pkg {
	t.Helper()
	found, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Fatalf("only %d packages found", len(found))
	}
	return found
}

// under tells whether a path is that of a folder or below it.
func under(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// mayImport is the import table: for every folder the folders of ours that its
// packages may import besides their own. A package belongs to the longest folder
// that it is under, so that "storage" names neither storage/s3 nor storage/dir:
// a contract is known to more than its implementations are.
var mayImport = map[string][]string{
	"transfer":          {},
	"protos":            {},
	"storage":           {},
	"storage/s3":        {"storage"},
	"storage/dir":       {"storage"},
	"endpoint":          {"transfer"},
	"cluster":           {"protos"},
	"cluster/placement": {},
	"actors":            {"transfer", "storage", "endpoint", "cluster/placement", "protos"},
	"node":              {"actors", "transfer", "storage", "storage/s3", "storage/dir", "endpoint", "cluster", "cluster/placement", "node/mesh", "node/command", "node/state", "protos"},
	"node/mesh":         {"protos"},
	"node/command":      {"transfer"},
	"node/certs":        {},
	"node/state":        {"actors", "transfer", "storage", "storage/dir", "protos"},
	"client":            {"protos"},
	"cmd":               {"node", "node/certs", "node/state", "client", "protos", "transfer"},
	"chaos":             {"node", "client", "protos"},
	"bench":             {},
	"docs":              {"transfer"},
}

// supports are packages that only tests and other such packages import.
var supports = regexp.MustCompile(`(^|/)(\w+test|chaos)(/|$)`)

func TestImportTable(t *testing.T) {
	for _, p := range packages(t) {
		home := longest(p.path(), mayImport)
		if home == "" {
			t.Errorf("%s is in no row of the import table", p.path())
			continue
		}
		for _, imported := range p.Imports {
			if path, ours := strings.CutPrefix(imported, "godwit/"); ours {
				if why := forbidden(p.path(), home, path); why != "" {
					t.Errorf("%s imports %s: %s", p.path(), path, why)
				}
			}
		}
	}
}

// forbidden says why a package must not import another of ours, or "".
func forbidden(from, home, to string) string {
	switch {
	case supports.MatchString(to) && !supports.MatchString(from):
		return "only tests import it"
	case longest(to, mayImport) == home, slices.Contains(mayImport[home], longest(to, mayImport)):
		return ""
	}
	return "the import table has no such edge"
}

// longest returns the longest key that a path is under, or "".
func longest[V any](path string, table map[string]V) string {
	best := ""
	for folder := range table {
		if under(path, folder) && len(folder) > len(best) {
			best = folder
		}
	}
	return best
}

func TestForbiddenEdges(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		allowed  bool
	}{
		{"transfer", "storage", false},
		{"actors", "storage", true},
		{"actors", "storage/s3", false},
		{"actors/fetch", "storage/dir", false},
		{"actors", "actors/fetch", true},
		{"actors", "cluster", false},
		{"actors", "cluster/placement", true},
		{"node", "storage/s3", true},
		{"node", "storage/storagetest", false},
		{"node", "node/mesh", true},
		{"node/mesh", "protos", true},
		{"node/mesh", "transfer", false},
		{"node", "node/command", true},
		{"node", "node/certs", false},
		{"cmd/godwit", "node/certs", true},
		{"node", "node/state", true},
		{"node/state", "node", false},
		{"node/state", "storage/s3", false},
		{"node/command", "transfer", true},
		{"node/command", "endpoint", false},
		{"actors", "node/command", false},
		{"actors", "node/mesh", false},
		{"storage", "storage/s3", false},
		{"storage/s3", "storage", true},
		{"storage/s3", "storage/dir", false},
		{"storage/s3/s3test", "storage", true},
		{"client", "node", false},
		{"endpoint", "storage", false},
		{"cmd/godwit", "actors", false},
	} {
		why := forbidden(tc.from, longest(tc.from, mayImport), tc.to)
		if (why == "") != tc.allowed {
			t.Errorf("%s to %s: allowed %v (%s)", tc.from, tc.to, why == "", why)
		}
	}
}

// owners are the folders that alone import a module.
var owners = map[string][]string{
	"github.com/minio/minio-go/v7":             {"storage/s3"},
	"github.com/asynkron/protoactor-go/actor":  {"actors", "node"},
	"github.com/asynkron/protoactor-go/remote": {"node/mesh"},
	"google.golang.org/grpc":                   {"node/mesh"},
	"github.com/hashicorp/memberlist":          {"cluster"},
	"github.com/prometheus/client_golang":      {"node"},
	"github.com/spf13":                         {"cmd"},
	"github.com/vbauerster/mpb":                {"cmd"},
	"connectrpc.com/connect":                   {"node", "client", "protos", "cmd"},
	"github.com/anishathalye/porcupine":        {"chaos"},
	"github.com/standard-webhooks":             {"endpoint"},
	"github.com/dunglas/httpsfv":               {"endpoint"},
	"testing":                                  {"storage/storagetest", "storage/s3/s3test", "endpoint/endpointtest", "actors/actorstest", "cluster/clustertest"},
}

func TestModulesHaveOwners(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			module := longest(imported, owners)
			if module == "" {
				continue
			}
			if !slices.ContainsFunc(owners[module], func(f string) bool { return under(p.path(), f) }) {
				t.Errorf("%s imports %s, which belongs to %v", p.path(), imported, owners[module])
			}
		}
	}
}

// purely are all packages that transfer may import besides the standard
// library; acts are those of the standard library that act on the world.
var (
	purely = []string{"golang.org/x/net/idna", "golang.org/x/net/http/httpguts", "golang.org/x/text/unicode/norm"}
	acts   = []string{"context", "io", "io/fs", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "os", "os/exec", "runtime", "sync", "sync/atomic", "syscall", "testing"}
)

func TestTransferIsPure(t *testing.T) {
	for _, p := range packages(t) {
		if !under(p.path(), "transfer") {
			continue
		}
		for _, imported := range p.Imports {
			thirdParty := strings.Contains(strings.SplitN(imported, "/", 2)[0], ".")
			if thirdParty && (p.path() != "transfer" || !slices.Contains(purely, imported)) || slices.Contains(acts, imported) {
				t.Errorf("%s imports %s", p.path(), imported)
			}
		}
		for name, file := range parse(t, p) {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s starts a goroutine", name)
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Sleep", "After", "AfterFunc", "Since", "Until", "NewTimer", "NewTicker", "Tick"}, n.Sel.Name) {
						t.Errorf("%s reads the clock: time.%s", name, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// parse reads the files of a package, those of tests and generated ones left out.
func parse(t *testing.T, p pkg) map[string]*ast.File {
	t.Helper()
	files := make(map[string]*ast.File)
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if !ast.IsGenerated(file) {
			files[p.path()+"/"+name] = file
		}
	}
	return files
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		files := parse(t, p)
		if len(files) == 0 {
			continue // generated as a whole
		}
		var docs []string
		for name, file := range files {
			if file.Doc != nil {
				docs = append(docs, name)
				if text := file.Doc.Text(); !strings.HasPrefix(text, "Package "+file.Name.Name+" ") && !strings.HasPrefix(text, "Command ") {
					t.Errorf("%s: the package comment begins %.30q", name, text)
				}
			}
		}
		if len(docs) != 1 {
			t.Errorf("%s has %d package comments, not 1: %v", p.path(), len(docs), docs)
		}
	}
}

func TestEveryExportIsDocumented(t *testing.T) {
	for _, p := range packages(t) {
		for name, file := range parse(t, p) {
			if file.Name.Name == "main" {
				continue
			}
			for _, decl := range file.Decls {
				for _, missing := range undocumented(decl) {
					t.Errorf("%s: %s has no comment", name, missing)
				}
			}
		}
	}
}

// undocumented returns the exported names of a declaration that lack a comment.
// A group of constants or variables may share one.
func undocumented(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && exportedReceiver(d) && d.Doc == nil && !conventional(d) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && s.Doc == nil && (d.Doc == nil || d.Lparen.IsValid()) && s.Comment == nil {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

// conventional are methods whose meaning their name fixes.
func conventional(d *ast.FuncDecl) bool {
	return d.Recv != nil && slices.Contains([]string{"Error", "Unwrap", "String", "Is", "As", "Len", "Less", "Swap"}, d.Name.Name)
}

// exportedReceiver tells whether a function is reachable: it has no receiver,
// or one of an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	ident, ok := typ.(*ast.Ident)
	return ok && ident.IsExported()
}

// unfinished are marks of work that was left for later. They are put together
// here so that this file does not hold them.
var unfinished = regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"}, "|") + `)\b`)

// maxFileLines is how long a file may be that is neither a test nor generated.
const maxFileLines = 400

func TestFilesAreFinishedAndShort(t *testing.T) {
	for _, p := range packages(t) {
		written := parse(t, p)
		names, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			body, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if mark := unfinished.Find(body); mark != nil {
				t.Errorf("%s says %s", name, mark)
			}
			lines := bytes.Count(body, []byte("\n"))
			if _, ours := written[p.path()+"/"+filepath.Base(name)]; ours && lines > maxFileLines {
				t.Errorf("%s has %d lines", name, lines)
			}
		}
	}
}
