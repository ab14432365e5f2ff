package esindex

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// clock lets the time of a bubble go on.
func clock(d time.Duration) {
	<-time.After(d)
}

func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			p     pulse
			beats []time.Duration
			ended error
		)
		start := time.Now()
		p.start(time.Minute, func(ctx context.Context) {
			beats = append(beats, time.Since(start))
			if len(beats) == 3 {
				<-ctx.Done()
				ended = ctx.Err()
			}
		})
		clock(150 * time.Second)
		if len(beats) != 2 || beats[0] != time.Minute || beats[1] != 2*time.Minute {
			t.Errorf("beats after %v", beats)
		}
		clock(45 * time.Second)
		p.stop()
		p.stop()
		if len(beats) != 3 || ended != context.Canceled { //nolint:errorlint // exactly this one
			t.Errorf("%d beats, the one in progress ended with %v", len(beats), ended)
		}
		clock(time.Hour)
		if len(beats) != 3 {
			t.Error("it goes on after stop")
		}
	})
}

func TestPulseNeverStarted(t *testing.T) {
	(&pulse{}).stop()
}
