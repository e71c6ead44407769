package storage_test

import (
	"strings"
	"testing"

	"godwit/storage"
)

func TestValidKey(t *testing.T) {
	long := strings.Repeat("a", storage.MaxKeySegment)
	for key, want := range map[string]bool{
		"cluster": true, "shards/0a3/t/01J.x_y-z": true, "...": true, ".hidden": true, long: true,
		"": false, "/a": false, "a/": false, "a//b": false, ".": false, "..": false, "a/../b": false,
		"a b": false, "a\x00": false, "é": false, "a\\b": false, "a:b": false, long + "a": false,
		strings.Repeat(long+"/", 3) + strings.Repeat("b", 132): true,
		strings.Repeat(long+"/", 3) + strings.Repeat("b", 133): false,
	} {
		if got := storage.ValidKey(key); got != want {
			t.Errorf("ValidKey(%.40q…, %d bytes) = %v", key, len(key), got)
		}
	}
}

func TestValidPrefix(t *testing.T) {
	for prefix, want := range map[string]bool{
		"": true, "a": true, "a/": true, "a/b": true, "a/.": true, ".": true,
		"/": false, "a//": false, "../": false, "./a": false, "a b": false,
	} {
		if got := storage.ValidPrefix(prefix); got != want {
			t.Errorf("ValidPrefix(%q) = %v", prefix, got)
		}
	}
}

// Whatever is a key, each of its beginnings is a prefix.
func FuzzValidKey(f *testing.F) {
	f.Add("shards/0a3/t/01J")
	f.Add("a/../b")
	f.Fuzz(func(t *testing.T, key string) {
		if !storage.ValidKey(key) {
			return
		}
		for i := range len(key) + 1 {
			if !storage.ValidPrefix(key[:i]) {
				t.Fatalf("%q is a key, %q no prefix", key, key[:i])
			}
		}
	})
}
