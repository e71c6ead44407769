package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func initialized(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new", "certs")
	if _, err := Init(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// verify tells whether a certificate is good for a host and a use at a time.
func verify(t *testing.T, dir, cert, host string, use x509.ExtKeyUsage, at time.Time) error {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(read(t, filepath.Join(dir, AuthorityCert))) {
		t.Fatal("no authority")
	}
	pair, err := tls.LoadX509KeyPair(cert, strings.TrimSuffix(cert, ".pem")+".key")
	if err != nil {
		t.Fatal(err)
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, KeyUsages: []x509.ExtKeyUsage{use}, CurrentTime: at})
	return err
}

func TestNodeCertificates(t *testing.T) {
	dir := initialized(t)
	made, err := Node(dir, "n1", []string{"10.0.0.1", "n1.example", "*.pods.example", "fd00::1"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, host := range []string{"10.0.0.1", "n1.example", "a.pods.example", "fd00::1", "localhost", "127.0.0.1", "::1"} {
		for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			if err := verify(t, dir, made.Path(NodeCert), host, use, now); err != nil {
				t.Errorf("%s: %v", host, err)
			}
		}
	}
	if err := verify(t, dir, made.Path(NodeCert), "n2.example", x509.ExtKeyUsageServerAuth, now); err == nil {
		t.Error("it is good for a host that was not named")
	}
	if err := verify(t, dir, made.Path(NodeCert), "", x509.ExtKeyUsageServerAuth, made.NotAfter.Add(time.Second)); err == nil {
		t.Error("it never ends")
	}
	if err := verify(t, initialized(t), made.Path(NodeCert), "", x509.ExtKeyUsageServerAuth, now); err == nil {
		t.Error("another authority vouches for it")
	}
	for _, name := range []string{GossipKey, SecretsKey, Token, AuthorityCert} {
		if !bytes.Equal(read(t, made.Path(name)), read(t, filepath.Join(dir, name))) {
			t.Errorf("%s differs from that of the authority's folder", name)
		}
	}
	if bytes.Equal(read(t, filepath.Join(dir, GossipKey)), read(t, filepath.Join(dir, SecretsKey))) {
		t.Error("one key for two purposes")
	}
	bare, err := Node(dir, "n2", nil)
	if err != nil || !slices.Equal(bare.Hosts, []string{"n2", "localhost", "127.0.0.1", "::1"}) {
		t.Errorf("%v, %v", bare.Hosts, err)
	}
}

func TestClientCertificatesAreForCallingOnly(t *testing.T) {
	dir := initialized(t)
	made, err := Client(dir, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(t, dir, made.Path(ClientCert), "", x509.ExtKeyUsageClientAuth, time.Now()); err != nil {
		t.Error(err)
	}
	if err := verify(t, dir, made.Path(ClientCert), "", x509.ExtKeyUsageServerAuth, time.Now()); err == nil {
		t.Error("its holder can pass for a node")
	}
	var names []string
	for _, f := range made.Files {
		names = append(names, f.Name)
	}
	if want := []string{ClientCert, ClientKey, AuthorityCert, Token}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
}

// TestNothingIsOverwritten has one of the files there, each in turn: it stays as it
// is and nothing is made beside it.
func TestNothingIsOverwritten(t *testing.T) {
	for _, name := range []string{AuthorityCert, authorityKey, GossipKey, SecretsKey, Token} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Init(dir); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 || string(read(t, filepath.Join(dir, name))) != "mine" {
			t.Errorf("%s: %v", name, entries)
		}
	}
	dir := initialized(t)
	if err := os.Mkdir(filepath.Join(dir, "n1"), 0o700); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadDir(dir)
	for _, name := range []string{"n1", Token} {
		if _, err := Node(dir, name, []string{"n1"}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after, _ := os.ReadDir(dir); len(after) != len(before) {
		t.Errorf("%v", after)
	}
}

func TestAuthoritiesThatCannotBeUsed(t *testing.T) {
	other := initialized(t)
	for name, damage := range map[string]func(dir string) error{
		"key of another": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, authorityKey), read(t, filepath.Join(other, authorityKey)), 0o600)
		},
		"readable key": func(dir string) error { return os.Chmod(filepath.Join(dir, authorityKey), 0o604) },
		"no key":       func(dir string) error { return os.Remove(filepath.Join(dir, authorityKey)) },
		"no token":     func(dir string) error { return os.Remove(filepath.Join(dir, Token)) },
		"a leaf": func(dir string) error {
			made, err := Client(dir, "leaf")
			if err != nil {
				return err
			}
			return errors.Join(os.Rename(made.Path(ClientCert), filepath.Join(dir, AuthorityCert)),
				os.Rename(made.Path(ClientKey), filepath.Join(dir, authorityKey)))
		},
	} {
		dir := initialized(t)
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Node(dir, "n1", nil); !errors.Is(err, ErrAuthority) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, "n1")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a folder was made: %v", name, err)
		}
	}
}

func TestCertificatesEndWithTheirAuthority(t *testing.T) {
	a, _, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	_, _, until, err := a.sign(subject{name: "n1"}, a.cert.NotAfter.Add(-day))
	if err != nil || !until.Equal(a.cert.NotAfter) {
		t.Errorf("valid until %s, %v; the authority until %s", until, err, a.cert.NotAfter)
	}
	if _, _, _, err := a.sign(subject{name: "n1"}, a.cert.NotAfter.Add(day)); !errors.Is(err, ErrAuthority) {
		t.Errorf("an authority that has expired signs: %v", err)
	}
}

func TestNamesAndHosts(t *testing.T) {
	for _, name := range []string{"", ".", "..", "-n", "a/b", "a b", "é", strings.Repeat("a", 64)} {
		if err := checkName(name); !errors.Is(err, ErrInvalid) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for _, host := range []string{"", "a:1", "a..b", "-a", "a-", "*", "a.*.b", "10.0.0.300", "fe80::1%eth0", strings.Repeat("a.", 130) + "b", strings.Repeat("a", 64)} {
		if err := checkHosts([]string{host}); !errors.Is(err, ErrInvalid) {
			t.Errorf("host %q: %v", host, err)
		}
	}
	for _, host := range []string{"a", "node_1", "n-1.example.com", "*.example.com", "10.0.0.1", "::1", "1and1.example"} {
		if err := checkHosts([]string{host}); err != nil {
			t.Error(err)
		}
	}
	if err := checkHosts(make([]string, maxHosts+1)); !errors.Is(err, ErrInvalid) {
		t.Errorf("%v", err)
	}
}
