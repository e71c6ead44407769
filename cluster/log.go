package cluster

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// logWriter turns memberlist's lines, "[WARN] memberlist: …", into records.
// Debug lines pass as they are; of all others each offender, or where none is
// named each text, gets one a minute.
type logWriter struct {
	log   *slog.Logger
	often *limiter
}

// noise begins lines that say nothing or that we say better.
var noise = []string{
	"Stream connection", "Initiating push/pull sync", // every join
	"Got ping for unexpected node",                     // another life had this address before
	"ignoring alive message", "Failed push/pull merge", // said by gossip.check
	"Using dynamic bind port",
}

// logLevels are ours for memberlist's. What it calls an error is trouble of the
// world, a stranger with another key for one, and no defect.
var logLevels = map[string]slog.Level{
	"[DEBUG] ": slog.LevelDebug,
	"[INFO] ":  slog.LevelInfo,
	"[WARN] ":  slog.LevelWarn,
	"[ERR] ":   slog.LevelWarn,
	"[ERROR] ": slog.LevelWarn,
}

// Write takes one line and never fails.
func (w *logWriter) Write(line []byte) (int, error) {
	text, level := strings.TrimSpace(string(line)), slog.LevelWarn
	for prefix, l := range logLevels {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			text, level = rest, l
		}
	}
	text = strings.TrimPrefix(text, "memberlist: ")
	ctx := context.Background()
	if w.isNoise(text) || !w.log.Enabled(ctx, level) || level > slog.LevelDebug && !w.often.allow(offender(text)) {
		return len(line), nil
	}
	w.log.LogAttrs(ctx, level, "gossip", slog.String("detail", text))
	return len(line), nil
}

func (w *logWriter) isNoise(text string) bool {
	for _, prefix := range noise {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

// offender returns the host that a line ends with, "… from=host:port", without
// its port, which is another one for each connection, or else the line.
func offender(text string) string {
	_, addr, ok := strings.Cut(text, "from=")
	if !ok {
		return text
	}
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// gate is what all records pass until it is shut: goroutines and timers of
// memberlist outlive its end by seconds, and what they log then comes too late.
type gate struct {
	mu     sync.RWMutex
	isShut bool
}

// shut lets nothing pass any more, and returns when nothing is passing.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isShut = true
}

// gatedHandler is a handler behind a gate.
type gatedHandler struct {
	slog.Handler
	gate *gate
}

// Handle implements slog.Handler.
func (h gatedHandler) Handle(ctx context.Context, r slog.Record) error {
	h.gate.mu.RLock()
	defer h.gate.mu.RUnlock()
	if h.gate.isShut {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h gatedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return gatedHandler{h.Handler.WithAttrs(attrs), h.gate}
}

// WithGroup implements slog.Handler.
func (h gatedHandler) WithGroup(name string) slog.Handler {
	return gatedHandler{h.Handler.WithGroup(name), h.gate}
}

// Bounds of a limiter.
const (
	maxOffenders = 256
	logEvery     = time.Minute
)

// limiter lets one event a minute through for each key.
type limiter struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// allow tells whether the event may pass. With too many keys in one minute it
// refuses new ones rather than grow.
func (l *limiter) allow(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if last, ok := l.last[key]; ok && now.Sub(last) < logEvery {
		return false
	}
	if len(l.last) >= maxOffenders {
		for k, last := range l.last {
			if now.Sub(last) >= logEvery {
				delete(l.last, k)
			}
		}
		if len(l.last) >= maxOffenders {
			return false
		}
	}
	if l.last == nil {
		l.last = make(map[string]time.Time)
	}
	l.last[key] = now
	return true
}
