package main

import (
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSameCommandKeepsSecrets(t *testing.T) {
	for _, args := range [][]string{
		{"get", "-H", "Authorization: sesame", "http://h/x"},
		{"get", "-HX: sesame", "http://h/x"},
		{"get", "--header=X: sesame", "http://h/x"},
		{"get", "http://h/x?sig=sesame"},
		{"get", "http://u:sesame@h/x"},
		{"get", "--mirror=http://h/x?sesame", "http://h/x"},
		{"get", "http://h/%zz:sesame"},
		{"put", "--form", "password=sesame", "http://h/x"},
		{"put", "--form=password=sesame", "http://h/x"},
		{"put", "-Fpassword=sesame", "http://h/x"},
	} {
		if got := sameCommand(args); strings.Contains(got, "sesame") || got == "" {
			t.Errorf("%q: %s", args, got)
		}
	}
	got := sameCommand([]string{"get", "http://h/it's", "--label", "a=b c"})
	if want := `godwit get 'http://h/it'\''s' --label 'a=b c'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A shell reads back what was quoted.
func TestQuoteComesBack(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	words := rapid.SliceOfN(rapid.StringMatching(`[ -~é\n]{0,8}`), 20, 20).Example(1)
	out, err := exec.Command(sh, "-c", `printf '%s\0' `+quoteAll(words)).Output()
	if err != nil || string(out) != strings.Join(words, "\x00")+"\x00" {
		t.Errorf("%q came back as %q, %v", words, out, err)
	}
}
