package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"godwit/node"
)

// Levels of the log, as words.
var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func addLogLevel(cmd *cobra.Command, value *string, preset, usage string) {
	*value = preset
	addWord(cmd, value, "log-level", "", usage, "debug", "info", "warn", "error")
}

// newLogger writes text for a person and JSON for a machine, for libraries too.
func newLogger(w io.Writer, level string) *slog.Logger {
	options := &slog.HandlerOptions{Level: logLevels[level]}
	var handler slog.Handler = slog.NewJSONHandler(w, options)
	if isTerminal(w) {
		handler = slog.NewTextHandler(w, options)
	}
	logger := slog.New(handler)
	hearLibraries(logger)
	return logger
}

// joinDataDir runs the node of a data folder in this process, or finds the
// process that does.
func joinDataDir(ctx context.Context, dataDir string, log *slog.Logger) (attachment, error) {
	return node.Attach(ctx, node.EmbedConfig{DataDir: dataDir, Version: thisBuild().Version, Logger: log})
}

var _ attachment = (*node.Attachment)(nil)
