package bleveindex

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"syscall"

	"productindex/reindex"
)

// Sentinel errors, besides [reindex.ErrNoLiveIndex] and [reindex.ErrDamaged]. Match them with [errors.Is].
var (
	// ErrClosed: the Index was closed.
	ErrClosed = errors.New("the index is closed")

	// ErrLocked: another process, or another Index of this one, has the directory open.
	ErrLocked = errors.New("the directory is open in another process or Index")

	// ErrReadOnly: the Index was opened with Config.ReadOnly.
	ErrReadOnly = errors.New("the index is open read-only")
)

// damaged returns an error that matches [reindex.ErrDamaged]; what tells the damage.
func damaged(what string, args ...any) error {
	return fmt.Errorf("%w: %w", reindex.ErrDamaged, fmt.Errorf(what, args...))
}

// panicError is what a panic in bleve, or in what bleve calls, becomes.
type panicError struct {
	value any
	stack []byte
}

// Error tells the panic's value.
func (e *panicError) Error() string { return fmt.Sprintf("panic in bleve: %v", e.value) }

// guard calls f and returns what f returns. A panic in it, also for memory that cannot be read as its file was cut or its disk fails, is a
// [*panicError].
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value: value, stack: debug.Stack()}
		}
	}()
	return f()
}

// explain adds to an error of the file system what can be done about it.
func explain(dir string, err error) error {
	is := func(cause error) bool { // bleve wraps some errors as text
		return errors.Is(err, cause) || strings.Contains(err.Error(), cause.Error())
	}
	switch {
	case is(syscall.ENOSPC):
		return fmt.Errorf("the disk of %s is full, a reindex needs the space of a second index: %w", dir, err)
	case is(syscall.EMFILE):
		return fmt.Errorf("the process has too many files open, raise its limit (ulimit -n): %w", err)
	default:
		return err
	}
}
