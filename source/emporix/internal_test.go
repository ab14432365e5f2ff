package emporix

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
)

// The page after an offset begins before the offset, so that the pages overlap. It ends at least a third of a page
// after the offset; on the first page, at least one product after it.
func TestFollowing(t *testing.T) {
	for _, size := range []int{minPageSize, 31, 100, 500} {
		for offset := range 50_000 {
			sp := following(offset, size)
			enough := offset + size/3
			if offset < size { // on the first page, which begins at 0
				enough = offset + 1
			}
			if offset > 0 && sp.start() >= offset || sp.end() < enough || sp.size > size {
				t.Fatalf(
					"offset %d, size %d: page %d of %d begins at %d and ends at %d",
					offset,
					size,
					sp.number,
					sp.size,
					sp.start(),
					sp.end(),
				)
			}
		}
	}
}

// A request is not repeated before the time that the service named.
func TestRetryAfter(t *testing.T) {
	for _, value := range []string{"7", "in 7 s"} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			header := http.Header{"Retry-After": {value}}
			if value != "7" {
				header.Set("Retry-After", start.Add(7*time.Second).UTC().Format(http.TimeFormat))
			}
			tries := 0
			err := try(t.Context(), reindex.Retry{Attempts: 2, MinDelay: time.Millisecond, MaxDelay: time.Second}, func() error {
				if tries++; tries == 1 {
					return statusError("asking", &http.Response{StatusCode: http.StatusTooManyRequests, Header: header})
				}
				return nil
			})
			if waited := time.Since(start); err != nil || waited < 7*time.Second || waited > 9*time.Second {
				t.Errorf("%q: waited %v, error %v, want 7 s to 9 s", value, waited, err)
			}
		})
	}
}

// If the service names no time, the waits grow up to MaxDelay, and the number of attempts has a limit.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, tries, broken := time.Now(), 0, errors.New("broken")
		err := try(t.Context(), reindex.Retry{Attempts: 20, MinDelay: time.Millisecond, MaxDelay: time.Second}, func() error {
			tries++
			return broken
		})
		if waited := time.Since(start); tries != 20 || waited < time.Second || waited > 30*time.Second {
			t.Errorf("got %d tries in %v, want 20 in 1 s to 30 s", tries, waited)
		}
		if !errors.Is(err, broken) {
			t.Error(err)
		}
	})
}
