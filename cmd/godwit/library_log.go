package main

import (
	"io"
	"log"
	"log/slog"
	"strings"
)

// silenceLibraries keeps what libraries say through the standard logger away
// from standard error, which is for progress and for lines of ours.
func silenceLibraries() {
	log.SetFlags(0)
	log.SetOutput(io.Discard)
}

// hearLibraries makes it lines of ours. Nobody but a developer can do anything
// about them.
func hearLibraries(to *slog.Logger) { log.SetOutput(libraryLog{to}) }

// libraryLog is what the standard logger writes to, a line at a time.
type libraryLog struct{ log *slog.Logger }

// Write logs a line up to what it quotes: that is what a far side has sent.
func (l libraryLog) Write(p []byte) (int, error) {
	text, _, _ := strings.Cut(string(p), `"`)
	l.log.Debug("a library has something to say", slog.String("text", printable(strings.TrimSpace(text))))
	return len(p), nil
}
