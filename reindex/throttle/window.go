package throttle

import (
	"errors"
	"fmt"
	"time"
)

// day is the length of a day on a clock.
const day = 24 * time.Hour

// Window is a daily period. If its end is not after its start, it includes midnight.
type Window struct {
	// From and To are the start and the end, as times of the clock since midnight, such as 22*time.Hour. They must differ.
	From, To time.Duration
	// Location is the time zone of the clock. Nil: UTC.
	Location *time.Location
}

func (w *Window) check() error {
	if w.From < 0 || w.From >= day || w.To < 0 || w.To >= day || w.From == w.To {
		return errors.New("Window.From and To must be different times from 0 to 24 hours after midnight")
	}
	return nil
}

// String returns the window in a form such as 22:00 to 06:00.
func (w *Window) String() string {
	return fmt.Sprintf("%s to %s %s", clock(w.From), clock(w.To), w.location())
}

func clock(d time.Duration) string { return time.Time{}.Add(d).Format("15:04") }

func (w *Window) location() *time.Location {
	if w.Location == nil {
		return time.UTC
	}
	return w.Location
}

// until returns the time until the window opens; 0 if it is open.
func (w *Window) until(now time.Time) time.Duration {
	local := now.In(w.location())
	for days := -1; ; days++ { // yesterday's window can still be open
		from, to := w.at(local, days, w.From), w.at(local, days, w.To)
		if w.To < w.From {
			to = w.at(local, days+1, w.To)
		}
		switch {
		case now.Before(from):
			return from.Sub(now)
		case now.Before(to):
			return 0
		}
	}
}

// at returns the moment at which the clock shows a time, the given number of days after the day of local.
func (w *Window) at(local time.Time, days int, clock time.Duration) time.Time {
	return time.Date(local.Year(), local.Month(), local.Day()+days, 0, 0, int(clock/time.Second), int(clock%time.Second),
		local.Location())
}
