package esindex

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// clock lets the time of a bubble go on, so that timers fire.
func clock(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			p     pulse
			mu    sync.Mutex
			beats []time.Duration
		)
		ended := make(chan error, 1)
		soFar := func() []time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(beats)
		}
		start := time.Now()
		p.start(time.Minute, func(ctx context.Context) {
			mu.Lock()
			beats = append(beats, time.Since(start))
			third := len(beats) == 3
			mu.Unlock()
			if third {
				<-ctx.Done()
				ended <- ctx.Err()
			}
		})
		clock(150 * time.Second)
		if got := soFar(); !slices.Equal(got, []time.Duration{time.Minute, 2 * time.Minute}) {
			t.Errorf("beats after %v", got)
		}
		clock(45 * time.Second)
		p.stop()
		p.stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the beat in progress ended with %v", err)
		}
		clock(time.Hour)
		if len(soFar()) != 3 {
			t.Error("it goes on after stop")
		}
	})
}

func TestPulseNeverStarted(*testing.T) {
	(&pulse{}).stop()
}
