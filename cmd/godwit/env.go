package main

import (
	"encoding/csv"
	"strings"

	"github.com/spf13/pflag"
)

// variable is the environment twin of a flag.
func variable(flag string) string {
	return "GODWIT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment fills the flags that the command line left alone. A flag
// filled here counts as given, so that it also outranks the configuration file.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := lookup(variable(f.Name))
		if failed != nil || f.Changed || !ok || value == "" || f.Name == "help" || f.Name == "version" {
			return
		}
		values := []string{value}
		if _, repeats := f.Value.(pflag.SliceValue); repeats {
			var err error
			if values, err = splitList(value); err != nil {
				failed = usagef("%s: not a comma-separated list (an item with a comma needs double quotes)", variable(f.Name))
				return
			}
		}
		if err := assign(f, values); err != nil {
			failed = usagef("%s: %s", variable(f.Name), valueTrouble(err))
		}
	})
	return failed
}

// splitList splits at commas, as CSV does: an item may be in double quotes.
func splitList(s string) ([]string, error) {
	r := csv.NewReader(strings.NewReader(s))
	r.TrimLeadingSpace = true
	return r.Read()
}

// assign sets a flag as if it had been given, replacing a repeated one.
func assign(f *pflag.Flag, values []string) error {
	set := func() error { return f.Value.Set(values[0]) }
	if slice, repeats := f.Value.(pflag.SliceValue); repeats {
		set = func() error { return slice.Replace(values) }
	}
	if err := set(); err != nil {
		return err
	}
	f.Changed = true
	return nil
}
