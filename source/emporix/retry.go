package emporix

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"productindex/reindex"
)

// permanentError is an error that another attempt would not avoid.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

func permanent(err error) error { return &permanentError{err} }

// retryAfter reads the header Retry-After (RFC 9110, section 10.2.3): seconds, or a date.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// try calls op until it succeeds, fails permanently, or has failed too often. Since a read changes nothing, it retries
// after every error that is not known to be permanent.
func try(ctx context.Context, retry reindex.Retry, op func() error) error {
	return retry.Do(ctx, func() error {
		err := op()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if permanent, ok := errors.AsType[*permanentError](err); ok {
			return permanent.err
		}
		if _, ok := errors.AsType[*reindex.TemporaryError](err); ok {
			return err
		}
		return &reindex.TemporaryError{Err: err}
	})
}
