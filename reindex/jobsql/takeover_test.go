package jobsql

import (
	"errors"
	"testing"
	"time"

	"productindex/reindex"
)

// A job that is taken over has one owner. Only one of several callers gets it, and the former owner can no longer store
// it.
func testTakeOver(t *testing.T, d database) {
	s := d.store(t, Config{})
	job := newJob("a", "1")
	job.Report.DuplicateIDs = []string{"p"}
	former := mustCreate(t, s, job)
	taken, ok, err := s.TakeOver(t.Context(), "a", "1", former.Fence)
	if err != nil || !ok || taken.Fence <= former.Fence || len(taken.Report.DuplicateIDs) != 1 {
		t.Fatalf("taken over %v, error %v, the job is %+v, want a higher fence and the report", ok, err, taken)
	}
	if _, ok, err := s.TakeOver(t.Context(), "a", "1", former.Fence); ok || err != nil {
		t.Errorf("taking over again with the same token: got %v, error %v, want false", ok, err)
	}
	if _, err := s.Renew(t.Context(), former); !errors.Is(err, reindex.ErrLeaseLost) {
		t.Errorf("Renew by the former owner: got %v, want ErrLeaseLost", err)
	}
	late := former
	late.Status, late.Message = reindex.StatusFailure, "late"
	if err := s.Finish(t.Context(), late); !errors.Is(err, reindex.ErrLeaseLost) {
		t.Errorf("Finish by the former owner: got %v, want ErrLeaseLost", err)
	}
	taken.Status = reindex.StatusSuccess
	if err := s.Finish(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), late); !errors.Is(err, reindex.ErrLeaseLost) {
		t.Errorf("Finish by the former owner after the end: got %v, want ErrLeaseLost", err)
	}
	if _, ok, err := s.TakeOver(t.Context(), "a", "1", taken.Fence); ok || err != nil {
		t.Errorf("taking over an ended job: got %v, error %v, want false", ok, err)
	}
	if _, ok, err := s.TakeOver(t.Context(), "nobody", "1", 1); ok || err != nil {
		t.Errorf("taking over a job of an unknown tenant: got %v, error %v, want false", ok, err)
	}
}

// Left returns the jobs whose leases have run out for longer than the given time.
func testLeft(t *testing.T, d database) {
	s := d.store(t, Config{})
	mustCreate(t, s, newJob("a", "1"))
	if jobs, err := s.Left(t.Context(), newJob("a", "1").EntityType, time.Hour, 9); err != nil || len(jobs) != 0 {
		t.Errorf("got %v, error %v, want no job that was left an hour ago", jobs, err)
	}
	if jobs, err := s.Left(t.Context(), "other", -time.Hour, 9); err != nil || len(jobs) != 0 {
		t.Errorf("got %v, error %v, want no job of another type", jobs, err)
	}
	jobs, err := s.Left(t.Context(), newJob("a", "1").EntityType, -time.Hour, 9)
	if err != nil || len(jobs) != 1 || jobs[0].ID != "1" || jobs[0].Tenant != "a" || jobs[0].Fence == 0 {
		t.Errorf("got %+v, error %v, want one job", jobs, err)
	}
}
