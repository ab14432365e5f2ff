package reindex

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a panic of a Source, a Transform, an Indexer or a Trace that ended a run instead of the program.
type PanicError struct {
	// Value is what was passed to panic.
	Value any
	// Stack is the stack trace of the goroutine that panicked.
	Stack []byte
}

// Error holds the value, not the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value where it is an error, and nil otherwise.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// guard calls f and returns its error, or its panic as a [*PanicError].
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}
