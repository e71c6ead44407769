package fetch

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
)

// TestRunWaits begins work while somebody waits: Wait returns when there is none
// at some moment, and never before.
func TestRunWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRun(context.Background())
		r.Wait() // nothing has been begun
		first := r.Begin()
		waited := make(chan struct{})
		go func() {
			r.Wait()
			close(waited)
		}()
		synctest.Wait()
		second := r.Begin()
		first()
		synctest.Wait()
		select {
		case <-waited:
			t.Fatal("it did not wait for what was begun meanwhile")
		default:
		}
		second()
		<-waited
		r.Stop()
	})
}

// TestRunBearsWorkAndWaiting begins and waits from many goroutines at once.
func TestRunBearsWorkAndWaiting(t *testing.T) {
	r := NewRun(context.Background())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 2000 {
				r.Begin()()
			}
		})
		all.Go(func() {
			for range 2000 {
				r.Wait()
			}
		})
	}
	all.Wait()
	r.Stop()
}
