package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// noise fills buffers with bytes that do not compress and are the same in
// every run.
type noise struct{ *rand.ChaCha8 }

func newNoise(seed byte) noise { return noise{rand.NewChaCha8([32]byte{seed})} }

// makeFile writes a file of noise and flushes it to disk.
func makeFile(path string, size int64, source io.Reader) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make a test file: %w", err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = io.CopyN(w, source, size)
	if err := errors.Join(err, w.Flush(), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("make a test file: %w", err)
	}
	return nil
}

// smallName is the name of the i-th small file.
func smallName(i int) string { return fmt.Sprintf("small-%05d.bin", i) }

// makeSmall writes count files of size bytes into a new folder.
func makeSmall(dir string, count int, size int64) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make test files: %w", err)
	}
	source := newNoise(2)
	for i := range count {
		body := make([]byte, size)
		source.Read(body) //nolint:errcheck // noise has no end and no errors
		if err := os.WriteFile(filepath.Join(dir, smallName(i)), body, 0o644); err != nil {
			return fmt.Errorf("make test files: %w", err)
		}
	}
	return nil
}

// sameContent compares two files byte by byte; an error says how they differ.
func sameContent(got, want string) error {
	g, err := os.Open(got)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	defer g.Close()
	w, err := os.Open(want)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	defer w.Close()
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for offset := int64(0); ; {
		n, errA := io.ReadFull(g, a)
		m, errB := io.ReadFull(w, b)
		if n != m || !bytes.Equal(a[:n], b[:m]) {
			return fmt.Errorf("%s differs from what was served, at or after byte %d", filepath.Base(got), offset)
		}
		if errA != nil || errB != nil {
			return unlessEnd(errA, errB)
		}
		offset += int64(n)
	}
}

// unlessEnd returns the first error that does not only tell the end of a file.
func unlessEnd(errs ...error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("compare: %w", err)
		}
	}
	return nil
}

// sameFolder compares the small files of two folders.
func sameFolder(got, want string, count int) error {
	for i := range count {
		if err := sameContent(filepath.Join(got, smallName(i)), filepath.Join(want, smallName(i))); err != nil {
			return err
		}
	}
	return nil
}
