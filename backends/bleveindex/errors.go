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
	// ErrClosed means that the Index was closed.
	ErrClosed = errors.New("the index is closed")

	// ErrLocked means that another process, or another Index of this process, has the directory open.
	ErrLocked = errors.New("the directory is open in another process or Index")

	// ErrReadOnly means that the Index was opened with Config.ReadOnly, so the call cannot change anything.
	ErrReadOnly = errors.New("the index is open read-only")
)

// damaged returns an error that matches [reindex.ErrDamaged]. The format what and its arguments describe the damage.
func damaged(what string, args ...any) error {
	return reindex.Public(fmt.Errorf("%w: %w", reindex.ErrDamaged, fmt.Errorf(what, args...)), reindex.ErrDamaged.Error())
}

// panicError is the error of a panic in bleve, or in code that bleve calls.
type panicError struct {
	value any
	stack []byte
}

// Error returns a text with the value of the panic, without the stack.
func (e *panicError) Error() string { return fmt.Sprintf("panic in bleve: %v", e.value) }

// guard calls f and returns its error, or a [*panicError] if f panics. It also recovers from a fault in mapped memory,
// which happens if a file was truncated or its disk fails.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value: value, stack: debug.Stack()}
		}
	}()
	return f()
}

// PublicMessage returns a text that callers of an API may see. See [reindex.Public].
func (e *panicError) PublicMessage() string {
	return "a file of the index is damaged, or its disk fails"
}

// explain adds advice to an error of the file system, and a text without paths that callers of an API may see.
func explain(dir string, err error) error {
	is := func(cause error) bool { // bleve wraps some errors as text
		return errors.Is(err, cause) || strings.Contains(err.Error(), cause.Error())
	}
	switch {
	case is(syscall.ENOSPC), is(syscall.EDQUOT):
		const text = "is full; a reindex needs space for a second index"
		return reindex.Public(fmt.Errorf("the disk of %s %s: %w", dir, text, err), "the disk of the index "+text)
	case is(syscall.EFBIG):
		const text = "a file of the index would be larger than the process, or the file system, allows (ulimit -f)"
		return reindex.Public(fmt.Errorf("%s: %w", text, err), text)
	case is(syscall.EMFILE):
		const text = "the process has too many open files; raise its limit (ulimit -n)"
		return reindex.Public(fmt.Errorf("%s: %w", text, err), text)
	case is(syscall.EROFS), is(syscall.EACCES):
		return reindex.Public(err, "the directory of the index is not writable")
	case is(syscall.EIO):
		return reindex.Public(err, "the disk of the index fails")
	default:
		return err
	}
}
