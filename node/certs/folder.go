package certs

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Names of the files in a folder of Init, and in those of Node and Client.
const (
	AuthorityCert = "ca.pem"
	GossipKey     = "gossip.key"
	SecretsKey    = "secrets.key"
	Token         = "token"
	NodeCert      = "node.pem"
	NodeKey       = "node.key"
	ClientCert    = "client.pem"
	ClientKey     = "client.key"

	authorityKey = "ca.key"
)

// keySize is the length of a key that nodes share, in bytes.
const keySize = 32

// Permissions of what is made: a node refuses a key that others can read.
const (
	public  fs.FileMode = 0o644
	private fs.FileMode = 0o600
	folder  fs.FileMode = 0o700
)

// File is one file that was made.
type File struct {
	// Name is within its folder; Holds says for a person what is in it.
	Name  string `json:"name"`
	Holds string `json:"holds"`
}

// Made is a folder with what was made in it.
type Made struct {
	// Folder is an absolute path.
	Folder string `json:"folder"`
	// Name is that of the node or the person, "" for an authority.
	Name string `json:"name,omitempty"`
	// Hosts are what a node's certificate is for.
	Hosts []string `json:"hosts,omitempty"`
	// NotAfter is when the certificate ends.
	NotAfter time.Time `json:"notAfter"`
	Files    []File    `json:"files"`
}

// Path is where one of the files lies.
func (m Made) Path(name string) string { return filepath.Join(m.Folder, name) }

// content is a file to be made.
type content struct {
	File
	mode fs.FileMode
	data []byte
}

// Init makes an authority in dir, with the keys that all nodes share and a token
// of the API. It makes dir where it is missing. The error wraps [fs.ErrExist],
// and nothing was made, where one of its files is there already.
func Init(dir string) (Made, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Made{}, fmt.Errorf("make an authority in %s: %w", dir, err)
	}
	a, key, err := newAuthority(time.Now())
	if err != nil {
		return Made{}, err
	}
	files := []content{
		{File{AuthorityCert, "certificate of the authority"}, public, a.certPEM},
		{File{authorityKey, "key of the authority: keep it off the nodes"}, private, key},
		{File{GossipKey, "key that nodes encrypt gossip with"}, private, sharedKey()},
		{File{SecretsKey, "key that seals secrets in records: keep a copy elsewhere"}, private, sharedKey()},
		{File{Token, "token of the API"}, private, []byte(rand.Text() + "\n")},
	}
	if err := os.MkdirAll(dir, folder); err != nil {
		return Made{}, fmt.Errorf("make %s: %w", dir, err)
	}
	// Looked at first, so that a second call leaves nothing half made.
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.Name)); err == nil {
			return Made{}, fmt.Errorf("make %s: %w", filepath.Join(dir, f.Name), fs.ErrExist)
		}
	}
	return made(Made{Folder: dir, NotAfter: a.cert.NotAfter}, files)
}

// Check tells whether a folder has all that Init makes, and that it can be used.
// Its error wraps [ErrAuthority].
func Check(dir string) error {
	_, err := loadAuthority(dir)
	for _, name := range []string{GossipKey, SecretsKey, Token} {
		if err == nil {
			_, err = shared(dir, name)
		}
	}
	return err
}

// shared reads a file that is the same everywhere.
func shared(dir, name string) ([]byte, error) {
	data, err := readPrivate(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthority, err)
	}
	return data, nil
}

// sharedKey is a new key in the form that nodes read.
func sharedKey() []byte {
	key := make([]byte, keySize)
	// Never fails (crypto/rand documents that it ends the program instead).
	_, _ = rand.Read(key)
	return []byte(hex.EncodeToString(key) + "\n")
}

// Node makes the folder dir/name with all that a node needs of an authority made
// by Init: a certificate for its hosts and for loopback, and copies of what all
// nodes share. Without hosts the name is the host. The error wraps [ErrInvalid]
// for a name or host that cannot be used and [fs.ErrExist] where the folder is
// there already; the folder appears whole or not at all.
func Node(dir, name string, hosts []string) (Made, error) {
	if len(hosts) == 0 {
		hosts = []string{name}
	}
	for _, host := range loopback {
		if !slices.Contains(hosts, host) {
			hosts = append(slices.Clip(hosts), host)
		}
	}
	if err := cmp.Or(checkName(name), checkHosts(hosts)); err != nil {
		return Made{}, err
	}
	return issue(dir, subject{name, hosts}, []content{
		{File{NodeCert, "certificate of the node"}, public, nil},
		{File{NodeKey, "its key"}, private, nil},
	}, GossipKey, SecretsKey, Token)
}

// loopback are the hosts of every node's certificate: its own machine's.
var loopback = []string{"localhost", "127.0.0.1", "::1"}

// Client makes the folder dir/name with what somebody needs to call the nodes: a
// certificate for calling only, and the token. Its errors are those of Node.
func Client(dir, name string) (Made, error) {
	return issue(dir, subject{name, nil}, []content{
		{File{ClientCert, "certificate of the caller"}, public, nil},
		{File{ClientKey, "its key"}, private, nil},
	}, Token)
}

// issue signs for somebody and makes a folder of certificate and key, the
// authority's certificate, and copies of shared files.
func issue(dir string, who subject, files []content, copies ...string) (Made, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = checkName(who.name)
	}
	if err != nil {
		return Made{}, err
	}
	a, err := loadAuthority(dir)
	if err != nil {
		return Made{}, err
	}
	var until time.Time
	if files[0].data, files[1].data, until, err = a.sign(who, time.Now()); err != nil {
		return Made{}, err
	}
	files = append(files, content{File{AuthorityCert, "certificate of the authority"}, public, a.certPEM})
	for _, name := range copies {
		data, err := shared(dir, name)
		if err != nil {
			return Made{}, err
		}
		files = append(files, content{File{name, sharedFiles[name]}, private, data})
	}
	final := filepath.Join(dir, who.name)
	if _, err := os.Lstat(final); err == nil {
		return Made{}, fmt.Errorf("make %s: %w", final, fs.ErrExist)
	}
	return publish(Made{Folder: final, Name: who.name, Hosts: who.hosts, NotAfter: until}, files)
}

// sharedFiles says what is in the files that are the same everywhere.
var sharedFiles = map[string]string{
	GossipKey:  "key that nodes encrypt gossip with, the same everywhere",
	SecretsKey: "key that seals secrets in records, the same everywhere",
	Token:      "token of the API",
}

// publish makes a folder under another name and then gives it its own.
func publish(m Made, files []content) (Made, error) {
	temp, err := os.MkdirTemp(filepath.Dir(m.Folder), "."+m.Name+"-*")
	if err != nil {
		return Made{}, fmt.Errorf("make %s: %w", m.Folder, err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	whole, err := made(Made{Folder: temp}, files)
	if err == nil {
		// MkdirTemp makes folders of mode 0700.
		err = os.Rename(temp, m.Folder)
	}
	if err == nil {
		err = syncDir(filepath.Dir(m.Folder))
	}
	if err != nil {
		return Made{}, fmt.Errorf("make %s: %w", m.Folder, err)
	}
	m.Files = whole.Files
	return m, nil
}

// made writes files that must not be there, or none.
func made(m Made, files []content) (Made, error) {
	for i, f := range files {
		if err := create(m.Path(f.Name), f.data, f.mode); err != nil {
			for _, earlier := range files[:i] {
				_ = os.Remove(m.Path(earlier.Name))
			}
			return Made{}, fmt.Errorf("make %s: %w", m.Path(f.Name), err)
		}
		m.Files = append(m.Files, f.File)
	}
	return m, syncDir(m.Folder)
}

// create writes a file that must not be there, so that it survives a power loss.
func create(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}

// syncDir makes new names in a folder survive a power loss.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readPrivate reads a key, if only its owner can.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("read %s: %w: it has mode %04o, use chmod 600", path, errReadable, mode)
	}
	return os.ReadFile(path)
}
