package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"godwit/node"
	"godwit/node/state"
)

// Codes of what is wrong with a state store or a copy of one.
const (
	codeDamaged  = "state.damaged"
	codeCopy     = "state.copy_invalid"
	codeNotEmpty = "state.not_empty"
	codeInUse    = "state.in_use"
	codeNoState  = "state.not_found"
)

func newState(a *app) *cobra.Command {
	return group("state", "Copy, put back and check what the nodes of a cluster have recorded",
		`  godwit state export backup.tar --state-store 's3://state/godwit?endpoint=http://127.0.0.1:7070'
  godwit state import backup.tar --state-store dir:///var/lib/godwit/state
  godwit state fsck --state-store dir:///var/lib/godwit/state --file-root /srv/files`,
		newStateExport(a), newStateImport(a), newStateFsck(a),
	)
}

func newStateExport(a *app) *cobra.Command {
	var flags nodeFlags
	cmd := &cobra.Command{
		Use:   "export FILE|-",
		Short: "Write a copy of all records into a file, or to standard output",
		Long: `Write a copy of all records of a state store into a file that must not be there, or
to standard output. Nodes may run meanwhile. Secrets stay sealed: keep the secrets
key too, and elsewhere.`,
		Example: `  godwit state export backup.tar --data-dir /var/lib/godwit
  godwit state export - --state-store 's3://state/godwit?endpoint=http://127.0.0.1:7070' | zstd > backup.tar.zst`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := flags.config(a, cmd.Flags())
			if err != nil {
				return err
			}
			out, done, err := a.createFile(args[0])
			if err != nil {
				return err
			}
			summary, err := node.ExportState(cmd.Context(), cfg, out)
			if err = done(err); err != nil {
				return stateError(err)
			}
			if err := a.printSummary(summary, args[0], "written"); err != nil {
				return err
			}
			if n := len(summary.LeftOut); n > 0 {
				return &failure{code: codeDamaged, message: fmt.Sprintf("%s left out of the copy, the first is %s; the others are whole",
					counted(n, "damaged record was", "damaged records were"), summary.LeftOut[0])}
			}
			return nil
		},
	}
	flags.addStores(cmd)
	a.addOutput(cmd)
	return cmd
}

func newStateImport(a *app) *cobra.Command {
	var flags nodeFlags
	var replace bool
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Put a copy back into an empty state store",
		Long: `Put a copy that 'godwit state export' has made back into an empty state store, after
all of it was checked. Stop all nodes before, those of the old store too. Transfers
go on from what the copy says and what their destinations have.`,
		Example: `  godwit state import backup.tar --data-dir /var/lib/godwit
  zstd -d < backup.tar.zst | godwit state import - --state-store 's3://state/new?endpoint=http://127.0.0.1:7070'`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := flags.config(a, cmd.Flags())
			if err != nil {
				return err
			}
			in, done, err := a.openSeekable(args[0])
			if err != nil {
				return err
			}
			defer done()
			summary, err := node.ImportState(cmd.Context(), cfg, in, replace)
			if err != nil {
				return stateError(err)
			}
			return a.printSummary(summary, args[0], "put back")
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "remove what is in the store before; refused while a node runs on it")
	flags.addStores(cmd)
	a.addOutput(cmd)
	return cmd
}

// createFile opens a file that must not be there, or standard output. What it
// returns ends the writing and removes what is not whole.
func (a *app) createFile(path string) (io.Writer, func(error) error, error) {
	if path == "-" {
		return output{a.stdout, "standard output"}, func(err error) error { return err }, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, nil, &failure{code: codeFileExists, message: fmt.Sprintf("%s: the file exists", path), advice: "Nothing is overwritten: move it away, or choose another name.", err: err}
	case err != nil:
		return nil, nil, unwritable(path, err)
	}
	return output{f, path}, func(err error) error {
		if err == nil {
			if err = f.Sync(); err != nil {
				err = unwritable(path, err)
			}
		}
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(path)
		}
		return err
	}, nil
}

// output is what a copy is written to; its errors say that it cannot be.
type output struct {
	io.Writer
	path string
}

func (o output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil {
		err = unwritable(o.path, err)
	}
	return n, err
}

func unwritable(path string, err error) error {
	return &failure{code: codeUnwritable, message: fmt.Sprintf("%s: the file cannot be written: %s", path, reason(err)), err: err}
}

// openSeekable opens a file, or keeps standard input in one.
func (a *app) openSeekable(path string) (io.ReadSeeker, func(), error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, nil, unreadable(path, err)
		}
		return f, func() { _ = f.Close() }, nil
	}
	f, err := os.CreateTemp("", "godwit-import-*")
	if err != nil {
		return nil, nil, &failure{code: codeUnwritable, message: fmt.Sprintf("standard input cannot be kept: %s", reason(err)), err: err}
	}
	done := func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
	if _, err = io.Copy(f, a.stdin); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, nil, unreadable("standard input", err)
	}
	return f, done, nil
}

// stateError gives an error its stable code.
func stateError(err error) error {
	for code, of := range map[string]error{
		codeCopy: state.ErrCopy, codeNotEmpty: state.ErrNotEmpty, codeInUse: state.ErrInUse, codeNoState: state.ErrNoStore,
	} {
		if errors.Is(err, of) {
			return &failure{code: code, message: err.Error(), advice: stateAdvice[code], err: err}
		}
	}
	return err
}

var stateAdvice = map[string]string{
	codeNotEmpty: "Name an empty store; or say --replace, which removes what is there.",
	codeInUse:    "Stop all nodes that use the store.",
}

// printSummary says what was copied; to standard error where the copy itself goes
// to standard output.
func (a *app) printSummary(s state.Summary, path, what string) error {
	if a.format != formatTable && (path != "-" || what != "written") {
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return a.printJSON(text)
	}
	w := a.stdout
	if path == "-" {
		w = a.stderr
	}
	fmt.Fprintf(w, "%s of cluster %s %s, as of %s, SHA-256 %s\n", counted(int(s.Records), "record", "records"),
		printable(s.ClusterID), what, s.Time.Format(time.RFC3339), printable(s.SHA256))
	return nil
}
