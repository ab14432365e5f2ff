package jobsql

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"productindex/reindex"
)

// end stores a job as successful, with a list in its report.
func end(tb testing.TB, s *Store, job reindex.Job) {
	tb.Helper()
	job.Status = reindex.StatusSuccess
	job.Report.DuplicateIDs = []string{"of " + job.ID}
	mustStore(tb, s, job)
}

func count(tb testing.TB, s *Store, table string) (n int) {
	tb.Helper()
	if err := s.db.QueryRowContext(tb.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

// The oldest ended jobs of a tenant are deleted with the lists of their reports. Their fences are not assigned again.
func testHistory(t *testing.T, d database) {
	s := d.store(t, Config{History: 3})
	end(t, s, mustCreate(t, s, newJob("b", "b")))
	var last int64
	for i := range 10 {
		job := mustCreate(t, s, newJob("a", fmt.Sprint(i)))
		if job.Fence <= last {
			t.Errorf("got fence %d, want one above %d", job.Fence, last)
		}
		last = job.Fence
		end(t, s, job)
		jobs, total, err := s.List(t.Context(), "a", reindex.JobQuery{})
		if want := min(i+1, 3); err != nil || total != want || len(jobs) != want || jobs[0].ID != job.ID {
			t.Errorf("after %d jobs, %d are kept, error %v, want %d", i+1, total, err, want)
		}
	}
	if jobs, lists := count(t, s, "reindex_jobs"), count(t, s, "reindex_job_lists"); jobs != 4 || lists != 4 {
		t.Errorf("%d jobs and %d lists are stored, want 3 of one tenant and 1 of the other", jobs, lists)
	}
	// A store with a shorter history deletes more jobs, and still assigns no fence again.
	s = d.store(t, Config{History: 1})
	job := mustCreate(t, s, newJob("a", "next"))
	if jobs := count(t, s, "reindex_jobs"); job.Fence <= last || jobs != 3 {
		t.Errorf("got fence %d, want one above %d; %d jobs are stored, want 3", job.Fence, last, jobs)
	}
	// Even after all jobs were deleted by hand, no fence is assigned again.
	if err := s.exec(t.Context(), s.db, "DELETE FROM reindex_jobs"); err != nil {
		t.Fatal(err)
	}
	if next := mustCreate(t, s, newJob("a", "last")); next.Fence <= job.Fence {
		t.Errorf("got fence %d, want one above %d", next.Fence, job.Fence)
	}
}

// An unfinished job is not deleted, however old it is.
func testHistoryKeepsUnfinished(t *testing.T, d database) {
	s := d.store(t, Config{History: 1})
	old := newJob("a", "old")
	old.EntityType = "CATEGORY"
	old.Report.DuplicateIDs = []string{"x"}
	old = mustCreate(t, s, old)
	for i := range 5 {
		end(t, s, mustCreate(t, s, newJob("a", fmt.Sprint(i))))
	}
	if got := mustGet(t, s, "a", "old"); !reflect.DeepEqual(got, old) {
		t.Errorf("the job is %+v, want %+v", got, old)
	}
}

// The reports of listed jobs, also in Match and Compare, have numbers but no lists. Get returns both.
func testLists(t *testing.T, d database) {
	s := d.store(t, Config{})
	for i := range int64(4) {
		job := mustCreate(t, s, newJob("a", fmt.Sprint(i)))
		job.Report.Rejected, job.Report.Durations.Load = 10*i, 7
		job.Report.Rejections = []reindex.Rejection{{ID: "x", Reason: "why", Where: "there"}}
		end(t, s, job)
	}
	rejected := func(j reindex.Job) bool { return j.Report.Rejected > 0 && j.Report.Rejections == nil }
	fewest := func(a, b reindex.Job) int { return cmp.Compare(a.Report.Rejected, b.Report.Rejected) }
	for _, test := range []struct {
		query reindex.JobQuery
		want  []string
		total int
	}{
		{reindex.JobQuery{}, []string{"3", "2", "1", "0"}, 4},
		{reindex.JobQuery{Offset: 1, Limit: 2}, []string{"2", "1"}, 4},
		{reindex.JobQuery{Offset: -1, Limit: -1}, []string{"3", "2", "1", "0"}, 4},
		{reindex.JobQuery{Match: rejected, Compare: fewest, Limit: 2}, []string{"1", "2"}, 3},
	} {
		jobs, total, err := s.List(t.Context(), "a", test.query)
		var ids []string
		for _, job := range jobs {
			ids = append(ids, job.ID)
			if job.Report.Rejections != nil || job.Report.DuplicateIDs != nil || job.Report.Durations.Load != 7 {
				t.Errorf("the listed job has the report %+v, want one without lists", job.Report)
			}
		}
		if err != nil || total != test.total || !slices.Equal(ids, test.want) {
			t.Errorf("%+v: got %v of %d, error %v, want %v of %d", test.query, ids, total, err, test.want, test.total)
		}
	}
	// Numbers that an older version did not store are zero, not those of the job that was decoded before.
	if err := s.exec(t.Context(), s.db, "UPDATE reindex_jobs SET numbers = '[1,2]' WHERE id = '1'"); err != nil {
		t.Fatal(err)
	}
	jobs, _, err := s.List(t.Context(), "a", reindex.JobQuery{Offset: 1, Limit: 2})
	if err != nil || jobs[1].Report.Durations.Load != 0 {
		t.Errorf("the listed job has the report %+v, error %v, want Durations.Load 0", jobs[1].Report, err)
	}
	report := mustGet(t, s, "a", "3").Report
	if len(report.Rejections) != 1 ||
		report.Rejections[0] != (reindex.Rejection{ID: "x", Reason: "why", Where: "there"}) ||
		!slices.Equal(report.DuplicateIDs, []string{"of 3"}) {
		t.Errorf("Get returns the report %+v, want its lists", report)
	}
}

// If the lists of a report are cleared, because reading has begun again, the store clears them as well.
func testListsGoneAgain(t *testing.T, d database) {
	s := d.store(t, Config{})
	job := mustCreate(t, s, newJob("a", "1"))
	for _, ids := range [][]string{{"x"}, nil, {"y", "z"}} {
		job.Report.DuplicateIDs = ids
		mustStore(t, s, job)
		if got := mustGet(t, s, "a", "1"); !reflect.DeepEqual(got, job) {
			t.Errorf("the job is %+v, want %+v", got, job)
		}
	}
}

// Text that a database cannot store does not make a job fail, and does not match another job.
func testAnyText(t *testing.T, d database) {
	s := d.store(t, Config{})
	job := mustCreate(t, s, newJob("a", "1"))
	job.Status, job.Message = reindex.StatusFailure, "a \x00 and \xff, 日本"
	job.Report.Rejections = []reindex.Rejection{{ID: "\x00", Reason: "\x01"}}
	mustStore(t, s, job)
	got := mustGet(t, s, "a", "1")
	if got.Message != "a \uFFFD and \uFFFD, 日本" || got.Report.Rejections[0] != job.Report.Rejections[0] {
		t.Errorf("the job is %+v, want the replacement character for bytes that cannot be stored", got)
	}
	for _, key := range [][2]string{{"a", "\x00"}, {"\xff", "1"}, {"a\x00", "1"}} {
		_, err := s.Get(t.Context(), key[0], key[1])
		assertNotFound(t, err)
		assertNotFound(t, store(t.Context(), s, newJob(key[0], key[1])))
		assertNotFound(t, s.Cancel(t.Context(), key[0], key[1]))
	}
}
