package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newRoot assembles the commands. Flags are filled from the environment before
// any command runs.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "godwit",
		Short: "Move big files in the background, and do not let go of them",
		Long: `godwit downloads and uploads big files and survives whatever happens meanwhile:
the same command, run again after any crash, goes on where it was.`,
		Example: `  godwit get https://example.com/big.iso
  godwit get https://example.com/big.iso s3://bucket/big.iso
  godwit put big.iso https://example.com/uploads/big.iso
  godwit serve --file-root /srv/files
  godwit transfer ls --server http://127.0.0.1:7480`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return fromEnvironment(cmd.Flags(), a.lookup)
		},
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%s; see '%s --help'", flagTrouble(err), cmd.CommandPath())
	})
	root.AddCommand(
		newGet(a), newPut(a), newServe(a), newTransfer(a), newGroup(a), newCompletion(a), newTask(a), newNode(a),
		newHealth(a), newDoctor(a), newState(a), newCerts(a), newDemo(a),
		newVersion(a), newCompletionScript(a),
	)
	return root
}

// flagTrouble is what is wrong with a command line, in words for a person.
func flagTrouble(err error) string {
	var invalid *pflag.InvalidValueError
	var number *strconv.NumError
	if errors.As(err, &invalid) && errors.As(err, &number) {
		return fmt.Sprintf("--%s: %s", invalid.GetFlag().Name, valueTrouble(number))
	}
	return err.Error()
}

// valueTrouble hides how numbers are read: %v of such an error names functions
// of the library.
func valueTrouble(err error) string {
	var number *strconv.NumError
	switch {
	case !errors.As(err, &number):
		return err.Error()
	case errors.Is(err, strconv.ErrRange):
		return fmt.Sprintf("%q is out of range", number.Num)
	case number.Func == "ParseBool":
		return fmt.Sprintf("%q is neither true nor false", number.Num)
	}
	return fmt.Sprintf("%q is no whole number", number.Num)
}

// unknownCommand names the nearest commands.
func unknownCommand(cmd *cobra.Command, word string) error {
	cmd.SuggestionsMinimumDistance = 2
	hint := ""
	for _, s := range cmd.SuggestionsFor(word) {
		hint += fmt.Sprintf("; did you mean '%s %s'?", cmd.CommandPath(), s)
	}
	return usagef("unknown command %q%s; see '%s --help'", word, hint, cmd.CommandPath())
}

// group makes a command that only holds others.
func group(use, short string, example string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return usagef("a command is missing; see '%s --help'", cmd.CommandPath())
		},
	}
	cmd.AddCommand(subs...)
	return cmd
}

// arguments is a cobra validator whose failure says what was expected.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("an argument is missing: %s", cmd.UseLine())
		case most >= 0 && len(args) > most:
			return usagef("%q is too much: %s", args[most], cmd.UseLine())
		}
		return nil
	}
}
