package state

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"godwit/storage"
)

// A copy is a tar archive: a header, one entry for each record, a trailer.
//
//	godwit-state.json       {"format":1,"clusterId":…,"time":…,"version":…}
//	records/<key>           the record as it is stored, byte by byte
//	godwit-state.sum.json   {"records":N,"bytes":N,"sha256":…,"leftOut":[…]}
//
// The sum is the SHA-256 of the header's bytes and, for each record in order, of
// the lengths of key and record (64 bits each, little endian), key, and record.
// An archive without a trailer is not whole.
const (
	copyFormat   = 1
	headerName   = "godwit-state.json"
	trailerName  = "godwit-state.sum.json"
	recordFolder = "records/"
)

// maxNote bounds header and trailer in bytes.
const maxNote = 16 << 20

// Header begins a copy.
type Header struct {
	Format    int       `json:"format"`
	ClusterID string    `json:"clusterId"`
	Time      time.Time `json:"time"`
	// Version is that of the godwit which made it.
	Version string `json:"version"`
}

// Trailer ends a copy.
type Trailer struct {
	Records int64 `json:"records"`
	// Bytes are those of all records.
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	// LeftOut are the keys of records that were damaged already.
	LeftOut []string `json:"leftOut"`
}

// Summary is what is in a copy, and the answer to making and to reading one.
type Summary struct {
	Header
	Trailer
}

// ErrCopy is wrapped by the errors for a file that is no whole copy.
var ErrCopy = errors.New("the file is no whole copy of a state store")

// sum is the running checksum of a copy.
type sum struct{ hash.Hash }

func newSum(header []byte) sum {
	s := sum{sha256.New()}
	s.Write(header)
	return s
}

func (s sum) add(key string, body []byte) {
	lengths := binary.LittleEndian.AppendUint64(nil, uint64(len(key)))
	s.Write(binary.LittleEndian.AppendUint64(lengths, uint64(len(body))))
	s.Write([]byte(key))
	s.Write(body)
}

func (s sum) text() string { return hex.EncodeToString(s.Sum(nil)) }

// copyWriter writes a copy.
type copyWriter struct {
	tar     *tar.Writer
	sum     sum
	at      time.Time
	trailer Trailer
}

func newCopyWriter(w io.Writer, h Header) (*copyWriter, error) {
	text, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return nil, err
	}
	c := &copyWriter{tar: tar.NewWriter(w), sum: newSum(text), at: h.Time, trailer: Trailer{LeftOut: []string{}}}
	return c, c.entry(headerName, text)
}

func (c *copyWriter) entry(name string, body []byte) error {
	err := c.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(body)), Mode: 0o600, ModTime: c.at})
	if err == nil {
		_, err = c.tar.Write(body)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func (c *copyWriter) record(key string, body []byte) error {
	c.sum.add(key, body)
	c.trailer.Records++
	c.trailer.Bytes += int64(len(body))
	return c.entry(recordFolder+key, body)
}

// close writes the trailer.
func (c *copyWriter) close() error {
	c.trailer.SHA256 = c.sum.text()
	text, err := json.MarshalIndent(c.trailer, "", "  ")
	if err == nil {
		err = c.entry(trailerName, text)
	}
	if err != nil {
		return err
	}
	if err := c.tar.Close(); err != nil {
		return fmt.Errorf("end the copy: %w", err)
	}
	return nil
}

func noCopy(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCopy, fmt.Sprintf(format, args...))
}

// readCopy calls visit for each record of a copy, and returns what it is. An
// error that wraps ErrCopy tells that it must not be used: the records visited
// before prove nothing.
func readCopy(r io.Reader, visit func(key string, body []byte) error) (Summary, error) {
	archive := tar.NewReader(r)
	name, text, err := nextEntry(archive, maxNote)
	if err != nil {
		return Summary{}, err
	}
	var out Summary
	if name != headerName || json.Unmarshal(text, &out.Header) != nil {
		return out, noCopy("it does not begin with %s", headerName)
	}
	if out.Format != copyFormat {
		return out, noCopy("it has format %d, this version knows %d", out.Format, copyFormat)
	}
	found := Trailer{}
	for s := newSum(text); ; {
		name, body, err := nextEntry(archive, maxNote)
		if err != nil {
			return out, err
		}
		if name == trailerName {
			found.SHA256 = s.text()
			return out, out.end(archive, body, found)
		}
		key, isRecord := strings.CutPrefix(name, recordFolder)
		if !isRecord || !storage.ValidKey(key) || len(body) > storage.MaxRecordSize {
			return out, noCopy("it holds %q, which is no record", name)
		}
		s.add(key, body)
		found.Records++
		found.Bytes += int64(len(body))
		if err := visit(key, body); err != nil {
			return out, err
		}
	}
}

// end compares the trailer with what was found.
func (s *Summary) end(archive *tar.Reader, text []byte, found Trailer) error {
	if json.Unmarshal(text, &s.Trailer) != nil {
		return noCopy("its trailer is not readable")
	}
	if s.Records != found.Records || s.Bytes != found.Bytes || s.SHA256 != found.SHA256 {
		return noCopy("its records are not those that were written: %d with checksum %s, not %d with %s", found.Records, found.SHA256, s.Records, s.SHA256)
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		return noCopy("it goes on behind its trailer")
	}
	return nil
}

func nextEntry(archive *tar.Reader, most int64) (string, []byte, error) {
	header, err := archive.Next()
	switch {
	case errors.Is(err, io.EOF):
		return "", nil, noCopy("it ends before its trailer")
	case err != nil:
		return "", nil, noCopy("%s", err)
	case header.Typeflag != tar.TypeReg || header.Size > most:
		return "", nil, noCopy("%q is no file, or too long", header.Name)
	}
	body, err := io.ReadAll(archive)
	if err != nil {
		return "", nil, noCopy("%s", err)
	}
	return header.Name, body, nil
}
