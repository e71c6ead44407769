package bug

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// seededWith compiles this package with build tags and returns the value of Seeded.
func seededWith(t *testing.T, tags ...string) (Bug, error) {
	t.Helper()
	c := build.Default
	c.BuildTags = tags
	found, err := c.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range found.GoFiles {
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	p, err := new(types.Config).Check("bug", fset, parsed, nil)
	if err != nil {
		return "", err
	}
	seeded, ok := p.Scope().Lookup("Seeded").(*types.Const)
	if !ok {
		return "", fmt.Errorf("%q have no Seeded", found.GoFiles)
	}
	return Bug(constant.StringVal(seeded.Val())), nil
}

func TestNothingIsSeededUnlessAskedFor(t *testing.T) {
	for _, tags := range [][]string{nil, {"history"}, {"bug_no_backoff"}} {
		if got, err := seededWith(t, tags...); got != None || err != nil {
			t.Errorf("tags %q: %q %v", tags, got, err)
		}
	}
	if got, err := seededWith(t, "seeded"); err == nil {
		t.Errorf("seeded with nothing compiles, with %q", got)
	}
	if got, err := seededWith(t, "seeded", "bug_no_backoff", "bug_decode_gzip"); err == nil {
		t.Errorf("two bugs compile, with %q", got)
	}
}

func TestEachTagSeedsItsBug(t *testing.T) {
	var files []string
	for _, b := range All {
		if got, err := seededWith(t, "history", "seeded", "bug_"+string(b)); got != b || err != nil {
			t.Errorf("%s: %q %v", b, got, err)
		}
		files = append(files, string(b)+".go")
	}
	there, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range there {
		if !slices.Contains(files, name) && !slices.Contains([]string{"bug.go", "none.go", "any.go", "bug_test.go"}, name) {
			t.Errorf("%s belongs to no bug that is named", name)
		}
	}
}

// TestEachBugIsSomewhere holds the names against the code: one that nothing
// compares Seeded with changes nothing.
func TestEachBugIsSomewhere(t *testing.T) {
	fset := token.NewFileSet()
	names, used := map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, filepath.Join("..", "chaos")) {
			return err
		}
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && path == filepath.Join("..", "bug", "bug.go") && types.ExprString(spec.Names[0]) != "All" {
				names[spec.Names[0].Name] = true
			}
			if s, ok := n.(*ast.SelectorExpr); ok && types.ExprString(s.X) == "bug" {
				used[s.Sel.Name] = true
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(names, "None")
	if len(names) != len(All) {
		t.Errorf("All has %d of %d names", len(All), len(names))
	}
	for name := range names {
		if !used[name] {
			t.Errorf("%s is nowhere in the product", name)
		}
	}
}
