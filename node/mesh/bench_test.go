package mesh

import (
	"context"
	"testing"
)

// BenchmarkCall asks for little, from one goroutine and from many.
func BenchmarkCall(b *testing.B) {
	answer := make([]byte, 64)
	from := start(b, "a", echo)
	to := peer(start(b, "b", func(context.Context, Request) ([]byte, error) { return answer, nil }))
	ask := func() {
		if _, err := from.Call(b.Context(), to, "kind", 0, answer); err != nil {
			b.Error(err)
		}
	}
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			ask()
		}
	})
	b.Run("many", func(b *testing.B) {
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				ask()
			}
		})
	})
}
