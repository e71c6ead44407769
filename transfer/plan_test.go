package transfer

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// s3Traits and dirTraits are what the two kinds of store say of themselves.
func s3Traits() Traits {
	return Traits{MinPart: 5 << 20, MaxPart: 5 << 30, PreferredPart: 16 << 20, MaxParts: 10_000}
}

func dirTraits() Traits {
	return Traits{MinPart: 1, MaxPart: 1 << 40, PreferredPart: 16 << 20, MaxParts: 10_000, Derivable: true, ReadBack: true}
}

func TestMakePlan(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for _, tc := range []struct {
		name         string
		size, wanted int64
		traits       Traits
		want         Plan
		count        int
		code         Code
	}{
		{name: "preferred", size: gib, traits: s3Traits(), want: Plan{Size: gib, PartSize: 16 * mib}, count: 64},
		{name: "empty", size: 0, traits: s3Traits(), want: Plan{Size: 0, PartSize: 16 * mib}, count: 0},
		{name: "one byte", size: 1, traits: s3Traits(), want: Plan{Size: 1, PartSize: 16 * mib}, count: 1},
		{name: "just fits", size: 160_000 * mib, traits: s3Traits(), want: Plan{Size: 160_000 * mib, PartSize: 16 * mib}, count: 10_000},
		{name: "B59 raised", size: 160_000*mib + 1, traits: s3Traits(), want: Plan{Size: 160_000*mib + 1, PartSize: 17 * mib}, count: 9412},
		{name: "B59 wanted too small", size: 160_000*mib + 1, wanted: 16 * mib, traits: s3Traits(), code: CodeTooManyParts},
		{name: "wanted", size: gib, wanted: 100 * mib, traits: s3Traits(), want: Plan{Size: gib, PartSize: 100 * mib}, count: 11},
		{name: "one part is enough", size: 16 * mib, traits: dirTraits(), want: Plan{Size: 16 * mib, PartSize: 16 * mib}, count: 1},
		{name: "finer", size: 16*mib + 1, traits: dirTraits(), want: Plan{Size: 16*mib + 1, PartSize: 8 * mib}, count: 3},
		{name: "finer, nearly large", size: 4*gib - 1, traits: dirTraits(), want: Plan{Size: 4*gib - 1, PartSize: 8 * mib}, count: 512},
		{name: "large", size: 4 * gib, traits: dirTraits(), want: Plan{Size: 4 * gib, PartSize: 16 * mib}, count: 256},
		{name: "B58 under the minimum", size: gib, wanted: 5*mib - 1, traits: s3Traits(), code: CodePartSize},
		{name: "B58 over the maximum", size: gib, wanted: 5*gib + 1, traits: s3Traits(), code: CodePartSize},
		{name: "B58 negative", size: gib, wanted: -1, traits: dirTraits(), code: CodePartSize},
		{name: "B57 negative size", size: -2, traits: dirTraits(), code: CodeSizeInvalid},
		{name: "larger than the store", size: 50_001 * gib, traits: s3Traits(), code: CodeTooManyParts},
		{name: "unknown", size: UnknownSize, traits: s3Traits(), want: Plan{UnknownSize, 16 * mib, true}},
		{name: "unknown, wanted small", size: UnknownSize, wanted: 5 * mib, traits: s3Traits(), want: Plan{UnknownSize, 16 * mib, true}},
		{name: "unknown, wanted small, no minimum", size: UnknownSize, wanted: 5 * mib, traits: dirTraits(), want: Plan{UnknownSize, 5 * mib, true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := MakePlan(tc.size, tc.wanted, tc.traits)
			if tc.code != "" {
				if err == nil || err.Code != tc.code {
					t.Fatalf("got %v and error %v, want %s", got, err, tc.code)
				}
				return
			}
			if err != nil || got != tc.want || got.Count() != tc.count {
				t.Fatalf("got %+v with %d parts (%v), want %+v with %d", got, got.Count(), err, tc.want, tc.count)
			}
		})
	}
}

func TestTooManyPartsNamesTheMinimum(t *testing.T) {
	_, err := MakePlan(100_000_001, 5000, Traits{MinPart: 1, MaxPart: 1 << 30, PreferredPart: 1 << 20, MaxParts: 10_000})
	if !errors.Is(err, &Error{Code: CodeTooManyParts}) {
		t.Fatalf("got %v", err)
	}
	if _, again := MakePlan(100_000_001, 10_001, Traits{MinPart: 1, MaxPart: 1 << 30, MaxParts: 10_000}); again != nil {
		t.Fatalf("the named minimum is refused: %v", again)
	}
	if want := "must be at least 10001"; !strings.Contains(err.Message, want) {
		t.Fatalf("%q does not say %q", err.Message, want)
	}
}

// Every byte of the content lies in exactly one part, no part is empty, and
// there are no more of them than the store takes.
func TestPlanCoversContentOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		traits := rapid.SampledFrom([]Traits{s3Traits(), dirTraits()}).Draw(t, "traits")
		size := rapid.OneOf(rapid.Int64Range(0, 1<<20), rapid.Int64Range(0, 40<<40)).Draw(t, "size")
		wanted := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1<<20, 6<<30)).Draw(t, "wanted")
		plan, err := MakePlan(size, wanted, traits)
		if err != nil {
			if wanted == 0 {
				t.Fatalf("the planner's own choice was refused: %v", err)
			}
			return
		}
		if plan.Count() > traits.MaxParts || wanted != 0 && plan.PartSize != wanted {
			t.Fatalf("%d parts of %d bytes, wanted %d", plan.Count(), plan.PartSize, wanted)
		}
		checkCover(t, plan)
	})
}

// Content whose size became known at its end keeps the parts it has.
func TestGrownPlanCoversContentOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan, err := MakePlan(UnknownSize, 0, s3Traits())
		if err != nil {
			t.Fatal(err)
		}
		parts := rapid.IntRange(0, 10_000).Draw(t, "parts")
		offset, size := plan.Part(parts + 1)
		ended := plan
		ended.Size = offset + rapid.Int64Range(0, size-1).Draw(t, "rest")
		checkCover(t, ended)
		for _, n := range []int{1, parts / 2, parts} {
			before, beforeSize := plan.Part(n)
			after, afterSize := ended.Part(n)
			if n <= parts && (before != after || beforeSize != afterSize) {
				t.Fatalf("part %d moved from %d+%d to %d+%d", n, before, beforeSize, after, afterSize)
			}
		}
	})
}

func checkCover(t *rapid.T, plan Plan) {
	t.Helper()
	var end int64
	for n := 1; n <= plan.Count(); n++ {
		offset, size := plan.Part(n)
		if offset != end || size <= 0 {
			t.Fatalf("part %d of %+v is %d+%d, but %d bytes lie before it", n, plan, offset, size, end)
		}
		end += size
	}
	if end != plan.Size {
		t.Fatalf("the parts of %+v end at %d", plan, end)
	}
	if offset, size := plan.Part(plan.Count() + 1); offset != plan.Size || size != 0 {
		t.Fatalf("there is a part after the last: %d+%d", offset, size)
	}
}

func TestUnknownPlanReachesTheLargestObject(t *testing.T) {
	plan, _ := MakePlan(UnknownSize, 0, s3Traits())
	if end := plan.End(10_000); end < 5<<40 {
		t.Fatalf("10,000 parts end at %d bytes", end)
	}
	for n := 1; n <= 10_000; n++ {
		if _, size := plan.Part(n); size > 5<<30 {
			t.Fatalf("part %d has %d bytes", n, size)
		}
	}
	if _, size := plan.Part(1001); size != 32<<20 {
		t.Fatalf("part 1001 has %d bytes, want twice the first", size)
	}
}
