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

// damaged returns an error that matches [reindex.ErrDamaged]; what says which damage it is.
func damaged(what string, args ...any) error {
	return reindex.Public(fmt.Errorf("%w: %w", reindex.ErrDamaged, fmt.Errorf(what, args...)), reindex.ErrDamaged.Error())
}

// panicError is what a panic in bleve, or in what bleve calls, becomes.
type panicError struct {
	value any
	stack []byte
}

// Error returns the panic's value.
func (e *panicError) Error() string { return fmt.Sprintf("panic in bleve: %v", e.value) }

// guard calls f and returns what f returns. A panic in it, also for memory that cannot be read as its file was cut or
// its disk fails, is a [*panicError].
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value: value, stack: debug.Stack()}
		}
	}()
	return f()
}

// PublicMessage is what callers of an API may see. See [reindex.Public].
func (e *panicError) PublicMessage() string {
	return "a file of the index is damaged, or its disk fails"
}

// explain adds to an error of the file system what can be done about it, and what callers of an API may see of it: no
// path.
func explain(dir string, err error) error {
	is := func(cause error) bool { // bleve wraps some errors as text
		return errors.Is(err, cause) || strings.Contains(err.Error(), cause.Error())
	}
	switch {
	case is(syscall.ENOSPC), is(syscall.EDQUOT):
		const text = "is full, a reindex needs the space of a second index"
		return reindex.Public(fmt.Errorf("the disk of %s %s: %w", dir, text, err), "the disk of the index "+text)
	case is(syscall.EFBIG):
		const text = "a file of the index would be larger than the process, or the file system, allows (ulimit -f)"
		return reindex.Public(fmt.Errorf("%s: %w", text, err), text)
	case is(syscall.EMFILE):
		const text = "the process has too many files open, raise its limit (ulimit -n)"
		return reindex.Public(fmt.Errorf("%s: %w", text, err), text)
	case is(syscall.EROFS), is(syscall.EACCES):
		return reindex.Public(err, "the folder of the index cannot be written to")
	case is(syscall.EIO):
		return reindex.Public(err, "the disk of the index fails")
	default:
		return err
	}
}
