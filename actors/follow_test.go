package actors_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/storage"
	"godwit/transfer"
)

// readAll opens a result and reads it to its end.
func (b *bubble) readAll(sys *actors.System, offset int64) ([]byte, error) {
	b.Helper()
	body, err := sys.Open(b.Context(), "a", offset)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return io.ReadAll(body)
}

// TestFollow opens a result while it grows, from several offsets, in stores that
// can be read before publishing and in those that cannot.
func TestFollow(t *testing.T) {
	for name, limits := range map[string]storage.Limits{"folder": fileLimits(), "objects": s3Limits()} {
		for _, offset := range []int64{0, 1, partSize, 3*partSize - 1, 8 * partSize} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, 8, func(b *bubble) {
					b.objects = actorstest.NewObjects(limits)
					b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize} }
					sys := b.node()
					b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Connections = 1 }), true)
					settle(2500 * time.Millisecond)
					want, err := io.ReadAll(b.source.Content().Reader(offset))
					if err != nil {
						b.Fatal(err)
					}
					got, err := b.readAll(sys, offset)
					if err != nil || !bytes.Equal(got, want) {
						b.Fatalf("read %d bytes while it grew (%v), want %d", len(got), err, len(want))
					}
					got, err = b.readAll(sys, offset)
					if err != nil || !bytes.Equal(got, want) {
						b.Fatalf("read %d bytes of the result (%v), want %d", len(got), err, len(want))
					}
				})
			})
		}
	}
}

// TestFollowGrows delivers what is stored before the transfer has ended.
func TestFollowGrows(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize} }
		sys := b.node()
		b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Connections = 1 }), true)
		body, err := sys.Open(b.Context(), "a", 0)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(body, make([]byte, 2*partSize)); err != nil {
			b.Fatal(err)
		}
		if snap := b.want(sys, "a", transfer.PhaseRunning); snap.State.Done() > 4*partSize {
			b.Errorf("two parts came when %d bytes were stored", snap.State.Done())
		}
		if err := body.Close(); err != nil {
			b.Error(err)
		}
		if _, err := body.Read(make([]byte, 1)); err == nil {
			b.Error("a closed stream was read")
		}
	})
}

// TestFollowChangedContent fails once bytes were read that are not part of the
// result any more.
func TestFollowChangedContent(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		b.source.Script = func(int, endpoint.Request) actorstest.Answer {
			return actorstest.Answer{Rate: 2 * partSize, Cut: 5*partSize + 1}
		}
		sys := b.node()
		b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Connections = 1 }), true)
		go func() {
			pass(2 * time.Second)
			b.source.Change()
		}()
		_, err := b.readAll(sys, 0)
		b.code(err, transfer.CodeSourceChanged)
		b.completed(sys, "a")
	})
}

// TestFollowNoResult fails when there will be none.
func TestFollowNoResult(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize} }
		sys := b.node()
		b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Connections = 1 }), true)
		canceled := make(chan struct{})
		go func() {
			defer close(canceled)
			pass(3 * time.Second)
			if _, err := sys.Command(b.Context(), "a", transfer.Cancel{}, ""); err != nil {
				b.Error(err)
			}
		}()
		_, err := b.readAll(sys, 7*partSize)
		b.code(err, transfer.CodeNoResult)
		_, err = b.readAll(sys, 0)
		b.code(err, transfer.CodeNoResult)
		if errors.Is(err, io.EOF) {
			b.Error("a missing result looks like an empty one")
		}
		<-canceled
	})
}

// TestFollowBeyondTheEnd fails as soon as it is known that the result has no
// such offset: at once, or when the source has told its size.
func TestFollowBeyondTheEnd(t *testing.T) {
	const size = 8 * partSize
	for name, limits := range map[string]storage.Limits{"folder": fileLimits(), "objects": s3Limits()} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 8, func(b *bubble) {
				b.objects = actorstest.NewObjects(limits)
				b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize} }
				sys := b.node()
				b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Connections = 1 }), false)
				early := make(chan error, 1)
				go func() {
					_, err := b.readAll(sys, size+1)
					early <- err
				}()
				settle(time.Second)
				if _, err := sys.Command(b.Context(), "a", transfer.Start{}, ""); err != nil {
					b.Fatal(err)
				}
				settle(2500 * time.Millisecond)
				select {
				case err := <-early:
					b.code(err, transfer.CodeOffset)
				default:
					b.Fatal("it waits for what will never come")
				}
				b.want(sys, "a", transfer.PhaseRunning)
				_, err := b.readAll(sys, size+1)
				b.code(err, transfer.CodeOffset)
				b.completed(sys, "a")
				_, err = b.readAll(sys, size+1)
				b.code(err, transfer.CodeOffset)
				if got, err := b.readAll(sys, size); err != nil || len(got) > 0 {
					b.Errorf("read %d bytes at the end, %v", len(got), err)
				}
			})
		})
	}
}
