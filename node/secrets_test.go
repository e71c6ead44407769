package node

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"godwit/transfer"
)

func testSealer(t testing.TB, fill byte) *Sealer {
	t.Helper()
	s, err := NewSealer(bytes.Repeat([]byte{fill}, keySize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealerOpensWhatItSealed(t *testing.T) {
	s := testSealer(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		sealed, err := s.Seal(name, plain)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Open(name, sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open = %x, %v; want %x", got, err, plain)
		}
		if len(plain) >= 8 && bytes.Contains(sealed, plain) {
			t.Fatal("the plain text shows in the sealed one")
		}
	})
}

func TestSealerNeverRepeatsItself(t *testing.T) {
	s := testSealer(t, 1)
	a, _ := s.Seal("n", []byte("same"))
	b, _ := s.Seal("n", []byte("same"))
	if bytes.Equal(a, b) {
		t.Fatal("two seals of one text are equal: the nonce was used twice")
	}
}

func TestSealerRefuses(t *testing.T) {
	s := testSealer(t, 1)
	sealed, err := s.Seal("shards/001/t/a", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) []byte {
		out := bytes.Clone(sealed)
		out[i] ^= 1
		return out
	}
	tests := map[string]struct {
		sealer *Sealer
		name   string
		sealed []byte
		says   string
	}{
		"another record":   {s, "shards/001/t/b", sealed, "another record"},
		"another key":      {testSealer(t, 2), "shards/001/t/a", sealed, "another key"},
		"changed key id":   {s, "shards/001/t/a", flip(1), "another key"},
		"changed version":  {s, "shards/001/t/a", flip(0), "format"},
		"changed nonce":    {s, "shards/001/t/a", flip(sealHeader), "damaged"},
		"changed last bit": {s, "shards/001/t/a", flip(len(sealed) - 1), "damaged"},
		"truncated":        {s, "shards/001/t/a", sealed[:len(sealed)-1], "damaged"},
		"empty":            {s, "shards/001/t/a", nil, "too short"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tt.sealer.Open(tt.name, tt.sealed)
			var e *transfer.Error
			if !errors.As(err, &e) || e.Code != transfer.CodeStoreCorrupt || !strings.Contains(e.Message, tt.says) {
				t.Fatalf("Open = %v, want store.corrupt with %q", err, tt.says)
			}
		})
	}
}

func TestSealerHidesItsKey(t *testing.T) {
	s := testSealer(t, 'k')
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(format, s); out != "[sealer]" {
			t.Errorf("%s prints %q", format, out)
		}
	}
}

func FuzzSealerOpen(f *testing.F) {
	s := testSealer(f, 1)
	good, _ := s.Seal("name", []byte("secret"))
	f.Add("name", good)
	f.Add("name", good[:sealHeader+nonceSize+tagSize])
	f.Add("", []byte{sealVersion})
	f.Fuzz(func(t *testing.T, name string, sealed []byte) {
		plain, err := s.Open(name, sealed)
		if err != nil {
			return
		}
		// Workers are processes, each with seeds under nonces of its own.
		if name != "name" || string(plain) != "secret" {
			t.Fatalf("a forged secret opened: %q %x", name, sealed)
		}
	})
}

func TestParseKey(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb, 7}, keySize/2)
	good := map[string][]byte{
		"raw":        key,
		"hex":        []byte(hex.EncodeToString(key) + "\n"),
		"base64":     []byte(base64.StdEncoding.EncodeToString(key)),
		"base64 url": []byte("  " + base64.RawURLEncoding.EncodeToString(key) + "\r\n"),
	}
	for name, content := range good {
		if got, err := parseKey(content); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for _, content := range []string{"", "short", strings.Repeat("a", 31), strings.Repeat("0", 62), strings.Repeat("z", 64)} {
		if _, err := parseKey([]byte(content)); err == nil {
			t.Errorf("%q was taken for a key", content)
		} else if content != "" && strings.Contains(err.Error(), content) {
			t.Errorf("the error repeats the content: %v", err)
		}
	}
}

func TestKeyIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	keys := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			key, err := loadKey("", dir)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	wg.Wait()
	for _, key := range keys {
		if len(key) != keySize || !bytes.Equal(key, keys[0]) {
			t.Fatal("processes that started together have different keys")
		}
	}
	info, err := os.Stat(filepath.Join(dir, madeKey))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key file: %v, %v", info.Mode(), err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Fatalf("something was left behind: %v", entries)
	}
}

func TestKeyThatOthersCanReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, make([]byte, keySize), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := loadSealer(path, ""); !errors.Is(err, errPermissions) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

// TestWhatRootLends: the files of a mounted Secret, or of LoadCredential=, belong
// to root and are readable by the group of the service.
func TestWhatRootLends(t *testing.T) {
	for _, c := range []struct {
		forbidden   os.FileMode
		ownedByRoot bool
		self        int
		want        os.FileMode
	}{
		{notOwner, false, 1000, 0o077},
		{notOwner, true, 0, 0o077},
		{notOwner, true, 1000, 0o037},
		{othersRead, true, 1000, 0o007},
	} {
		if got := lent(c.forbidden, c.ownedByRoot, c.self); got != c.want {
			t.Errorf("%04o, owned by root: %v, user %d: %04o, want %04o", c.forbidden, c.ownedByRoot, c.self, got, c.want)
		}
	}
}
