package main

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "512": 512, "512B": 512, "1K": 1 << 10, "1k": 1 << 10, "64KiB": 64 << 10, "2Mi": 2 << 20,
		"10MB": 10 << 20, "1.5G": 3 << 29, "0.5K": 512, "1.0001K": 1024, "3T": 3 << 40, "7P": 7 << 50,
		"9223372036854775807": math.MaxInt64,
	} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("parseBytes(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "K", "-1", "+1", "1e3", "NaN", "Inf", "1 M", " 1", "1.", ".5K", "1X", "1KK", "10 GB",
		"9223372036854775808", "8388608T", "99999999999999999999", "0x10", "1K/s", "１",
	} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("parseBytes(%q) = %d", text, got)
		}
	}
}

func TestRateFlag(t *testing.T) {
	var r rateFlag
	if err := r.Set("10M/s"); err != nil || r != 10<<20 || r.String() != "10M" {
		t.Errorf("10M/s is %d (%s), %v", r, r.String(), err)
	}
}

func TestHumanBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 5 << 30: "5.0 GiB", math.MaxInt64: "8192.0 PiB",
	} {
		if got := humanBytes(n); got != want {
			t.Errorf("humanBytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestExactBytesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, math.MaxInt64).Draw(t, "n") &^ (1<<rapid.IntRange(0, 62).Draw(t, "shift") - 1)
		if got, err := parseBytes(exactBytes(n)); err != nil || got != n {
			t.Fatalf("%d is written %q and read %d, %v", n, exactBytes(n), got, err)
		}
	})
}

func FuzzParseBytes(f *testing.F) {
	for _, s := range []string{"1.5GiB", "64K", "9223372036854775807", "0.000000001P"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseBytes(s)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("parseBytes(%q) = %d", s, n)
		}
		if again, err := parseBytes(exactBytes(n)); err != nil || again != n {
			t.Fatalf("%q: %d does not come back: %d, %v", s, n, again, err)
		}
	})
}
