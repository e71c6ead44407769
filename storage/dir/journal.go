package dir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/minio/crc64nvme"

	"godwit/storage"
)

// The journal of a partial file has one entry for each part committed, the
// newest last:
//
//	magic uint32 | number uint32 | offset | size | CRC-64 of the part | CRC-64 of the entry
//
// little endian, 64 bits where nothing else is said. It is only appended to,
// one write an entry, by any number of processes. What a power loss leaves of
// an entry is skipped: a reader looks for the next one byte by byte.
//
// An object of at most one preferred part begins without a journal: the entry
// of its part 1 is kept in an extended attribute of the partial file, which
// saves small files the creation and removal of a second one. Entries that do
// not fit there go to a journal after all, and are newer than the attribute.
const (
	entryMagic = 0x314a5747 // "GWJ1"
	entrySize  = 40
	// maxJournal bounds in bytes what is read of a journal: a hundred entries
	// for each part there can be.
	maxJournal = 100 * maxParts * entrySize
)

func encodeEntry(part storage.Part) []byte {
	entry := make([]byte, entrySize)
	binary.LittleEndian.PutUint32(entry, entryMagic)
	binary.LittleEndian.PutUint32(entry[4:], uint32(part.Number))
	binary.LittleEndian.PutUint64(entry[8:], uint64(part.Offset))
	binary.LittleEndian.PutUint64(entry[16:], uint64(part.Size))
	binary.LittleEndian.PutUint64(entry[24:], part.CRC64)
	binary.LittleEndian.PutUint64(entry[32:], crc64nvme.Checksum(entry[:32]))
	return entry
}

// decodeJournal returns the parts of all whole entries, oldest first.
func decodeJournal(journal []byte) []storage.Part {
	var parts []storage.Part
	for len(journal) >= entrySize {
		part, ok := decodeEntry(journal[:entrySize])
		if !ok {
			journal = journal[1:]
			continue
		}
		parts = append(parts, part)
		journal = journal[entrySize:]
	}
	return parts
}

func decodeEntry(entry []byte) (storage.Part, bool) {
	if binary.LittleEndian.Uint32(entry) != entryMagic ||
		binary.LittleEndian.Uint64(entry[32:]) != crc64nvme.Checksum(entry[:32]) {
		return storage.Part{}, false
	}
	part := storage.Part{
		Number: int(binary.LittleEndian.Uint32(entry[4:])),
		Offset: int64(binary.LittleEndian.Uint64(entry[8:])),
		Size:   int64(binary.LittleEndian.Uint64(entry[16:])),
		CRC64:  binary.LittleEndian.Uint64(entry[24:]),
	}
	part.ETag = partETag(part.CRC64)
	return part, checkPart(part.Number, part.Offset, part.Size) == ""
}

// partETag names stored bytes by their checksum.
func partETag(crc uint64) string { return fmt.Sprintf("%016x", crc) }

// record notes a part that has been written to the partial file.
func (o *Objects) record(p *place, partial *os.File, id string, part storage.Part) error {
	err := p.appendJournal(id, part, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if info, err := partial.Stat(); err != nil {
		return err
	} else if isUnlinked(info) {
		return fs.ErrNotExist
	}
	if part.Number == 1 {
		err = o.setLabel(partial, partAttr, string(encodeEntry(part)))
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return p.appendJournal(id, part, os.O_CREATE)
}

// appendJournal adds an entry to the journal of an upload, which must exist
// unless flag is os.O_CREATE.
func (p *place) appendJournal(id string, part storage.Part, flag int) error {
	f, err := p.openFile(journalName(id), os.O_WRONLY|os.O_APPEND|flag, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(encodeEntry(part))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// recorded returns the entries for a partial file, oldest first. Bare tells
// that there is no journal.
func (o *Objects) recorded(p *place, partial *os.File, id string) (parts []storage.Part, bare bool, err error) {
	label, err := o.label(partial, partAttr)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, false, err
	}
	journal := []byte(label)
	f, err := p.openFile(journalName(id), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return decodeJournal(journal), true, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	rest, err := io.ReadAll(io.LimitReader(f, maxJournal))
	if err != nil {
		return nil, false, err
	}
	return decodeJournal(append(journal, rest...)), false, nil
}

// forgetParts drops all entries: nothing that was written can be trusted any
// more.
func (o *Objects) forgetParts(p *place, partial *os.File, id string) error {
	err := o.removeLabel(partial, partAttr)
	f, openErr := p.openFile(journalName(id), os.O_WRONLY|os.O_TRUNC, 0)
	if openErr == nil {
		openErr = f.Close()
	}
	if errors.Is(openErr, fs.ErrNotExist) {
		return err
	}
	return errors.Join(err, openErr)
}
