package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// wordFlag is a flag that takes one of a few words.
type wordFlag struct {
	value   *string
	allowed []string
}

func (w wordFlag) String() string {
	if w.value == nil {
		return ""
	}
	return *w.value
}

func (w wordFlag) Type() string { return strings.Join(w.allowed, "|") }

func (w wordFlag) Set(s string) error {
	if !slices.Contains(w.allowed, s) {
		return fmt.Errorf("must be one of %s", strings.Join(w.allowed, ", "))
	}
	*w.value = s
	return nil
}

var _ pflag.Value = wordFlag{}

// addWord adds such a flag, with completion of its words.
func addWord(cmd *cobra.Command, value *string, name, short, usage string, allowed ...string) {
	cmd.Flags().VarP(wordFlag{value: value, allowed: allowed}, name, short, usage)
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return allowed, cobra.ShellCompDirectiveNoFileComp
	}
	if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err) // the flag was added above
	}
}

// enum finds the API's number of a word: "unrestricted-only" is
// UNRESTRICTED_ONLY. The empty word is the unspecified value.
func enum[E ~int32](values map[string]int32, word string) E {
	return E(values[strings.ToUpper(strings.ReplaceAll(word, "-", "_"))])
}
