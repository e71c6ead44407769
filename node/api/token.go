package api

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
	"sync/atomic"
)

// minToken is the least length of a token in bytes: 16 random characters are
// beyond guessing over a network.
const minToken = 16

// Tokens is the set of bearer tokens that a node accepts. It keeps digests
// only, and may be replaced while requests are served.
type Tokens struct {
	digests atomic.Pointer[[][sha256.Size]byte]
}

// NewTokens reads tokens, one a line, from the content of a token file. Several
// tokens allow to replace one without an interruption. Empty lines and lines
// that begin with # are skipped.
func NewTokens(content []byte) (*Tokens, error) {
	t := &Tokens{}
	return t, t.Replace(content)
}

// Replace swaps all tokens for those of content; on an error they stay.
func (t *Tokens) Replace(content []byte) error {
	var digests [][sha256.Size]byte
	for line := range bytes.Lines(content) {
		token := bytes.TrimSpace(line)
		if len(token) == 0 || token[0] == '#' {
			continue
		}
		if len(token) < minToken {
			return fmt.Errorf("a token is shorter than %d characters", minToken)
		}
		digests = append(digests, sha256.Sum256(token))
	}
	if len(digests) == 0 {
		return fmt.Errorf("there is no token")
	}
	t.digests.Store(&digests)
	return nil
}

// allow tells whether the only Authorization header carries a known token. It
// takes the same time for every wrong token.
func (t *Tokens) allow(headers []string) bool {
	if len(headers) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	found := 0
	for _, want := range *t.digests.Load() {
		found |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	return found == 1
}
