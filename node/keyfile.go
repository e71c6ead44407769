package node

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// madeKey is the name of the key that a node makes for itself in its data dir.
const madeKey = "secrets.key"

// loadSealer reads the secrets key from path or, when path is empty, the one in
// dataDir, which it makes at first start.
func loadSealer(path, dataDir string) (*Sealer, error) {
	key, err := loadKey(path, dataDir)
	if err != nil {
		return nil, &ConfigError{Key: "secrets-key-file", Message: "cannot be used", Err: err}
	}
	return NewSealer(key)
}

func loadKey(path, dataDir string) ([]byte, error) {
	if path != "" {
		return readKey(path)
	}
	path = filepath.Join(dataDir, madeKey)
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := makeKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	// Ours, or that of a process that was faster.
	return readKey(path)
}

func readKey(path string) ([]byte, error) {
	content, err := readPrivate(path, notOwner)
	if err != nil {
		return nil, err
	}
	return parseKey(content)
}

// parseKey accepts 32 raw bytes, or their hexadecimal or Base64 form with white
// space around. Thirty-two bytes are always taken as they are: no text form of
// a key is that short.
func parseKey(content []byte) ([]byte, error) {
	if len(content) == keySize {
		return content, nil
	}
	text := string(bytes.TrimSpace(content))
	decoders := []func(string) ([]byte, error){
		hex.DecodeString,
		base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	}
	for _, decode := range decoders {
		if key, err := decode(text); err == nil && len(key) == keySize {
			return key, nil
		}
	}
	return nil, fmt.Errorf("the file must hold %d bytes, raw or in hexadecimal or Base64", keySize)
}

// makeKey writes a new key that survives a power loss: secrets sealed with a
// lost key are lost. The file appears whole or not at all.
func makeKey(path string) error {
	key := make([]byte, keySize)
	_, _ = rand.Read(key)
	temp, err := os.CreateTemp(filepath.Dir(path), "."+madeKey+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	// CreateTemp makes files of mode 0600 with O_EXCL.
	_, err = temp.WriteString(hex.EncodeToString(key) + "\n")
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	// Unlike a rename, a link fails when somebody was faster.
	if err := os.Link(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes new names in a folder survive a power loss.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
