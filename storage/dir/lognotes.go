package dir

import (
	"encoding/binary"
	"os"
)

// notes is what processes that share a log tell each other in its lock file.
// It is never synced and need not be: after a power loss an old note is still
// true, and one that is missing only makes the next reader more careful.
type notes struct {
	f *os.File
}

// Each note is a number and its complement, written at once.
const (
	durableAt  = 0
	poisonedAt = 16
	notesSize  = 32
)

// openNotes takes the room of the notes, so that they can still be written
// when the disk is full.
func openNotes(f *os.File) (notes, error) {
	_, err := f.WriteAt([]byte{0}, notesSize)
	return notes{f}, err
}

// read returns the two notes, 0 where one was never written.
//
// durable is a sequence: everything up to it has been synced. Readers take it
// before they look at the log, so that what it speaks of is there.
//
// poisoned is the generation of a log of which a sync failed. What the system
// then still shows of the file may not be on the disk although later syncs
// succeed, so nobody acknowledges anything in that file any more.
func (n notes) read() (durable, poisoned uint64) {
	b := make([]byte, notesSize)
	// A short file is one in which nothing was noted yet.
	_, _ = n.f.ReadAt(b, 0)
	return decodeNote(b[durableAt:]), decodeNote(b[poisonedAt:])
}

// setDurable notes that everything up to seq has been synced, unless more is
// noted. Two processes at once may leave the smaller number, which is as true.
func (n notes) setDurable(seq, noted uint64) error {
	if seq <= noted {
		return nil
	}
	return n.write(durableAt, seq)
}

// poison notes that nothing may be acknowledged in a generation any more.
func (n notes) poison(generation uint64) error { return n.write(poisonedAt, generation) }

func (n notes) write(at int64, value uint64) error {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 16), value)
	_, err := n.f.WriteAt(binary.LittleEndian.AppendUint64(b, ^value), at)
	return err
}

func decodeNote(b []byte) uint64 {
	value := binary.LittleEndian.Uint64(b)
	if binary.LittleEndian.Uint64(b[8:]) != ^value {
		return 0
	}
	return value
}
