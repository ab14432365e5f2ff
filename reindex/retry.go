package reindex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Retry is the policy for calls that failed with a [TemporaryError], and for retryable items of a [BatchError]. The
// wait before try n is a random time between one half and the whole of MinDelay × 2ⁿ⁻², at most MaxDelay. It is not
// shorter than the time that the server asked for, up to MaxRetryAfter.
type Retry struct {
	// Attempts is the number of tries in all. Default 8.
	Attempts int
	// MinDelay is the longest wait before the second try. Default 200 ms.
	MinDelay time.Duration
	// MaxDelay is the longest wait before any try, unless the server asks for a longer one. Default 30 s.
	MaxDelay time.Duration
	// MaxRetryAfter limits the wait that a server may ask for; a longer one is cut to it. Default 5 min, or MaxDelay if
	// that is longer.
	MaxRetryAfter time.Duration
}

const (
	defaultAttempts      = 8
	defaultMinDelay      = 200 * time.Millisecond
	defaultMaxDelay      = 30 * time.Second
	defaultMaxRetryAfter = 5 * time.Minute
)

// withDefaults returns a copy of p in which every field that is not set has its default.
func (p Retry) withDefaults() Retry {
	p.Attempts = cmp.Or(p.Attempts, defaultAttempts)
	p.MinDelay = cmp.Or(p.MinDelay, defaultMinDelay)
	p.MaxDelay = cmp.Or(p.MaxDelay, max(defaultMaxDelay, p.MinDelay))
	p.MaxRetryAfter = cmp.Or(p.MaxRetryAfter, max(defaultMaxRetryAfter, p.MaxDelay))
	return p
}

// validate returns an error for each invalid field of a policy whose defaults are set.
func (p Retry) validate() error {
	var errs []error
	if p.Attempts < 1 {
		errs = append(errs, fmt.Errorf("Retry.Attempts is %d, it must be positive", p.Attempts))
	}
	if p.MinDelay < 1 {
		errs = append(errs, fmt.Errorf("Retry.MinDelay is %v, it must be positive", p.MinDelay))
	}
	if p.MaxDelay < p.MinDelay {
		errs = append(errs,
			fmt.Errorf("Retry.MaxDelay is %v, it must not be below Retry.MinDelay, %v", p.MaxDelay, p.MinDelay))
	}
	if p.MaxRetryAfter < 0 {
		errs = append(errs, fmt.Errorf("Retry.MaxRetryAfter is %v, it must not be negative", p.MaxRetryAfter))
	}
	return errors.Join(errs...)
}

// Do calls f until it succeeds, fails with an error that is not a [*TemporaryError], or has been called Attempts times.
// Fields that are not set have their defaults. Do returns the last error, or the cause of the end of ctx if ctx ends
// during a wait.
func (p Retry) Do(ctx context.Context, f func() error) error {
	p = p.withDefaults()
	for attempt := 1; ; attempt++ {
		err := f()
		temporary, ok := errors.AsType[*TemporaryError](err)
		if !ok {
			return err
		}
		if err := p.pause(ctx, attempt, temporary.RetryAfter, err); err != nil {
			return err
		}
	}
}

// retried calls f as p.Do does, and returns its last result.
func retried[T any](ctx context.Context, p Retry, f func(ctx context.Context) (T, error)) (result T, err error) {
	err = p.Do(ctx, func() (err error) {
		result, err = f(ctx)
		return err
	})
	return result, err
}

// pause waits for the next try. It is called after attempt failed tries; failure is the last error. It returns an error
// if the attempts are used up, or ctx ended.
func (p Retry) pause(ctx context.Context, attempt int, retryAfter time.Duration, failure error) error {
	if attempt >= p.Attempts {
		return fmt.Errorf("failed %d times in a row, the last time with: %w", attempt, failure)
	}
	timer := time.NewTimer(max(p.delay(attempt), min(retryAfter, p.MaxRetryAfter)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// delay returns a random wait after attempt failed tries.
func (p Retry) delay(attempt int) time.Duration {
	longest := p.MaxDelay
	if doublings := attempt - 1; doublings < 62 && p.MinDelay <= p.MaxDelay>>doublings {
		longest = p.MinDelay << doublings
	}
	half := longest / 2
	return half + rand.N(longest-half+1) //nolint:gosec // a wait need not be unpredictable
}
