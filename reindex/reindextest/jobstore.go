package reindextest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"productindex/reindex"
)

// TestJobStore checks every promise of [reindex.JobStore]. open returns an empty store of its own at each call.
func TestJobStore(t *testing.T, open func(t *testing.T) reindex.JobStore) {
	for _, test := range []struct {
		name string
		fn   func(t *testing.T, s reindex.JobStore)
	}{
		{"CreateAndGet", testCreateAndGet},
		{"OneUnfinishedPerTenant", testOneUnfinished},
		{"ConcurrentCreates", testConcurrentCreates},
		{"Update", testUpdate},
		{"NotFound", testNotFound},
		{"List", testList},
	} {
		t.Run(test.name, func(t *testing.T) { test.fn(t, open(t)) })
	}
}

// job returns a job as the engine creates it, made n milliseconds after a fixed time.
func job(tenant, id string, n int) reindex.Job {
	at := time.Date(2026, 11, 24, 8, 0, 0, n*int(time.Millisecond), time.UTC)
	return reindex.Job{
		ID: id, Tenant: tenant, EntityType: reindex.EntityProduct, Status: reindex.StatusPending, Expected: -1, Created: at, Modified: at,
		Report: reindex.Report{Expected: -1, Replaced: -1},
	}
}

func mustCreate(t *testing.T, s reindex.JobStore, j reindex.Job) {
	t.Helper()
	stored, created, err := s.Create(t.Context(), j)
	if err != nil || !created {
		t.Fatalf("create %s: created %v, error %v", j.ID, created, err)
	}
	assertJob(t, stored, j)
}

func assertJob(t *testing.T, got, want reindex.Job) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the job is\n%+v, want\n%+v", got, want)
	}
}

func testCreateAndGet(t *testing.T, s reindex.JobStore) {
	want := job("a", "1", 0)
	mustCreate(t, s, want)
	got, err := s.Get(t.Context(), "a", "1")
	if err != nil {
		t.Fatal(err)
	}
	assertJob(t, got, want)
}

func testOneUnfinished(t *testing.T, s reindex.JobStore) {
	first := job("a", "1", 0)
	mustCreate(t, s, first)
	mustCreate(t, s, job("b", "2", 0))
	for _, status := range []reindex.Status{reindex.StatusPending, reindex.StatusInProgress, reindex.StatusPublished} {
		first.Status = status
		if err := s.Update(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		stored, created, err := s.Create(t.Context(), job("a", "3", 1))
		if err != nil || created {
			t.Fatalf("while a job is %s: created %v, error %v", status, created, err)
		}
		assertJob(t, stored, first)
	}
	other := job("a", "4", 2)
	other.EntityType = "CATEGORY"
	mustCreate(t, s, other)
	first.Status = reindex.StatusFailure
	if err := s.Update(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s, job("a", "5", 3))
}

func testConcurrentCreates(t *testing.T, s reindex.JobStore) {
	const callers = 20
	type result struct {
		id      string
		created bool
		err     error
	}
	results := make(chan result)
	for i := range callers {
		go func() {
			stored, created, err := s.Create(t.Context(), job("a", fmt.Sprint(i), i))
			results <- result{stored.ID, created, err}
		}()
	}
	created, ids := 0, map[string]bool{}
	for range callers {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		if r.created {
			created++
		}
		ids[r.id] = true
	}
	if created != 1 || len(ids) != 1 {
		t.Errorf("%d callers created a job, and saw the jobs %v; want 1 and the same", created, ids)
	}
}

func testUpdate(t *testing.T, s reindex.JobStore) {
	j := job("a", "1", 0)
	mustCreate(t, s, j)
	j.Status, j.Message, j.Expected, j.Processed = reindex.StatusFailure, "why", 120, 119
	j.Modified = j.Modified.Add(time.Second)
	j.Report = reindex.Report{
		Read: 120, Indexed: 100, Rejected: 10, Duplicates: 9, Expected: 120, Replaced: 90, Bytes: 1 << 40, Batches: 7, Retries: 2,
		Rejections: []reindex.Rejection{{ID: "x", Reason: "no \"good\"", Where: "a.jsonl, line 7"}, {ID: "y", Reason: "ä"}}, DuplicateIDs: []string{"d", "日本"},
		Durations: reindex.Durations{Pending: 1, Begin: 2, Load: time.Hour, Seal: 4, Commit: 5, Total: 6},
	}
	if err := s.Update(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), "a", "1")
	if err != nil {
		t.Fatal(err)
	}
	assertJob(t, got, j)
}

func testNotFound(t *testing.T, s reindex.JobStore) {
	mustCreate(t, s, job("a", "1", 0))
	for _, key := range [][2]string{{"a", "2"}, {"b", "1"}, {"", "1"}, {"a", ""}} {
		if _, err := s.Get(t.Context(), key[0], key[1]); !errors.Is(err, reindex.ErrJobNotFound) {
			t.Errorf("get of %q: %v, want ErrJobNotFound", key, err)
		}
		if err := s.Update(t.Context(), job(key[0], key[1], 0)); !errors.Is(err, reindex.ErrJobNotFound) {
			t.Errorf("update of %q: %v, want ErrJobNotFound", key, err)
		}
	}
}

func testList(t *testing.T, s reindex.JobStore) {
	if jobs, total, err := s.List(t.Context(), "a", reindex.JobQuery{}); len(jobs) != 0 || total != 0 || err != nil {
		t.Errorf("an empty store lists %v, total %d, error %v", jobs, total, err)
	}
	for i := range 10 {
		for _, tenant := range []string{"a", "b"} {
			j := job(tenant, fmt.Sprintf("%s%d", tenant, i), i)
			mustCreate(t, s, j)
			j.Status = reindex.StatusSuccess
			if err := s.Update(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		query reindex.JobQuery
		want  []string
	}{
		{reindex.JobQuery{}, []string{"a9", "a8", "a7", "a6", "a5", "a4", "a3", "a2", "a1", "a0"}},
		{reindex.JobQuery{Limit: 2}, []string{"a9", "a8"}},
		{reindex.JobQuery{Offset: 8, Limit: 5}, []string{"a1", "a0"}},
		{reindex.JobQuery{Offset: 3, Limit: 1}, []string{"a6"}},
		{reindex.JobQuery{Offset: 10, Limit: 1}, nil},
		{reindex.JobQuery{Offset: 100}, nil},
	} {
		jobs, total, err := s.List(t.Context(), "a", test.query)
		var ids []string
		for _, j := range jobs {
			ids = append(ids, j.ID)
		}
		if err != nil || total != 10 || !reflect.DeepEqual(ids, test.want) {
			t.Errorf("%+v lists %v, total %d, error %v; want %v of 10", test.query, ids, total, err, test.want)
		}
	}
}
