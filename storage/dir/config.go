package dir

import "godwit/storage"

// Config says where a store lies.
type Config struct {
	// Root is the folder of [OpenRecords], an absolute path. Required there
	// and of no meaning to [OpenObjects].
	Root string
	// Roots confine the names of [OpenObjects] to these folders, absolute
	// paths that must exist; nothing outside them is reached, not by a
	// symbolic link either. Empty: any path may be named.
	Roots []string
	// Buffers lends each part that is being written
	// [storage.StreamBuffer] bytes. Default: a pool of 16 MiB.
	Buffers *storage.BufferPool
}

// defaultBuffers is the budget in bytes of a pool that nobody shares.
const defaultBuffers = 16 << 20

func (c Config) withDefaults() Config {
	if c.Buffers == nil {
		c.Buffers = storage.NewBufferPool(defaultBuffers)
	}
	return c
}
