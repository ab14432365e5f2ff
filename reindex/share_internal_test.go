package reindex

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// While many changes are carried into a live index, runs write half of their batches at a time, at least one and at
// most two.
func TestShare(t *testing.T) {
	const all = 9
	for _, test := range []struct{ workers, changes, want int }{
		{4, 0, all},
		{4, fullGroup - 1, all},
		{8, fullGroup, 2},
		{4, fullGroup, 2},
		{3, fullGroup, 1},
		{1, fullGroup, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newShare(test.workers)
			defer s.change(test.changes)()
			begun := make(chan error, all)
			for range all {
				go func() { begun <- s.batch(t.Context()) }()
			}
			synctest.Wait()
			for want := test.want; ; want++ {
				if n := len(begun); n != min(want, all) {
					t.Fatalf("%+v: %d batches have begun, want %d", test, n, want)
				}
				if want >= all {
					break
				}
				s.batchEnded()
				synctest.Wait()
			}
		})
	}
}

// A batch that waits begins when another one ends, and not when the changes are written. It does not begin if its
// context ends.
func TestShareWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShare(2)
		end := s.change(fullGroup)
		if err := s.batch(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		begun, cancelled := make(chan error, 1), make(chan error, 1)
		go func() { begun <- s.batch(t.Context()) }()
		go func() { cancelled <- s.batch(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-cancelled; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want that of the context", err)
		}
		end()
		synctest.Wait()
		if len(begun) > 0 {
			t.Error("the batch has begun when the changes were written")
		}
		s.batchEnded()
		if err := <-begun; err != nil {
			t.Error(err)
		}
		s.batchEnded()
		if s.batches != 0 || s.calls != 0 || s.ended != nil {
			t.Errorf("in the end %d batches and %d calls are in progress, want none", s.batches, s.calls)
		}
	})
}
