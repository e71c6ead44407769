package dir

import (
	"slices"
	"sort"
	"strings"
)

// blockSize bounds the slots of one block. Inserting moves half a block on
// average, and a block costs one comparison of the search for it.
const blockSize = 256

// slot is one key and where its newest entry lies.
type slot struct {
	key string
	// off and size say where the entry lies in the log, in bytes.
	off  int64
	size uint32
	// lost tells that the body is damaged.
	lost bool
	// seq and random make the version.
	seq, random uint64
}

// keyspace holds all keys in order, as a list of sorted blocks: cheaper than a
// map beside a sorted list, and never in need of sorting. It is guarded by
// whoever owns it.
type keyspace struct {
	blocks [][]slot
	len    int
}

// place returns the index of the block that holds key or would hold it, and
// the key's place in it. There is at least one block.
func (k *keyspace) place(key string) (block, at int, ok bool) {
	block, found := slices.BinarySearchFunc(k.blocks, key, func(b []slot, key string) int {
		return strings.Compare(b[0].key, key)
	})
	if !found {
		block = max(0, block-1)
	}
	at, ok = slices.BinarySearchFunc(k.blocks[block], key, func(s slot, key string) int {
		return strings.Compare(s.key, key)
	})
	return block, at, ok
}

// get returns the slot of key.
func (k *keyspace) get(key string) (slot, bool) {
	if len(k.blocks) == 0 {
		return slot{}, false
	}
	block, at, ok := k.place(key)
	if !ok {
		return slot{}, false
	}
	return k.blocks[block][at], true
}

// set puts a slot in its place and returns the one it replaced.
func (k *keyspace) set(s slot) (old slot, replaced bool) {
	if len(k.blocks) == 0 {
		k.blocks = [][]slot{append(make([]slot, 0, blockSize+1), s)}
		k.len = 1
		return slot{}, false
	}
	block, at, ok := k.place(s.key)
	if ok {
		old = k.blocks[block][at]
		// The key that is there already is kept: one copy of it is enough.
		s.key = old.key
		k.blocks[block][at] = s
		return old, true
	}
	k.blocks[block] = slices.Insert(k.blocks[block], at, s)
	k.len++
	if len(k.blocks[block]) > blockSize {
		k.split(block, at)
	}
	return slot{}, false
}

// split parts a block that is full. Keys often come in order; then the full
// block is left as it is and the last key begins the next one.
func (k *keyspace) split(block, at int) {
	b := k.blocks[block]
	cut := len(b) / 2
	if at == len(b)-1 {
		cut = at
	}
	rest := make([]slot, len(b)-cut, blockSize+1)
	copy(rest, b[cut:])
	clear(b[cut:])
	k.blocks[block] = b[:cut]
	k.blocks = slices.Insert(k.blocks, block+1, rest)
}

// remove takes key away and returns its slot.
func (k *keyspace) remove(key string) (old slot, ok bool) {
	if len(k.blocks) == 0 {
		return slot{}, false
	}
	block, at, ok := k.place(key)
	if !ok {
		return slot{}, false
	}
	old = k.blocks[block][at]
	k.len--
	if k.blocks[block] = slices.Delete(k.blocks[block], at, at+1); len(k.blocks[block]) == 0 {
		k.blocks = slices.Delete(k.blocks, block, block+1)
	}
	return old, true
}

// list returns up to limit keys under prefix that sort after startAfter. It
// looks at few of them: to compare keys is to fetch them from all over memory.
func (k *keyspace) list(prefix, startAfter string, limit int) []string {
	if len(k.blocks) == 0 {
		return nil
	}
	block, at, ok := k.place(max(prefix, startAfter))
	if ok && startAfter >= prefix {
		at++
	}
	var keys []string
	for ; block < len(k.blocks) && len(keys) < limit; block, at = block+1, 0 {
		slots := k.blocks[block][at:]
		under := sort.Search(len(slots), func(i int) bool { return !strings.HasPrefix(slots[i].key, prefix) })
		taken := min(under, limit-len(keys))
		keys = slices.Grow(keys, taken)
		for _, s := range slots[:taken] {
			keys = append(keys, s.key)
		}
		if under < len(slots) {
			break
		}
	}
	return keys
}

// ascend calls visit for the slots from a key on, in order, while it says so.
func (k *keyspace) ascend(from string, visit func(slot) bool) {
	if len(k.blocks) == 0 {
		return
	}
	block, at, _ := k.place(from)
	for ; block < len(k.blocks); block, at = block+1, 0 {
		for _, s := range k.blocks[block][at:] {
			if !visit(s) {
				return
			}
		}
	}
}
