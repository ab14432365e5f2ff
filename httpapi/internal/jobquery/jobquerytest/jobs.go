// Package jobquerytest has jobs for tests of selecting and sorting.
package jobquerytest

import (
	"time"

	"productindex/reindex"
)

// ShopMessage has every kind of character that requires quotes.
const ShopMessage = `the shop "Köln" is closed (503): see C:\shop, then retry`

// Varied returns jobs that differ in every field of q and sort, the oldest first.
func Varied() []reindex.Job {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 10, 0, 0, 0, time.UTC) }
	jobs := []reindex.Job{
		{
			Status:    reindex.StatusSuccess,
			Expected:  100,
			Processed: 100,
			Created:   day(1).Add(123_400 * time.Microsecond),
			Modified:  day(1).Add(5 * time.Minute),
		},
		{
			Status:    reindex.StatusFailure,
			Expected:  -1,
			Estimated: true,
			Processed: 3,
			Message:   ShopMessage,
			Created:   day(2).In(time.FixedZone("", 3600)),
			Modified:  day(2).Add(time.Second),
		},
		{
			Status:    reindex.StatusFailure,
			Expected:  50,
			Processed: 50,
			Message:   "timeout",
			Created:   day(3),
			Modified:  day(3).Add(2 * time.Hour),
		},
		{Status: reindex.StatusSuccess, Expected: 0, Processed: 0, Message: "left over", Created: day(4), Modified: day(4)},
		{Status: reindex.StatusFailure, Expected: 9, Processed: 9, Created: day(5), Modified: day(5)},
		{Status: reindex.StatusFailure, Expected: -1, Processed: 50, Message: "null", Created: day(6), Modified: day(6)},
		{Status: reindex.StatusPending, Expected: -1, EntityType: "CATEGORY", Created: day(7), Modified: day(7)},
		{Status: reindex.StatusInProgress, Expected: 1000, Estimated: true, Processed: 10, Created: day(8), Modified: day(8)},
	}
	for i := range jobs {
		jobs[i].Report.Indexed, jobs[i].Report.Read = jobs[i].Processed, jobs[i].Processed
		jobs[i].ID, jobs[i].Tenant = "J"+string(rune('1'+i)), "acme"
		if jobs[i].EntityType == "" {
			jobs[i].EntityType = reindex.EntityProduct
		}
	}
	third, fifth := &jobs[2].Report, &jobs[4].Report
	third.Read, third.Rejected = 57, 7
	third.Durations = reindex.Durations{Pending: 1, Begin: 20 * time.Millisecond, Load: 3 * time.Second}
	fifth.Read, fifth.Duplicates, fifth.Conflicts = 11, 2, 1
	fifth.ChangesApplied, fifth.ChangesRefused, fifth.Ignored = 7, 3, 12
	fifth.Durations = reindex.Durations{
		Pending: time.Second,
		Begin:   1,
		Load:    time.Second,
		Seal:    1_999_999,
		Total:   4 * time.Second,
	}
	jobs[2].Phase, jobs[4].Phase = reindex.PhaseLoad, reindex.PhaseCheck
	return jobs
}

// EveryJob has the ids of all jobs of [Varied], newest first.
const EveryJob = "J8 J7 J6 J5 J4 J3 J2 J1"
