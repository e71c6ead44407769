package transfer

import (
	"testing"
	"time"
)

const (
	monday  = "Mon, 16 Nov 2026 10:00:00 GMT"
	tuesday = "Tue, 17 Nov 2026 10:00:00 GMT"
)

func TestValidatorSame(t *testing.T) {
	for _, tc := range []struct {
		name string
		a, b Validator
		want bool
	}{
		{"nothing to compare", Validator{}, Validator{ETag: `"a"`}, true},
		{"same strong tag", Validator{ETag: `"a"`}, Validator{ETag: `"a"`}, true},
		{"other strong tag", Validator{ETag: `"a"`}, Validator{ETag: `"b"`}, false},
		{"same strong tag, other date", Validator{ETag: `"a"`, LastModified: monday}, Validator{ETag: `"a"`, LastModified: tuesday}, true},
		{"other strong tag, same date", Validator{ETag: `"a"`, LastModified: monday}, Validator{ETag: `"b"`, LastModified: monday}, false},
		{"same weak tag, same date", Validator{ETag: `W/"a"`, LastModified: monday}, Validator{ETag: `W/"a"`, LastModified: monday}, true},
		{"same weak tag, other date", Validator{ETag: `W/"a"`, LastModified: monday}, Validator{ETag: `W/"a"`, LastModified: tuesday}, false},
		{"weak against strong, other date", Validator{ETag: `W/"a"`, LastModified: monday}, Validator{ETag: `"a"`, LastModified: tuesday}, false},
		{"other weak tag, same date", Validator{ETag: `W/"a"`, LastModified: monday}, Validator{ETag: `W/"b"`, LastModified: monday}, false},
		{"same date only", Validator{LastModified: monday}, Validator{LastModified: monday}, true},
		{"other date only", Validator{LastModified: monday}, Validator{LastModified: tuesday}, false},
		{"same date in another form", Validator{LastModified: monday}, Validator{LastModified: "Monday, 16-Nov-26 10:00:00 GMT"}, true},
		{"tag on one side, date on the other", Validator{ETag: `"a"`}, Validator{LastModified: monday}, true},
		{"dates that are none", Validator{LastModified: "yesterday"}, Validator{LastModified: "today"}, false},
		{"tag without quotes", Validator{ETag: `a`}, Validator{ETag: `b`}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.a.Same(tc.b) != tc.want || tc.b.Same(tc.a) != tc.want {
				t.Fatalf("%+v and %+v: want %v both ways", tc.a, tc.b, tc.want)
			}
		})
	}
}

func TestValidatorStrength(t *testing.T) {
	modified, _ := parseHTTPDate(monday)
	for _, tc := range []struct {
		name    string
		v       Validator
		strong  bool
		ifRange string
	}{
		{"nothing", Validator{}, false, ""},
		{"strong tag", Validator{ETag: `"a"`}, true, `"a"`},
		{"weak tag", Validator{ETag: `W/"a"`}, false, ""},
		{"tag without quotes", Validator{ETag: "a"}, false, ""},
		{"old date", Validator{LastModified: monday, Date: modified.Add(time.Minute)}, true, monday},
		{"fresh date", Validator{LastModified: monday, Date: modified.Add(59 * time.Second)}, false, ""},
		{"date of a clock ahead", Validator{LastModified: monday, Date: modified.Add(-time.Hour)}, false, ""},
		{"date without an answer's date", Validator{LastModified: monday}, false, ""},
		{"weak tag and old date", Validator{ETag: `W/"a"`, LastModified: monday, Date: modified.Add(time.Hour)}, true, ""},
		{"no date at all", Validator{LastModified: "yesterday", Date: modified}, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.v.Strong(); got != tc.strong {
				t.Errorf("strong: %v", got)
			}
			if got := tc.v.IfRange(); got != tc.ifRange {
				t.Errorf("If-Range: %q", got)
			}
		})
	}
}

func FuzzHTTPDate(f *testing.F) {
	for _, s := range []string{monday, "Monday, 16-Nov-26 10:00:00 GMT", "Mon Nov 16 10:00:00 2026", "", "0", "Mon, 31 Feb 2026 10:00:00 GMT"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, ok := parseHTTPDate(s)
		if !ok {
			return
		}
		again, ok := parseHTTPDate(parsed.Format("Mon, 02 Jan 2006 15:04:05 GMT"))
		if parsed.Year() >= 0 && (!ok || !again.Equal(parsed)) {
			t.Fatalf("%q is %v, which reads back as %v %v", s, parsed, again, ok)
		}
	})
}
