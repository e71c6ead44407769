package main

import (
	"slices"
	"testing"

	"github.com/spf13/pflag"
)

func environment(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := pairs[name]; return v, ok }
}

func TestEnvironmentFillsWhatIsNotGiven(t *testing.T) {
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	given := fs.String("data-dir", "default", "")
	filled := fs.String("state-store", "default", "")
	empty := fs.String("empty", "default", "")
	headers := fs.StringArray("header", nil, "")
	codes := fs.Int32Slice("recoverable", nil, "")
	quiet := fs.Bool("quiet", false, "")
	if err := fs.Parse([]string{"--data-dir", "flag"}); err != nil {
		t.Fatal(err)
	}
	err := fromEnvironment(fs, environment(map[string]string{
		"GODWIT_DATA_DIR": "env", "GODWIT_STATE_STORE": "env", "GODWIT_EMPTY": "",
		"GODWIT_HEADER": `A: 1, "B: 2, 3"`, "GODWIT_RECOVERABLE": "403,404", "GODWIT_QUIET": "1",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if *given != "flag" || *filled != "env" || *empty != "default" || !*quiet {
		t.Errorf("data-dir %q, state-store %q, empty %q, quiet %v", *given, *filled, *empty, *quiet)
	}
	if !slices.Equal(*headers, []string{"A: 1", "B: 2, 3"}) || !slices.Equal(*codes, []int32{403, 404}) {
		t.Errorf("headers %q, recoverable %v", *headers, *codes)
	}
	if !fs.Changed("state-store") || !fs.Changed("header") || fs.Changed("empty") {
		t.Error("what the environment fills must count as given, and only that")
	}
}

func TestEnvironmentNamesTheVariable(t *testing.T) {
	for name, value := range map[string]string{"GODWIT_SLOTS": "many", "GODWIT_HEADER": `"open`} {
		fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
		fs.Int("slots", 1, "")
		fs.StringArray("header", nil, "")
		err := fromEnvironment(fs, environment(map[string]string{name: value}))
		if m := describe(err); err == nil || m.GetCode() != codeUsage || len(m.GetMessage()) < len(name) || m.GetMessage()[:len(name)] != name {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}
