package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// limitRow is a row of docs/limits.md: what, value, `package.constant`.
var limitRow = regexp.MustCompile("^\\|[^|]+\\| ([^|]+) \\|[^|]*\\| `([a-z0-9/]+)\\.(\\w+)` \\|$")

// TestLimitsAreThoseOfTheCode reads every constant that the page names from the
// source and compares it with the value that the page gives.
func TestLimitsAreThoseOfTheCode(t *testing.T) {
	body, err := os.ReadFile(filepath.Join(root, "docs/limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(body)) {
		m := limitRow.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			if strings.Contains(line, "| `") {
				t.Errorf("a row that cannot be checked: %s", line)
			}
			continue
		}
		rows++
		want, err := parseLimit(m[1])
		if err != nil {
			t.Errorf("%s.%s: %v", m[2], m[3], err)
			continue
		}
		got, err := constantOf(filepath.Join(root, m[2]), m[3])
		if err != nil || got != want {
			t.Errorf("%s.%s is %d (%v), not %s", m[2], m[3], got, err, m[1])
		}
	}
	if rows < 40 {
		t.Errorf("only %d rows", rows)
	}
}

// parseLimit reads "16 MiB", "10 s", "8192", "10,000", "20 pages".
func parseLimit(text string) (int64, error) {
	number, unit, _ := strings.Cut(strings.ReplaceAll(text, ",", ""), " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number with a unit", text)
	}
	factors := map[string]int64{
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
		"KiB/s": 1 << 10, "MiB/s": 1 << 20,
		"ms": int64(time.Millisecond), "s": int64(time.Second), "min": int64(time.Minute), "h": int64(time.Hour),
	}
	if f, known := factors[unit]; known {
		n *= f
	}
	return n, nil
}

// constantOf evaluates an integer constant of the package in a folder.
func constantOf(dir, name string) (int64, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return 0, err
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return 0, err
		}
		if value := valueIn(file, name); value != nil {
			result, err := evaluate(dir, value)
			if err != nil {
				return 0, err
			}
			n, exact := constant.Int64Val(constant.ToInt(result))
			if !exact {
				return 0, fmt.Errorf("%s is no integer", name)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("there is no constant %s in %s", name, dir)
}

// valueIn returns the expression that a file gives a constant, or nil.
func valueIn(file *ast.File, name string) (value ast.Expr) {
	ast.Inspect(file, func(n ast.Node) bool {
		decl, ok := n.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST {
			return true
		}
		for _, spec := range decl.Specs {
			s := spec.(*ast.ValueSpec)
			for i, ident := range s.Names {
				if ident.Name == name && i < len(s.Values) {
					value = s.Values[i]
				}
			}
		}
		return false
	})
	return value
}

// durations are the constants of package time.
var durations = map[string]time.Duration{
	"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
}

// evaluate computes a constant expression of literals, other constants of the
// package, durations and arithmetic.
func evaluate(dir string, expr ast.Expr) (constant.Value, error) {
	switch e := expr.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0), nil
	case *ast.ParenExpr:
		return evaluate(dir, e.X)
	case *ast.SelectorExpr:
		if d, known := durations[e.Sel.Name]; known {
			return constant.MakeInt64(int64(d)), nil
		}
	case *ast.Ident:
		n, err := constantOf(dir, e.Name)
		return constant.MakeInt64(n), err
	case *ast.BinaryExpr:
		x, err := evaluate(dir, e.X)
		if err != nil {
			return nil, err
		}
		y, err := evaluate(dir, e.Y)
		if err != nil {
			return nil, err
		}
		if e.Op == token.SHL {
			by, exact := constant.Uint64Val(y)
			if !exact || by > math.MaxInt8 {
				return nil, fmt.Errorf("a shift by %v", y)
			}
			return constant.Shift(x, e.Op, uint(by)), nil
		}
		return constant.BinaryOp(x, e.Op, y), nil
	}
	return nil, fmt.Errorf("an expression of a kind that this test does not know: %T", expr)
}

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]int64{
		"16 MiB": 16 << 20, "10,000": 10000, "10 s": int64(10 * time.Second), "64 KiB": 64 << 10, "20 pages": 20,
	} {
		if got, err := parseLimit(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	if _, err := parseLimit("many"); err == nil {
		t.Error("many is a limit")
	}
}
