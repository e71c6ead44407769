package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func meanInt(a, b int) int { return a + (b-a)/2 }

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		values []int
		want   int
	}{
		{nil, 0},
		{[]int{7}, 7},
		{[]int{9, 1}, 5},
		{[]int{3, 1, 2}, 2},
		{[]int{100, 1, 2, 3}, 2},
	} {
		if got := median(tc.values, meanInt); got != tc.want {
			t.Errorf("median of %v is %d, want %d", tc.values, got, tc.want)
		}
	}
}

func TestMedianDoesNotDependOnTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.IntRange(-1000, 1000)).Draw(t, "values")
		kept := slices.Clone(values)
		got := median(values, meanInt)
		if !slices.Equal(values, kept) {
			t.Fatal("the values were reordered")
		}
		if again := median(rapid.Permutation(values).Draw(t, "order"), meanInt); got != again {
			t.Fatalf("%d in one order, %d in another", got, again)
		}
		var below, above int
		for _, v := range values {
			if v < got {
				below++
			}
			if v > got {
				above++
			}
		}
		if 2*below > len(values) || 2*above > len(values) {
			t.Fatalf("%d is not in the middle of %v", got, values)
		}
	})
}

func TestMedianSampleTakesEachQuantityByItself(t *testing.T) {
	got := medianSample([]sample{
		{wall: 1 * time.Second, cpu: 30 * time.Second, rss: 200},
		{wall: 3 * time.Second, cpu: 10 * time.Second, rss: 100},
		{wall: 2 * time.Second, cpu: 20 * time.Second, rss: 300},
	})
	if want := (sample{wall: 2 * time.Second, cpu: 20 * time.Second, rss: 200}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRatesAreDecimal(t *testing.T) {
	if got := megabytesPerSecond(3_000_000, 1500*time.Millisecond); got != 2 {
		t.Errorf("%v MB/s", got)
	}
	if got := cpuPerGigabyte(3*time.Second, 1_500_000_000); got != 2 {
		t.Errorf("%v CPU s/GB", got)
	}
	if megabytesPerSecond(1, 0) != 0 || cpuPerGigabyte(time.Second, 0) != 0 {
		t.Error("a rate of nothing is not zero")
	}
}

func TestTableIsMarkdown(t *testing.T) {
	tb := table{head: []string{"tool", "MB/s"}}
	tb.add("curl", "494")
	tb.add("godwit get", "7")
	want := strings.Join([]string{
		"| tool       | MB/s |",
		"| ---------- | ---: |",
		"| curl       |  494 |",
		"| godwit get |    7 |",
		"",
	}, "\n")
	if got := tb.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
