package node

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestChangedFilesAreReadAgain replaces a certificate as an orchestrator does that
// mounts it: by a link, and without a signal.
func TestChangedFilesAreReadAgain(t *testing.T) {
	mount := t.TempDir()
	link := func(to string) {
		next := filepath.Join(mount, "next")
		if err := os.Symlink(to, next); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(mount, "current")); err != nil {
			t.Fatal(err)
		}
	}
	certificates := make([]string, 2)
	for i := range certificates {
		certificates[i] = t.TempDir()
		writeCertificate(t, certificates[i])
	}
	link(certificates[0])
	cert, key := writeCertificate(t, t.TempDir())
	n := &Node{cfg: Config{
		TLSCert: filepath.Join(mount, "current", filepath.Base(cert)), TLSKey: filepath.Join(mount, "current", filepath.Base(key)),
		Logger: slog.New(slog.DiscardHandler),
	}}
	var err error
	if n.cert, err = loadCertificate(n.cfg); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = n.reloadOn(ctx, nil) }()
		first := n.cert.current.Load()
		time.Sleep(lookAgain + time.Second)
		if n.cert.current.Load() != first {
			t.Error("read again without a change")
		}
		link(certificates[1])
		time.Sleep(lookAgain)
		if n.cert.current.Load() == first {
			t.Error("not read again after a change")
		}
		// What cannot be used leaves what was.
		second := n.cert.current.Load()
		link(mount)
		time.Sleep(lookAgain)
		if n.cert.current.Load() != second {
			t.Error("the certificate is gone with its file")
		}
	})
}

// TestFailedReloadsAreRepeated: what kept a file from being read may end without
// any file changing, as when too many are open.
func TestFailedReloadsAreRepeated(t *testing.T) {
	cert, key := writeCertificate(t, t.TempDir())
	n := &Node{cfg: Config{TLSCert: cert, TLSKey: key, Logger: slog.New(slog.DiscardHandler)}}
	var err error
	if n.cert, err = loadCertificate(n.cfg); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		first := n.cert.current.Load()
		go func() { _ = n.reloadOn(ctx, nil) }()
		synctest.Wait()
		// A change of permissions is none of what is looked at.
		later := time.Unix(1e9, 0)
		if err := errors.Join(os.Chtimes(cert, later, later), os.Chmod(key, 0o604)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookAgain + time.Second)
		if n.cert.current.Load() != first {
			t.Fatal("a key that others can read was taken")
		}
		if err := os.Chmod(key, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookAgain)
		if n.cert.current.Load() == first {
			t.Error("not read again")
		}
	})
}
