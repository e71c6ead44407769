package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
)

// demoFolders are where the nodes of a demo work; they outlive the processes.
type demoFolders struct {
	// root is the temporary folder that holds all others.
	root string
	// state is what the nodes share, files where the results are to lie.
	state, files string
	// key is the file with the key that seals secrets.
	key string
}

// data is the folder of one node.
func (f demoFolders) data(node string) string { return filepath.Join(f.root, node) }

// secretKeySize is the length of the key in bytes.
const secretKeySize = 32

// makeDemoFolders makes the folders in a temporary one, which may be there even
// if the rest fails. Their paths are free of symbolic links, because a node
// follows none.
func makeDemoFolders() (f demoFolders, err error) {
	if f.root, err = os.MkdirTemp("", "godwit-demo-"); err != nil {
		return f, noFolders(err)
	}
	real, err := filepath.EvalSymlinks(f.root)
	if err != nil {
		return f, noFolders(err)
	}
	f = demoFolders{
		root: real, state: filepath.Join(real, "state"), files: filepath.Join(real, "files"), key: filepath.Join(real, "secrets.key"),
	}
	if err := os.Mkdir(f.files, 0o700); err != nil {
		return f, noFolders(err)
	}
	key := make([]byte, secretKeySize)
	_, _ = rand.Read(key) // does not fail
	if err := os.WriteFile(f.key, key, 0o600); err != nil {
		return f, noFolders(err)
	}
	return f, nil
}

func noFolders(err error) error {
	return &failure{code: codeDemo, message: "the demo's temporary folder cannot be made: " + err.Error(), err: err}
}
