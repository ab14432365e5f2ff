package emporix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"productindex/reindex"
)

// retryError is an answer that asks to come again later.
type retryError struct {
	err   error
	after time.Duration // 0: the service does not say when
}

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }

// permanent marks an error that another try can not help.
func permanent(err error) error { return backoff.Permanent(err) }

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

// pace is the waits between attempts: growing, and never shorter than the service asked for.
type pace struct {
	*backoff.ExponentialBackOff

	after time.Duration
}

// NextBackOff returns the next wait.
func (p *pace) NextBackOff() time.Duration {
	wait := max(p.ExponentialBackOff.NextBackOff(), p.after)
	p.after = 0
	return wait
}

// try calls op until it succeeds, fails for good, or has failed too often.
func try[T any](ctx context.Context, retry reindex.Retry, op func() (T, error)) (T, error) {
	waits := &pace{ExponentialBackOff: backoff.NewExponentialBackOff()}
	waits.InitialInterval, waits.MaxInterval = retry.MinDelay, retry.MaxDelay
	attempts := 0
	result, err := backoff.Retry(ctx, func() (T, error) {
		attempts++
		result, err := op()
		if later, ok := errors.AsType[*retryError](err); ok {
			if limit := 10 * retry.MaxDelay; later.after > limit {
				return result, permanent(fmt.Errorf("%w; the service asks to wait %v, longer than %v", err, later.after, limit))
			}
			waits.after = later.after
		}
		return result, err
	}, backoff.WithBackOff(waits), backoff.WithMaxTries(uint(retry.Attempts)), backoff.WithMaxElapsedTime(0))
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil:
		return result, ctx.Err()
	case attempts > 1:
		return result, fmt.Errorf("after %d attempts: %w", attempts, err)
	}
	return result, err
}
