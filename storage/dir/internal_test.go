package dir

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"godwit/storage"
)

// While one sync runs, all others share the next; each caller's sync begins
// after its call.
func TestDirSyncMerges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, finish := make(chan string), make(chan error)
		syncs := newDirSync()
		syncs.sync = func(dir string) error {
			started <- dir
			return <-finish
		}
		var wg sync.WaitGroup
		errs := make([]error, 9)
		call := func(i int) { wg.Go(func() { errs[i] = syncs.Sync("d") }) }
		call(0)
		<-started
		for i := 1; i < 8; i++ {
			call(i)
		}
		synctest.Wait()
		finish <- nil
		<-started // the seven that came meanwhile
		call(8)
		synctest.Wait()
		broken := errors.New("broken")
		finish <- broken
		<-started // the one that came after the second had begun
		finish <- nil
		wg.Wait()
		for i, err := range errs {
			if want := i > 0 && i < 8; errors.Is(err, broken) != want {
				t.Errorf("call %d: %v", i, err)
			}
		}
		if len(syncs.dirs) != 0 {
			t.Errorf("%d directories are still known", len(syncs.dirs))
		}
	})
}

// Different directories do not wait for each other.
func TestDirSyncOfSeveralDirectories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		syncs := newDirSync()
		syncs.sync = func(dir string) error {
			if dir == "slow" {
				<-release
			}
			return nil
		}
		slow := make(chan error, 1)
		go func() { slow <- syncs.Sync("slow") }()
		synctest.Wait()
		if err := syncs.Sync("fast"); err != nil {
			t.Error(err)
		}
		close(release)
		if err := <-slow; err != nil {
			t.Error(err)
		}
	})
}

func drawPart(t *rapid.T) storage.Part {
	part := storage.Part{
		Number: rapid.IntRange(1, maxParts).Draw(t, "number"),
		Offset: rapid.Int64Range(0, 1<<50).Draw(t, "offset"),
		Size:   rapid.Int64Range(0, maxPart).Draw(t, "size"),
		CRC64:  rapid.Uint64().Draw(t, "crc"),
	}
	part.ETag = partETag(part.CRC64)
	return part
}

// A journal gives back what was put in, and loses no whole entry to remains of
// broken ones around it.
func TestJournalSurvivesBrokenEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var journal []byte
		var want []storage.Part
		for range rapid.IntRange(0, 20).Draw(t, "entries") {
			part := drawPart(t)
			entry := encodeEntry(part)
			if cut := rapid.IntRange(0, 3*entrySize).Draw(t, "cut"); cut < entrySize {
				// Without its checksum: bytes of the next entry might complete it.
				journal = append(journal, entry[:min(cut, entrySize-8)]...)
				continue
			}
			journal = append(journal, entry...)
			want = append(want, part)
		}
		if got := decodeJournal(journal); !slices.Equal(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func FuzzDecodeJournal(f *testing.F) {
	entry := encodeEntry(storage.Part{Number: 3, Offset: 1 << 30, Size: 1 << 20, CRC64: 7})
	f.Add(entry)
	f.Add(append(entry[:17:17], entry...))
	f.Fuzz(func(t *testing.T, journal []byte) {
		for _, part := range decodeJournal(journal) {
			if reason := checkPart(part.Number, part.Offset, part.Size); reason != "" {
				t.Fatalf("%+v: %s", part, reason)
			}
			if !strings.Contains(string(journal), string(encodeEntry(part))) {
				t.Fatalf("%+v is not in the journal", part)
			}
		}
	})
}

// Names beside a destination fit, are hidden, and differ when base or token do.
func TestPartialNames(t *testing.T) {
	name := rapid.StringMatching(`[a-zü. ]{1,250}`)
	rapid.Check(t, func(t *rapid.T) {
		base, token := name.Draw(t, "base"), rapid.StringMatching(`[A-Za-z0-9-]{1,128}`).Draw(t, "token")
		id := partialName(base, token)
		if len(journalName(id)) > maxName || len(id) > maxName || id[0] != '.' {
			t.Fatalf("%q (%d bytes)", id, len(id))
		}
		if err := checkUpload("test", storage.Upload{Name: "/x", ID: id}); err != nil {
			t.Fatal(err)
		}
		if other := partialName(base, token+"x"); other == id {
			t.Fatalf("two tokens share %q", id)
		}
		if other := partialName(base+"x", token); other == id {
			t.Fatalf("two names share %q", id)
		}
	})
}
