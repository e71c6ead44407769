package dir

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"

	"godwit/storage"
)

// The log of records is a header, twice, and entries. Integers are little
// endian, checksums CRC-64/NVME.
//
//	header: magic [8] | generation u64 | base u64 | length u64 |
//	        marks [16] | checksum u64
//	entry:  mark [8] | kind u8 | 0 u8 | key length u16 | body length u32 |
//	        sequence u64 | random u64 | durable u64 | body checksum u64 |
//	        checksum of all before and of the key u64 | key | body | footer
//	footer: mark [8] | key hash u64 | sequence u64 | entry length u32 | 0 u32 |
//	        checksum u64
//
// The marks are random and stay those of the store, so no body that anybody
// sends can look like an entry. The footer tells which key was written when
// the head of its entry is damaged.
const (
	logMagic   = "godwitr1"
	headerSize = 56
	logStart   = 2 * headerSize

	markSize     = 8
	entryHead    = 56
	entryFoot    = 40
	entryFixed   = entryHead + entryFoot
	maxEntrySize = entryFixed + storage.MaxKey + storage.MaxRecordSize
)

// entryKind says what an entry does to its key.
type entryKind byte

const (
	// entryPut gives the key a body.
	entryPut entryKind = 1
	// entryDelete takes the key away.
	entryDelete entryKind = 2
	// entryLost tells, after a compaction, that what the key held was found
	// damaged. Its body is the key's hash, and the key is empty where only
	// the hash is known.
	entryLost entryKind = 3
)

var (
	errBadHeader = &storage.Error{Op: "read header", Name: logName, Kind: storage.ErrCorrupt}
	errBadEntry  = errors.New("the log of records is damaged where this record is, or was")
	errShortLog  = errors.New("the log of records ends before what was written to it; if it comes from a copy, put the file " +
		lockName + " of that copy beside it, or none to go back to what the copy has")
)

// logHeader is the beginning of a log file.
type logHeader struct {
	// generation counts the compactions of the store.
	generation uint64
	// base is a sequence: the file was synced with all entries up to it
	// before it got its name.
	base uint64
	// length is that of the file then, in bytes.
	length int64
	marks  logMarks
}

// logMarks are the random bytes that entries and footers of a store begin with.
type logMarks struct {
	entry, foot [markSize]byte
}

func newMarks() (m logMarks) {
	rand.Read(m.entry[:])
	rand.Read(m.foot[:])
	return m
}

// encode returns the header as it lies at the beginning of the file.
func (h logHeader) encode() []byte {
	b := make([]byte, 0, logStart)
	b = append(b, logMagic...)
	b = binary.LittleEndian.AppendUint64(b, h.generation)
	b = binary.LittleEndian.AppendUint64(b, h.base)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.length))
	b = append(b, h.marks.entry[:]...)
	b = append(b, h.marks.foot[:]...)
	b = binary.LittleEndian.AppendUint64(b, crc64nvme.Checksum(b))
	return append(b, b...)
}

// decodeLogHeader reads the header from the first logStart bytes of a file,
// from whichever copy is whole.
func decodeLogHeader(b []byte) (logHeader, error) {
	for ; len(b) >= headerSize; b = b[headerSize:] {
		sum := binary.LittleEndian.Uint64(b[headerSize-8:])
		if string(b[:8]) != logMagic || crc64nvme.Checksum(b[:headerSize-8]) != sum {
			continue
		}
		h := logHeader{
			generation: binary.LittleEndian.Uint64(b[8:]),
			base:       binary.LittleEndian.Uint64(b[16:]),
			length:     int64(binary.LittleEndian.Uint64(b[24:])),
		}
		copy(h.marks.entry[:], b[32:])
		copy(h.marks.foot[:], b[40:])
		return h, nil
	}
	return logHeader{}, errBadHeader
}

// entryHeader is the head of an entry without its key.
type entryHeader struct {
	kind         entryKind
	keyLen       int
	bodyLen      int
	seq          uint64
	random       uint64
	durable      uint64
	bodyChecksum uint64
}

// size is the length of the whole entry in bytes.
func (h entryHeader) size() int { return entryFixed + h.keyLen + h.bodyLen }

// version makes the version of a record: the sequence orders, and the random
// bytes tell apart what was written twice at one place of the log, before and
// after a power loss.
func version(seq, random uint64) storage.Version {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], seq)
	binary.BigEndian.PutUint64(b[8:], random)
	return storage.Version(hex.EncodeToString(b[:]))
}

// appendEntry appends an entry to b. The lengths and the checksum of the body
// in h are set here.
func appendEntry(b []byte, m logMarks, h entryHeader, key string, body []byte) []byte {
	start := len(b)
	b = append(b, m.entry[:]...)
	b = append(b, byte(h.kind), 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(key)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = binary.LittleEndian.AppendUint64(b, h.seq)
	b = binary.LittleEndian.AppendUint64(b, h.random)
	b = binary.LittleEndian.AppendUint64(b, h.durable)
	b = binary.LittleEndian.AppendUint64(b, crc64nvme.Checksum(body))
	b = append(b, make([]byte, 8)...)
	b = append(b, key...)
	binary.LittleEndian.PutUint64(b[start+entryHead-8:], headChecksum(b[start:]))
	b = append(b, body...)
	return appendFooter(b, m, footer{hash: hashKey(key), seq: h.seq, size: len(b) - start + entryFoot})
}

// headChecksum covers the head of an entry and its key, which b ends with.
func headChecksum(b []byte) uint64 {
	return crc64nvme.Update(crc64nvme.Checksum(b[:entryHead-8]), b[entryHead:])
}

// decodeHead reads the head of the entry that b begins with. need is how many
// bytes it takes to tell; with fewer, ok is false and need says how many.
func decodeHead(b []byte, m logMarks) (h entryHeader, need int, ok bool) {
	if len(b) < entryHead {
		return h, entryHead, false
	}
	h = entryHeader{
		kind:         entryKind(b[8]),
		keyLen:       int(binary.LittleEndian.Uint16(b[10:])),
		bodyLen:      int(binary.LittleEndian.Uint32(b[12:])),
		seq:          binary.LittleEndian.Uint64(b[16:]),
		random:       binary.LittleEndian.Uint64(b[24:]),
		durable:      binary.LittleEndian.Uint64(b[32:]),
		bodyChecksum: binary.LittleEndian.Uint64(b[40:]),
	}
	if !bytes.Equal(b[:markSize], m.entry[:]) || h.kind < entryPut || h.kind > entryLost ||
		h.keyLen > storage.MaxKey || h.bodyLen > storage.MaxRecordSize {
		return h, entryHead, false
	}
	need = entryHead + h.keyLen
	if len(b) < need {
		return h, need, false
	}
	return h, need, headChecksum(b[:need]) == binary.LittleEndian.Uint64(b[entryHead-8:])
}

// footer is the end of an entry.
type footer struct {
	hash uint64
	seq  uint64
	// size is the length of the whole entry in bytes.
	size int
}

func appendFooter(b []byte, m logMarks, f footer) []byte {
	start := len(b)
	b = append(b, m.foot[:]...)
	b = binary.LittleEndian.AppendUint64(b, f.hash)
	b = binary.LittleEndian.AppendUint64(b, f.seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.size))
	return binary.LittleEndian.AppendUint64(b, crc64nvme.Checksum(b[start:]))
}

// decodeFooter reads the footer that b begins with.
func decodeFooter(b []byte, m logMarks) (footer, bool) {
	if len(b) < entryFoot || !bytes.Equal(b[:markSize], m.foot[:]) ||
		crc64nvme.Checksum(b[:entryFoot-8]) != binary.LittleEndian.Uint64(b[entryFoot-8:]) {
		return footer{}, false
	}
	size := binary.LittleEndian.Uint64(b[24:])
	if size < entryFixed || size > maxEntrySize {
		return footer{}, false
	}
	return footer{hash: binary.LittleEndian.Uint64(b[8:]), seq: binary.LittleEndian.Uint64(b[16:]), size: int(size)}, true
}

// hashKey names a key in eight bytes.
func hashKey(key string) uint64 { return xxhash.Sum64String(key) }
