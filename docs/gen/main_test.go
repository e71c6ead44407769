package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"godwit/transfer"
)

// root is the root of the repository, as seen from here.
const root = "../.."

func TestErrorsPageIsCurrent(t *testing.T) {
	got, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, errorsPage(transfer.Codes())) {
		t.Errorf("%s is not current: go run ./docs/gen", page)
	}
}

func TestErrorsPageHoldsWhatCouldBreakATable(t *testing.T) {
	row := errorsPage([]transfer.CodeInfo{{Code: "a.b", Class: transfer.Restart, Advice: "This | that.", Exit: 1, HTTP: 502, WebStatus: "UNKNOWN"}})
	if want := "| `a.b` | restart | This \\| that. | 1 | 502 | `UNKNOWN` |\n"; !bytes.Contains(row, []byte(want)) {
		t.Errorf("no row %q", want)
	}
}
