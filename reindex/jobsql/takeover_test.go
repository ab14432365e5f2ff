package jobsql

import (
	"errors"
	"testing"
	"time"

	"productindex/reindex"
)

// A job that is taken over has one owner: the former owner can no longer store it, and only one of several callers gets
// it.
func testTakeOver(t *testing.T, d database) {
	s := d.store(t, Config{})
	job := newJob("a", "1")
	job.Report.DuplicateIDs = []string{"p"}
	former := mustCreate(t, s, job)
	taken, ok, err := s.TakeOver(t.Context(), "a", "1", former.Fence)
	if err != nil || !ok || taken.Fence <= former.Fence || len(taken.Report.DuplicateIDs) != 1 {
		t.Fatalf("taken over: %v, %v, %+v", ok, err, taken)
	}
	if _, ok, err := s.TakeOver(t.Context(), "a", "1", former.Fence); ok || err != nil {
		t.Errorf("taken over twice with one token: %v, %v", ok, err)
	}
	if _, err := s.Renew(t.Context(), former); !errors.Is(err, reindex.ErrLeaseLost) {
		t.Errorf("renewal by the former owner: %v, want ErrLeaseLost", err)
	}
	late := former
	late.Status, late.Message = reindex.StatusFailure, "late"
	if err := s.Finish(t.Context(), late); !errors.Is(err, reindex.ErrLeaseLost) {
		t.Errorf("end by the former owner: %v, want ErrLeaseLost", err)
	}
	taken.Status = reindex.StatusSuccess
	if err := s.Finish(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), late); !errors.Is(err, reindex.ErrLeaseLost) {
		t.Errorf("end by the former owner after the end: %v, want ErrLeaseLost", err)
	}
	if _, ok, err := s.TakeOver(t.Context(), "a", "1", taken.Fence); ok || err != nil {
		t.Errorf("an ended job was taken over: %v, %v", ok, err)
	}
	if _, ok, err := s.TakeOver(t.Context(), "nobody", "1", 1); ok || err != nil {
		t.Errorf("a job of no tenant was taken over: %v, %v", ok, err)
	}
}

// Left returns jobs that have not been renewed for a while, and returns each of them only once in that time.
func testLeft(t *testing.T, d database) {
	s := d.store(t, Config{})
	mustCreate(t, s, newJob("a", "1"))
	if jobs, err := s.Left(t.Context(), newJob("a", "1").EntityType, time.Hour, 9); err != nil || len(jobs) != 0 {
		t.Errorf("left after an hour: %v, %v; want none", jobs, err)
	}
	if jobs, err := s.Left(t.Context(), "other", -time.Hour, 9); err != nil || len(jobs) != 0 {
		t.Errorf("left of another type: %v, %v; want none", jobs, err)
	}
	jobs, err := s.Left(t.Context(), newJob("a", "1").EntityType, -time.Hour, 9)
	if err != nil || len(jobs) != 1 || jobs[0].ID != "1" || jobs[0].Tenant != "a" || jobs[0].Fence == 0 {
		t.Errorf("left: %+v, %v; want one job", jobs, err)
	}
}
