package reindex

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"strings"
	"unicode/utf8"
)

// PanicError is a panic in the code of the host (a Source, a Transform, an Indexer, a JobStore). It ended a run instead
// of the program.
type PanicError struct {
	// Value is the value passed to panic.
	Value any
	// Stack is the stack trace of the goroutine that panicked.
	Stack []byte
}

// Error returns the value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value if it is an error, and nil otherwise.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// errGoexit is the error of a run whose goroutine was ended by the code of the host.
var errGoexit = errors.New("the goroutine was ended by runtime.Goexit, a defect of the code that it called")

// contain calls f in a goroutine of its own and returns its error. If f panics, it returns a [*PanicError]; if f calls
// runtime.Goexit, it returns errGoexit.
func contain(f func() error) error {
	result := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() { result <- err }()
		defer recovered(&err)
		err = f()
	}()
	return sound(<-result)
}

// guard calls f and returns its error, or its panic as a [*PanicError].
func guard(f func() error) (err error) {
	defer recovered(&err)
	return sound(f())
}

// recovered ends a panic of the function that defers it, and sets err to a [*PanicError].
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{Value: v, Stack: debug.Stack()}
	}
}

// sound returns err if the methods of every error in its tree can be called. If one of them panics, as those of a nil
// pointer do, it returns another error.
func sound(err error) (result error) {
	if err == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			result = fmt.Errorf("an error of type %T whose methods panic: %v", err, v)
		}
	}()
	if bad := findNil(err); bad != nil {
		return fmt.Errorf("a nil %T was returned as an error", bad)
	}
	_ = err.Error()
	return err
}

// findNil returns the first error in the tree of err that is a nil pointer in an interface, or nil if there is none.
func findNil(err error) error {
	if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.IsNil() {
		return err
	}
	switch err := err.(type) { //nolint:errorlint // this walks the tree itself
	case interface{ Unwrap() error }:
		if inner := err.Unwrap(); inner != nil {
			return findNil(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range err.Unwrap() {
			if inner == nil {
				continue
			}
			if bad := findNil(inner); bad != nil {
				return bad
			}
		}
	}
	return nil
}

// maxReason is the length of the longest reason that a report holds, in bytes.
const maxReason = 1000

// reason returns the text of an error of the host's code for a report: the public text if it has one.
func reason(err error) string {
	if err = sound(err); err == nil {
		return "no reason was given"
	}
	if public, ok := publicMessage(err); ok {
		return public
	}
	return shorten(err.Error())
}

// shorten returns text, cut to maxReason bytes.
func shorten(text string) string {
	if len(text) <= maxReason {
		return text
	}
	const more = "…"
	end := maxReason - len(more)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.Clone(text[:end]) + more
}

// contained is a log handler that recovers from the panics of another one.
type contained struct{ inner slog.Handler }

func (h contained) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	_ = guard(func() error { enabled = h.inner.Enabled(ctx, level); return nil })
	return enabled
}

func (h contained) Handle(ctx context.Context, record slog.Record) error {
	return guard(func() error { return h.inner.Handle(ctx, record) })
}

func (h contained) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contained{h.inner.WithAttrs(attrs)}
}

func (h contained) WithGroup(name string) slog.Handler { return contained{h.inner.WithGroup(name)} }
