package node

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"godwit/transfer"
)

// keySize is the length of the secrets key in bytes (AES-256).
const keySize = 32

// Sizes within a sealed secret, in bytes.
const (
	sealVersion = 1
	keyIDSize   = 8
	nonceSize   = 12
	tagSize     = 16
	sealHeader  = 1 + keyIDSize
)

// Sealer encrypts what records must hold in secret, with AES-256-GCM. A sealed
// secret is
//
//	version (1 byte) | key id (8) | nonce (12) | ciphertext and tag
//
// and its additional data is the version, the key id and the name of its
// record, so that it opens under that name only. A key may seal 2^32 secrets
// with random nonces (NIST SP 800-38D, section 8.3). A Sealer is safe for
// concurrent use and prints as a placeholder.
type Sealer struct {
	aead cipher.AEAD
	id   [keyIDSize]byte
	// pages authenticates page tokens; derived so that all nodes that share
	// the key share it too.
	pages []byte
}

// NewSealer returns a Sealer with a key of 32 bytes.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("a secrets key has %d bytes, not %d", keySize, len(key))
	}
	// The key itself only feeds the derivation: one purpose, one key.
	sealing, err := hkdf.Key(sha256.New, key, nil, "godwit record secrets", keySize)
	if err != nil {
		return nil, fmt.Errorf("derive the sealing key: %w", err)
	}
	id, err := hkdf.Key(sha256.New, key, nil, "godwit key id", keyIDSize)
	if err != nil {
		return nil, fmt.Errorf("derive the key id: %w", err)
	}
	pages, err := hkdf.Key(sha256.New, key, nil, "godwit page tokens", keySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key of page tokens: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	return &Sealer{aead: aead, id: [keyIDSize]byte(id), pages: pages}, nil
}

// Seal encrypts plain for the record of that name.
func (s *Sealer) Seal(name string, plain []byte) ([]byte, error) {
	out := make([]byte, 0, sealHeader+nonceSize+len(plain)+tagSize)
	out = append(out, sealVersion)
	out = append(out, s.id[:]...)
	nonce := make([]byte, nonceSize)
	// Never fails (crypto/rand documents that it ends the program instead).
	_, _ = rand.Read(nonce)
	aad := s.additional(out, name)
	return s.aead.Seal(append(out, nonce...), nonce, plain, aad), nil
}

// Open decrypts what Seal made for the same name. It fails with store.corrupt,
// which says whether the key is another one or the secret is damaged.
func (s *Sealer) Open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealHeader+nonceSize+tagSize {
		return nil, sealError(name, "it is too short")
	}
	if sealed[0] != sealVersion {
		return nil, sealError(name, "its format is unknown to this version")
	}
	header, rest := sealed[:sealHeader], sealed[sealHeader:]
	if subtle.ConstantTimeCompare(header[1:], s.id[:]) != 1 {
		return nil, sealError(name, fmt.Sprintf(
			"it was sealed with another key (id %x, ours is %x): start the node with the secrets key file it had before", header[1:], s.id))
	}
	plain, err := s.aead.Open(nil, rest[:nonceSize], rest[nonceSize:], s.additional(header, name))
	if err != nil {
		return nil, sealError(name, "it is damaged or belongs to another record")
	}
	return plain, nil
}

// additional is what the tag of a secret covers besides its text.
func (s *Sealer) additional(header []byte, name string) []byte {
	return append(append([]byte(nil), header...), name...)
}

// String hides the key.
func (s *Sealer) String() string { return "[sealer]" }

// GoString hides the key from %#v.
func (s *Sealer) GoString() string { return "[sealer]" }

func sealError(name, message string) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeStoreCorrupt, Op: "open secret", Subject: name,
		Message: "the secret cannot be read: " + message,
	}
}
