package reindex

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// do calls f until it succeeds, fails with anything but a [TemporaryError], or has been called as often as allowed.
func (p Retry) do(ctx context.Context, f func() error) error {
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

// pause waits before the next try, after attempt tries that failed, the last one with failure. It returns an error where there is no
// next try: the attempts are used up, or ctx ended.
func (p Retry) pause(ctx context.Context, attempt int, retryAfter time.Duration, failure error) error {
	if attempt >= p.Attempts {
		return fmt.Errorf("failed %d times in a row, the last time with: %w", attempt, failure)
	}
	timer := time.NewTimer(max(p.delay(attempt), retryAfter))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// delay draws the wait after attempt tries that failed.
func (p Retry) delay(attempt int) time.Duration {
	longest := p.MaxDelay
	if doublings := attempt - 1; doublings < 62 && p.MinDelay <= p.MaxDelay>>doublings {
		longest = p.MinDelay << doublings
	}
	half := longest / 2
	return half + rand.N(longest-half+1) //nolint:gosec // a wait need not be unpredictable
}
