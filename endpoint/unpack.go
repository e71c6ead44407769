package endpoint

import (
	"compress/gzip"
	"io"
	"net/http"
)

// unpack does to an answer what net/http does by itself unless it is told not to:
// it hides that the content came compressed. Only a seeded bug asks for it: bytes
// that were unpacked are not those that ranges and entity tags speak of.
func unpack(resp *http.Response) {
	if resp.Header.Get("Content-Encoding") != "gzip" {
		return
	}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength = -1
	resp.Body = &unpacked{packed: resp.Body}
}

// unpacked reads the plain bytes of a compressed body.
type unpacked struct {
	packed io.ReadCloser
	plain  *gzip.Reader
}

func (u *unpacked) Read(p []byte) (n int, err error) {
	if u.plain == nil {
		if u.plain, err = gzip.NewReader(u.packed); err != nil {
			return 0, err
		}
	}
	return u.plain.Read(p)
}

func (u *unpacked) Close() error { return u.packed.Close() }
