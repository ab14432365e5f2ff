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

// clock lets time pass in a bubble of synctest, so that timers fire.
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
			t.Errorf("the pulse beats after %v, want one and two minutes", got)
		}
		clock(45 * time.Second)
		p.stop()
		p.stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the context of the beat in progress ends with %v, want %v", err, context.Canceled)
		}
		clock(time.Hour)
		if len(soFar()) != 3 {
			t.Error("the pulse beats after stop")
		}
	})
}

func TestPulseNeverStarted(*testing.T) {
	(&pulse{}).stop()
}
