package schedule

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"productindex/reindex"
)

// times holds the times of a cron expression on the clock of a place.
type times struct {
	schedule *cron.SpecSchedule // of a clock without a time zone
	location *time.Location
}

func parse(e Entry) (times, error) {
	if err := reindex.CheckTenant(e.Tenant); err != nil {
		return times{}, err
	}
	if e.Jitter < 0 {
		return times{}, fmt.Errorf("Jitter is %v, it must not be negative", e.Jitter) //nolint:staticcheck // the field's name
	}
	if strings.HasPrefix(e.Cron, "TZ=") || strings.HasPrefix(e.Cron, "CRON_TZ=") {
		return times{}, fmt.Errorf("the expression %q names a time zone; set Location instead", e.Cron)
	}
	parsed, err := cron.ParseStandard("CRON_TZ=UTC " + e.Cron)
	if err != nil {
		return times{}, fmt.Errorf("the expression %q is not valid: %w", e.Cron, err)
	}
	t := times{location: cmp.Or(e.Location, time.UTC)}
	var ok bool
	if t.schedule, ok = parsed.(*cron.SpecSchedule); !ok {
		return times{}, fmt.Errorf("the expression %q is an interval, not a time of the clock", e.Cron)
	}
	if t.next(time.Now()).IsZero() {
		return times{}, fmt.Errorf("the expression %q matches no time", e.Cron)
	}
	return t, nil
}

// next returns the first time after a moment. It returns the zero time if there is none within some years.
func (t times) next(after time.Time) time.Time {
	clock := t.clock(after)
	if before := after.Add(-longestGap); !t.clock(before).Add(longestGap).Equal(clock) {
		clock = t.clock(before) // a time that the clock skips may have been moved to a moment later than after
	}
	for {
		if clock = t.schedule.Next(clock); clock.IsZero() {
			return time.Time{}
		}
		at := t.at(clock)
		if at.After(after) {
			return at
		}
	}
}

// longestGap is more than the time that clocks skip when summer time begins.
const longestGap = 3 * time.Hour

// clock returns what the clock shows at a moment, as a time in UTC.
func (t times) clock(at time.Time) time.Time {
	local := at.In(t.location)
	return time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC)
}

// at returns the moment at which the clock shows a time: the first one if there are two. A time that the clock skips is
// moved by the length of the gap.
func (t times) at(clock time.Time) time.Time {
	_, before := clock.Add(-24 * time.Hour).In(t.location).Zone() // the offset before a change of the clock on that day
	first := clock.Add(-time.Duration(before) * time.Second).In(t.location)
	if t.clock(first).Equal(clock) {
		return first
	}
	at := time.Date(clock.Year(), clock.Month(), clock.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, t.location)
	if t.clock(at).Equal(clock) {
		return at
	}
	return first
}

// last returns the last time that is not after now. It returns the zero time if there is none within the given period.
func (t times) last(now time.Time, within time.Duration) time.Time {
	first := t.next(now.Add(-within))
	if first.IsZero() || first.After(now) {
		return time.Time{}
	}
	return t.latest(first, now)
}

// latest returns the last time that is not after now. It begins to look at the time from.
func (t times) latest(from, now time.Time) time.Time {
	for {
		next := t.next(from)
		if next.IsZero() || next.After(now) {
			return from
		}
		from = next
	}
}

// between counts the times that are not after now, except the last one, beginning with the time from. It returns the
// latest of those that it has counted.
func (t times) between(from, now time.Time) (n int64, latest time.Time) {
	for next := t.next(from); !next.IsZero() && !next.After(now); from, next = next, t.next(next) {
		n, latest = n+1, from
	}
	return n, latest
}
