package mesh

import (
	"context"
	"io"
	"log"
	"log/slog"

	"google.golang.org/grpc/grpclog"
)

// gRPC prints errors to standard error, past everybody. They go where those of
// the standard library go, which a program can choose; this is the only moment
// at which no connection of another mesh can be in the way.
func init() {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, standardLog{}))
}

// standardLog is the standard logger as a writer that follows its settings.
type standardLog struct{}

func (standardLog) Write(p []byte) (int, error) {
	log.Print(string(p))
	return len(p), nil
}

// warnings passes only warnings and errors on: the library reports every
// connection, and every message to an actor that has just ended. What it calls an
// error is a connection that ended when its other side died, which is trouble of
// the world and no defect: all of it becomes a warning.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h warnings) Handle(ctx context.Context, r slog.Record) error {
	r.Level = min(r.Level, slog.LevelWarn)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h warnings) WithGroup(name string) slog.Handler {
	return warnings{h.Handler.WithGroup(name)}
}
