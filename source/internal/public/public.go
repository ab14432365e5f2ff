// Package public marks the parts of a source's errors that callers of an API may see. See [reindex.Public].
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

// Own makes the whole text of err public.
func Own(err error) error {
	if err == nil {
		return nil
	}
	return reindex.Public(err, err.Error())
}

// Errorf is [fmt.Errorf] for an error whose whole text is public.
func Errorf(format string, args ...any) error { return Own(fmt.Errorf(format, args...)) }

// Reason returns the public text of err, or its whole text if it has none. Use it only for errors of this module.
func Reason(err error) string {
	if text, ok := Text(err); ok {
		return text
	}
	return err.Error()
}

// Within puts a place before the text of err, and before its public text if it has one.
func Within(place string, err error) error {
	within := fmt.Errorf("%s: %w", place, err)
	if text, ok := Text(err); ok {
		return reindex.Public(within, place+": "+text)
	}
	return within
}
