package dir

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"godwit/storage"
)

func drawHeader(t *rapid.T) logHeader {
	return logHeader{
		generation: rapid.Uint64().Draw(t, "generation"),
		base:       rapid.Uint64().Draw(t, "base"),
		length:     rapid.Int64Min(0).Draw(t, "length"),
		marks:      newMarks(),
	}
}

// A header is read back although either copy of it is damaged, and not when
// both are.
func TestHeaderSurvivesDamageToOneCopy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawHeader(t)
		whole := want.encode()
		if len(whole) != logStart {
			t.Fatalf("%d bytes", len(whole))
		}
		at := rapid.IntRange(0, logStart-1).Draw(t, "at")
		whole[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if got, err := decodeLogHeader(whole); err != nil || got != want {
			t.Fatalf("%+v, %v", got, err)
		}
		whole[(at+headerSize)%logStart] ^= 1
		if _, err := decodeLogHeader(whole); !errors.Is(err, errBadHeader) {
			t.Fatalf("got %v", err)
		}
	})
}

func drawEntry(t *rapid.T) (entryHeader, string, []byte) {
	h := entryHeader{
		kind:    entryKind(rapid.IntRange(1, 2).Draw(t, "kind")),
		seq:     rapid.Uint64().Draw(t, "seq"),
		random:  rapid.Uint64().Draw(t, "random"),
		durable: rapid.Uint64().Draw(t, "durable"),
	}
	key := rapid.StringMatching(`[a-z0-9/._-]{1,60}`).Draw(t, "key")
	return h, key, rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "body")
}

// An entry is read back as it was written, and what was cut off is none.
func TestEntryRoundTrip(t *testing.T) {
	marks := newMarks()
	rapid.Check(t, func(t *rapid.T) {
		h, key, body := drawEntry(t)
		file := appendEntry(nil, marks, h, key, body)
		s := &scanner{f: bytes.NewReader(file), marks: marks, size: int64(len(file))}
		e, err := s.at(0)
		if err != nil || e.kind != foundEntry || e.key != key || e.seq != h.seq || e.size != int64(len(file)) ||
			e.head.kind != h.kind || e.head.random != h.random || e.head.durable != h.durable ||
			!bytes.Equal(e.raw[entryHead+len(key):len(file)-entryFoot], body) {
			t.Fatalf("%+v, %v", e, err)
		}
		s = &scanner{f: bytes.NewReader(file), marks: marks, size: rapid.Int64Range(0, e.size-1).Draw(t, "cut")}
		if e, err := s.at(0); err != nil || e.kind != foundNothing {
			t.Fatalf("cut: %+v, %v", e, err)
		}
	})
}

// An entry that follows others is found whatever lies before it, and damage to
// an entry never makes it another one.
func TestScanOverDamage(t *testing.T) {
	marks := newMarks()
	rapid.Check(t, func(t *rapid.T) {
		h, key, body := drawEntry(t)
		h2, key2, body2 := drawEntry(t)
		first := appendEntry(nil, marks, h, key, body)
		file := appendEntry(bytes.Clone(first), marks, h2, key2, body2)
		for range rapid.IntRange(1, 4).Draw(t, "flips") {
			file[rapid.IntRange(0, len(first)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		}
		s := &scanner{f: bytes.NewReader(file), marks: marks, size: int64(len(file))}
		e, err := s.at(0)
		switch {
		case err != nil || e.size != int64(len(first)):
			t.Fatalf("%+v, %v", e, err)
		case e.kind == foundEntry || e.kind == foundBadBody:
			if e.key != key || e.seq != h.seq {
				t.Fatalf("another entry: %+v", e)
			}
		case e.kind == foundBadHead:
			if e.hash != hashKey(key) || e.seq != h.seq {
				t.Fatalf("another key: %+v", e)
			}
		case e.kind != foundGap || e.seq != h2.seq:
			t.Fatalf("%+v", e)
		}
		if e, err := s.at(e.size); err != nil || e.kind != foundEntry || e.key != key2 {
			t.Fatalf("the next entry: %+v, %v", e, err)
		}
	})
}

// Whatever a file holds, what is found in it lies within it, and no key is one
// that could not have been written.
func FuzzScan(f *testing.F) {
	marks := newMarks()
	entry := appendEntry(nil, marks, entryHeader{kind: entryPut, seq: 7}, "a/b", []byte("body"))
	f.Add([]byte{}, []byte{})
	f.Add([]byte{1}, []byte("before"))
	f.Add(entry[8:], []byte(nil))
	f.Fuzz(func(t *testing.T, junk, between []byte) {
		file := bytes.Join([][]byte{marks.entry[:], junk, entry, between, entry[:len(entry)/2], marks.foot[:], junk, entry}, nil)
		s := &scanner{f: bytes.NewReader(file), marks: marks, size: int64(len(file))}
		for off := int64(0); off < s.size; {
			e, err := s.at(off)
			if err != nil {
				t.Fatal(err)
			}
			if e.kind == foundNothing {
				break
			}
			if e.size <= 0 || off+e.size > s.size {
				t.Fatalf("%+v in %d bytes", e, s.size)
			}
			if e.kind == foundEntry && e.key != "a/b" {
				t.Fatalf("nobody wrote %+v", e)
			}
			off += e.size
		}
	})
}

// Versions order by sequence and differ by random bytes.
func TestVersions(t *testing.T) {
	if a, b := version(1, 9), version(2, 0); a >= b || a == version(1, 8) || len(a) != 32 {
		t.Fatalf("%q, %q", a, b)
	}
	if got := string(version(1, 2)); got != "00000000000000010000000000000002" {
		t.Fatal(got)
	}
}

// Every kind of refusal, and what is written.
func TestDecide(t *testing.T) {
	there := state{slot: slot{seq: 5, random: 6}, present: true}
	damaged, hidden := there, state{kind: storage.ErrCorrupt}
	damaged.kind = storage.ErrCorrupt
	right, wrong := version(5, 6), version(5, 7)
	for _, test := range []struct {
		kind  opKind
		st    state
		old   storage.Version
		want  storage.Kind
		write bool
	}{
		{opCreate, state{}, "", "", true},
		{opCreate, there, "", storage.ErrExists, false},
		{opCreate, damaged, "", storage.ErrExists, false},
		{opCreate, hidden, "", storage.ErrCorrupt, false},
		{opSwap, state{}, right, storage.ErrNotFound, false},
		{opSwap, there, right, "", true},
		{opSwap, there, wrong, storage.ErrMismatch, false},
		{opSwap, there, "", storage.ErrMismatch, false},
		{opSwap, damaged, right, storage.ErrCorrupt, false},
		{opSwap, hidden, right, storage.ErrCorrupt, false},
		{opDelete, state{}, right, "", false},
		{opDelete, there, right, "", true},
		{opDelete, there, wrong, storage.ErrMismatch, false},
		{opDelete, damaged, right, storage.ErrCorrupt, false},
	} {
		if got, write := decide(test.kind, test.st, test.old); got != test.want || write != test.write {
			t.Errorf("%+v: %q, %v", test, got, write)
		}
	}
}
