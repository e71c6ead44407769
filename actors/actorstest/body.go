package actorstest

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// readSize is the most that one read of a body brings, in bytes.
const readSize = 16 << 10

// body delivers one answer.
type body struct {
	ctx     context.Context
	source  *Source
	answer  Answer
	content endpointtest.Content
	// at and end are offsets in the content, sent is what was delivered.
	at, end, sent int64
	closing       sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	if b.answer.PanicBody != "" {
		panic(b.answer.PanicBody)
	}
	if err := b.ctx.Err(); err != nil {
		return 0, canceled(err)
	}
	if b.at == b.end {
		return 0, io.EOF
	}
	n := min(int64(len(p)), b.end-b.at, readSize)
	if cut := b.answer.Cut; cut > 0 {
		if b.sent >= cut {
			return 0, b.broken()
		}
		n = min(n, cut-b.sent)
	}
	if rate := b.answer.Rate; rate > 0 {
		if err := pause(b.ctx, time.Duration(n)*time.Second/time.Duration(rate)); err != nil {
			return 0, canceled(err)
		}
	}
	if _, err := b.content.ReadAt(p[:n], b.at); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	b.at += n
	b.sent += n
	b.source.mu.Lock()
	b.source.served += n
	b.source.mu.Unlock()
	return int(n), nil
}

// broken is how the connection ends at the cut.
func (b *body) broken() error {
	if b.answer.Stall == 0 {
		return transfer.Errorf(transfer.CodeReset, "the connection was reset")
	}
	if err := pause(b.ctx, b.answer.Stall); err != nil {
		return canceled(err)
	}
	return transfer.Errorf(transfer.CodeStall, "no byte came in time")
}

func (b *body) Close() error {
	b.closing.Do(func() {
		b.source.mu.Lock()
		defer b.source.mu.Unlock()
		b.source.active--
	})
	return nil
}
