package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestParseByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{
		"0": 0, "17": 17, "512k": 512 * kib, "64KiB": 64 * kib, "16M": 16 * mib, " 2GiB ": 2 * gib, "1gb": gib, "9B": 9,
	} {
		if got, err := parseByteSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "M", "-1", "1.5G", "1T", "9223372036854775807K", "1 M x"} {
		if got, err := parseByteSize(text); err == nil {
			t.Errorf("%q: %d, want an error", text, got)
		}
	}
}

func FuzzParseByteSize(f *testing.F) {
	for _, seed := range []string{"64MiB", "2g", "-1", "kib", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := parseByteSize(text)
		if err != nil {
			return
		}
		again, err := parseByteSize(size.String())
		if size < 0 || err != nil || again != size {
			t.Fatalf("%q is %d, written %q, read as %d, %v", text, int64(size), size.String(), again, err)
		}
	})
}

func TestScaledSizesStayUsable(t *testing.T) {
	if got := (2 * gib).scaled(0.5); got != gib {
		t.Errorf("half of 2 GiB is %s", &got)
	}
	if got := (2 * gib).scaled(1e-9); got != kib {
		t.Errorf("nearly nothing of 2 GiB is %s", &got)
	}
	batch := row{size: 64 * kib, count: 10_000}.scaled(0.01)
	if batch.size != 64*kib || batch.count != 100 || batch.bytes() != 100*64<<10 {
		t.Errorf("a hundredth of the batch is %d files of %s", batch.count, &batch.size)
	}
}

func TestParseOptions(t *testing.T) {
	o, err := parseOptions([]string{"-row", "disk, rtt", "-tool", "curl", "-rounds", "5", "-kill-size", "64M"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.rows, []string{"disk", "rtt"}) || o.rounds != 5 || o.killSize != 64*mib {
		t.Errorf("%+v", o)
	}
	if !wants(o.tools, "curl -o", false) || wants(o.tools, "wget2", false) || !wants(nil, "wget2", true) || wants(o.rows, "dis", true) {
		t.Error("the selection is wrong")
	}
	for _, args := range [][]string{
		{"-scenario", "sleep"},
		{"-rounds", "0"},
		{"-scale", "0"},
		{"-row", "disc"},
		{"-kill-size", "1"},
		{"-kill-rate", "1"},
		{"-timeout", "0s"},
		{"extra"},
		{"-no-such-flag"},
	} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%q is accepted", strings.Join(args, " "))
		}
	}
}
