// Package public marks what callers of an API may see of the errors of sources. See [reindex.Public].
package public

import (
	"errors"
	"fmt"

	"productindex/reindex"
)

// Text returns the text of err that callers of an API may see, and reports whether it has one.
func Text(err error) (text string, ok bool) {
	public, ok := errors.AsType[interface {
		error
		PublicMessage() string
	}](err)
	if !ok {
		return "", false
	}
	return public.PublicMessage(), true
}

// Own returns err as one whose whole text callers of an API may see.
func Own(err error) error {
	if err == nil {
		return nil
	}
	return reindex.Public(err, err.Error())
}

// Errorf is [fmt.Errorf] for an error whose whole text callers of an API may see.
func Errorf(format string, args ...any) error { return Own(fmt.Errorf(format, args...)) }

// Reason returns the text that callers of an API may see of an error of this module: all of it, unless it has another
// one for them.
func Reason(err error) string {
	if text, ok := Text(err); ok {
		return text
	}
	return err.Error()
}

// Within returns err with a place before its text, and before the text that callers of an API may see, if it has one.
func Within(place string, err error) error {
	within := fmt.Errorf("%s: %w", place, err)
	if text, ok := Text(err); ok {
		return reindex.Public(within, place+": "+text)
	}
	return within
}
