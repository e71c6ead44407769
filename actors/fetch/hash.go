package fetch

import (
	"crypto/sha256"
	"encoding"
	"errors"
	"hash"

	"godwit/transfer"
)

// hasher computes the SHA-256 of content that arrives in order, and its state
// after each part, so that another process can go on.
type hasher struct {
	h    hash.Hash
	done int64
}

func newHasher(state []byte, done int64) *hasher {
	h := &hasher{h: sha256.New()}
	if len(state) > 0 && h.h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state) == nil {
		h.done = done
	}
	return h
}

// add hashes a part, unless it was hashed before it had to be fetched again.
func (h *hasher) add(offset int64, data []byte) (state []byte, done int64) {
	if offset == h.done {
		_, _ = h.h.Write(data) // never fails, see hash.Hash
		h.done += int64(len(data))
	}
	state, err := h.h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil, 0
	}
	return state, h.done
}

// asError makes sure that a source's failure has a code.
func asError(err error) *transfer.Error {
	var te *transfer.Error
	if errors.As(err, &te) {
		return te
	}
	return &transfer.Error{Code: transfer.CodeReset, Message: "the connection was lost", Err: err}
}
