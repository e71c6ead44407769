package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"godwit/storage"
)

// Records runs the conformance suite of [storage.RecordStore]. Each subtest
// calls open, which returns a store that holds nothing yet.
func Records(t *testing.T, open func(t *testing.T) storage.RecordStore) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, rs storage.RecordStore)
	}{
		{"create", recordCreate},
		{"compare and swap", recordSwap},
		{"get", recordGet},
		{"delete", recordDelete},
		{"read after write", recordReadAfterWrite},
		{"bodies", recordBodies},
		{"keys", recordKeys},
		{"list pages", recordListPages},
		{"list order", recordListOrder},
		{"list prefix", recordListPrefix},
		{"create race", recordCreateRace},
		{"swap race", recordSwapRace},
		{"counter", recordCounter},
		{"create and delete race", recordCreateDeleteRace},
		{"ended context", recordEndedContext},
		{"settle", recordSettle},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func recordCreate(t *testing.T, rs storage.RecordStore) {
	ctx := t.Context()
	v1 := must(rs.Create(ctx, "a/b", []byte("one")))(t)
	if v1 == "" {
		t.Fatal("empty version")
	}
	_, err := rs.Create(ctx, "a/b", []byte("two"))
	wantKind(t, err, storage.ErrExists)
	_, err = rs.Create(ctx, "a/b", []byte("one"))
	wantKind(t, err, storage.ErrExists)
	wantRecord(t, rs, "a/b", "one", v1)
}

func recordSwap(t *testing.T, rs storage.RecordStore) {
	ctx := t.Context()
	v1 := must(rs.Create(ctx, "k", []byte("one")))(t)
	v2 := must(rs.CompareAndSwap(ctx, "k", []byte("two"), v1))(t)
	if v2 == v1 || v2 == "" {
		t.Fatalf("version %q after %q", v2, v1)
	}
	wantRecord(t, rs, "k", "two", v2)

	_, err := rs.CompareAndSwap(ctx, "k", []byte("three"), v1)
	wantKind(t, err, storage.ErrMismatch)
	_, err = rs.CompareAndSwap(ctx, "k", []byte("three"), "0123456789abcdef0123456789abcdef")
	wantKind(t, err, storage.ErrMismatch)
	wantRecord(t, rs, "k", "two", v2)

	_, err = rs.CompareAndSwap(ctx, "missing", []byte("x"), v1)
	wantKind(t, err, storage.ErrNotFound)
	_, err = rs.Get(ctx, "missing")
	wantKind(t, err, storage.ErrNotFound)
}

func recordGet(t *testing.T, rs storage.RecordStore) {
	_, err := rs.Get(t.Context(), "none/at/all")
	wantKind(t, err, storage.ErrNotFound)
	version := must(rs.Create(t.Context(), "folder/key", []byte("body")))(t)
	_, err = rs.Get(t.Context(), "folder")
	wantKind(t, err, storage.ErrNotFound)
	rec := wantRecord(t, rs, "folder/key", "body", version)
	rec.Body[0] = 'X'
	wantRecord(t, rs, "folder/key", "body", version)
}

func recordDelete(t *testing.T, rs storage.RecordStore) {
	ctx := t.Context()
	if err := rs.Delete(ctx, "k", "0123456789abcdef0123456789abcdef"); err != nil {
		t.Fatalf("deleting an absent key: %v", err)
	}
	v1 := must(rs.Create(ctx, "k", []byte("one")))(t)
	v2 := must(rs.CompareAndSwap(ctx, "k", []byte("two"), v1))(t)

	// A store that ignores the condition has deleted the key; one that
	// honours it says so and keeps the key.
	if err := rs.Delete(ctx, "k", v1); err != nil {
		wantKind(t, err, storage.ErrMismatch)
		wantRecord(t, rs, "k", "two", v2)
	}
	if err := rs.Delete(ctx, "k", v2); err != nil {
		t.Fatal(err)
	}
	_, err := rs.Get(ctx, "k")
	wantKind(t, err, storage.ErrNotFound)
	_, err = rs.CompareAndSwap(ctx, "k", []byte("three"), v2)
	wantKind(t, err, storage.ErrNotFound)
	v3 := must(rs.Create(ctx, "k", []byte("again")))(t)
	wantRecord(t, rs, "k", "again", v3)
}

func recordReadAfterWrite(t *testing.T, rs storage.RecordStore) {
	body := func(i int) string { return fmt.Sprintf("write %d", i) }
	version := must(rs.Create(t.Context(), "k", []byte(body(0))))(t)
	for i := 1; i <= 20; i++ {
		version = must(rs.CompareAndSwap(t.Context(), "k", []byte(body(i)), version))(t)
		wantRecord(t, rs, "k", body(i), version)
	}
}

func recordBodies(t *testing.T, rs storage.RecordStore) {
	ctx := t.Context()
	largest := bytes.Repeat([]byte("0123456789abcdef"), storage.MaxRecordSize/16)
	for name, body := range map[string][]byte{
		"empty": {}, "zeros": make([]byte, 4097), "lines": []byte("\r\n\x00\xff"), "largest": largest,
	} {
		version := must(rs.Create(ctx, name, body))(t)
		wantRecord(t, rs, name, string(body), version)
	}
	tooLarge := append(largest, 'x')
	_, err := rs.Create(ctx, "oversized", tooLarge)
	wantKind(t, err, storage.ErrInvalid)
	_, err = rs.Get(ctx, "oversized")
	wantKind(t, err, storage.ErrNotFound)
	version := must(rs.Create(ctx, "small", []byte("s")))(t)
	_, err = rs.CompareAndSwap(ctx, "small", tooLarge, version)
	wantKind(t, err, storage.ErrInvalid)
	wantRecord(t, rs, "small", "s", version)
}

func recordKeys(t *testing.T, rs storage.RecordStore) {
	ctx := t.Context()
	longest := strings.Repeat("s", storage.MaxKeySegment)
	for _, key := range []string{
		"a", "A-b_c.d", "shards/0a3/t/01JABC", ".dot", "...", "0", longest,
		strings.Repeat("d/", 40) + "deep",
	} {
		version := must(rs.Create(ctx, key, []byte(key)))(t)
		wantRecord(t, rs, key, key, version)
	}
	for _, key := range []string{
		"", "/", "/a", "b/", "a//b", ".", "..", "x/../y", "x/./y", "a b",
		"a\x00b", "a\nb", "é", `a\b`, "a:b", "a%2fb", "a?b", longest + "s", strings.Repeat("k/", 450) + "k",
	} {
		_, err := rs.Create(ctx, key, []byte("x"))
		wantKind(t, err, storage.ErrInvalid)
		_, err = rs.CompareAndSwap(ctx, key, []byte("x"), "1")
		wantKind(t, err, storage.ErrInvalid)
		_, err = rs.Get(ctx, key)
		wantKind(t, err, storage.ErrInvalid)
		wantKind(t, rs.Delete(ctx, key, "1"), storage.ErrInvalid)
	}
}

func recordListPages(t *testing.T, rs storage.RecordStore) {
	var want []string
	for i := range 25 {
		key := fmt.Sprintf("p/%03d", i)
		must(rs.Create(t.Context(), key, []byte(key)))(t)
		want = append(want, key)
	}
	for _, limit := range []int{1, 7, 25, 26, 1000} {
		var got []string
		after := ""
		for {
			page := must(rs.List(t.Context(), "p/", after, limit))(t)
			got = append(got, page...)
			if len(page) < limit {
				break
			}
			after = page[len(page)-1]
		}
		wantKeys(t, got, want)
	}
	// startAfter is exclusive and need not exist.
	wantKeys(t, must(rs.List(t.Context(), "p/", "p/022", 10))(t), want[23:])
	wantKeys(t, must(rs.List(t.Context(), "p/", "p/022x", 10))(t), want[23:])
	wantKeys(t, must(rs.List(t.Context(), "p/", "q", 10))(t), nil)
	wantKeys(t, must(rs.List(t.Context(), "p/", "a", 2))(t), want[:2])
}

// The order is that of the whole key's bytes: '-' and '.' sort before '/', and
// '0' after it.
func recordListOrder(t *testing.T, rs storage.RecordStore) {
	keys := []string{"b/a-b", "b/a.b", "b/a/x", "b/a/y/z", "b/a0", "b/aa", "b/B", "b/_", "b/z/1", "c"}
	for i := range keys {
		must(rs.Create(t.Context(), keys[len(keys)-1-i], []byte(keys[i])))(t)
	}
	want := slices.Sorted(slices.Values(keys))
	wantKeys(t, must(rs.List(t.Context(), "", "", 100))(t), want)
	for i, key := range want {
		wantKeys(t, must(rs.List(t.Context(), "", key, 100))(t), want[i+1:])
	}
}

func recordListPrefix(t *testing.T, rs storage.RecordStore) {
	for _, key := range []string{"ab/1", "ab/2", "abc", "abd/x/1", "b"} {
		must(rs.Create(t.Context(), key, []byte(key)))(t)
	}
	for prefix, want := range map[string][]string{
		"": {"ab/1", "ab/2", "abc", "abd/x/1", "b"}, "ab": {"ab/1", "ab/2", "abc", "abd/x/1"},
		"ab/": {"ab/1", "ab/2"}, "abd/": {"abd/x/1"}, "abd/x/1": {"abd/x/1"}, "abd/x/1/": nil,
		"abc": {"abc"}, "b/": nil, "zzz/": nil, "none/at/all": nil,
	} {
		wantKeys(t, must(rs.List(t.Context(), prefix, "", 100))(t), want)
	}
	version := must(rs.Get(t.Context(), "ab/1"))(t).Version
	if err := rs.Delete(t.Context(), "ab/1", version); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, must(rs.List(t.Context(), "ab/", "", 100))(t), []string{"ab/2"})
	for _, prefix := range []string{"/", "../", "a//", "a b"} {
		_, err := rs.List(t.Context(), prefix, "", 10)
		wantKind(t, err, storage.ErrInvalid)
	}
}

func recordEndedContext(t *testing.T, rs storage.RecordStore) {
	version := must(rs.Create(t.Context(), "k", []byte("one")))(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, create := rs.Create(ctx, "new", []byte("x"))
	_, swap := rs.CompareAndSwap(ctx, "k", []byte("x"), version)
	_, get := rs.Get(ctx, "k")
	_, list := rs.List(ctx, "", "", 10)
	for op, err := range map[string]error{
		"create": create, "swap": swap, "get": get, "list": list,
		"delete": rs.Delete(ctx, "k", version),
	} {
		var e *storage.Error
		if !errors.As(err, &e) || (e.Kind != storage.ErrUnavailable && e.Kind != storage.ErrUnknown) {
			t.Errorf("%s: %v", op, err)
		}
	}
}

// A write that won although it was told otherwise is recognised, and one that
// lost is not.
func recordSettle(t *testing.T, rs storage.RecordStore) {
	ctx := t.Context()
	v1 := must(rs.Create(ctx, "k", []byte("mine")))(t)
	_, again := rs.Create(ctx, "k", []byte("mine"))
	if got := must(storage.Settle(ctx, rs, "k", []byte("mine"), "", again))(t); got != v1 {
		t.Fatalf("settled at %q, want %q", got, v1)
	}
	_, lost := rs.Create(ctx, "k", []byte("other"))
	_, err := storage.Settle(ctx, rs, "k", []byte("other"), "", lost)
	wantKind(t, err, storage.ErrExists)
}
