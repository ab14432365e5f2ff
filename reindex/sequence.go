package reindex

import (
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
)

// errMisuse ends a run whose source breaks the rules of a sequence.
var errMisuse = errors.New("a defect of the Source")

// States of a sequence.
const (
	seqIdle    int32 = iota // running, outside of yield
	seqInside               // inside of yield
	seqStopped              // yield has returned false
	seqEnded                // the sequence has returned
)

// consume calls take for every element of the sequence until take returns an error, and returns that error. If the
// sequence yields from several goroutines at the same time, or after it was asked to stop, the error matches errMisuse.
// If it yields after it has returned, consume calls late.
func consume(seq iter.Seq2[Product, error], take func(Product, error) error, late func(error)) error {
	var (
		state  atomic.Int32
		misuse atomic.Pointer[error]
		taken  error
	)
	seq(func(p Product, err error) bool {
		if !state.CompareAndSwap(seqIdle, seqInside) {
			wrong := misusedIn(state.Load())
			misuse.CompareAndSwap(nil, &wrong)
			late(wrong)
			return false
		}
		if taken = take(p, err); taken != nil {
			state.Store(seqStopped)
			return false
		}
		state.Store(seqIdle)
		return true
	})
	if state.Swap(seqEnded) == seqInside {
		return misusedIn(seqInside)
	}
	if wrong := misuse.Load(); wrong != nil {
		return errors.Join(*wrong, taken)
	}
	return taken
}

func misusedIn(state int32) error {
	switch state {
	case seqStopped:
		return fmt.Errorf("the source yielded a product after it was asked to stop: %w", errMisuse)
	case seqEnded:
		return fmt.Errorf("the source yielded a product after its sequence had ended: %w", errMisuse)
	}
	return fmt.Errorf("the source yielded from several goroutines at the same time: %w", errMisuse)
}
