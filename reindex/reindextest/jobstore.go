package reindextest

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"productindex/reindex"
)

// TestJobStore checks every promise of [reindex.JobStore] except those about leases, for which there is
// [TestJobLeases]. open returns a new, empty store at each call.
func TestJobStore(t *testing.T, open func(t *testing.T) reindex.JobStore) {
	for _, test := range []struct {
		name string
		fn   func(t *testing.T, s reindex.JobStore)
	}{
		{"CreateAndGet", testCreateAndGet},
		{"OneUnfinishedPerTenant", testOneUnfinished},
		{"ConcurrentCreates", testConcurrentCreates},
		{"Finish", testFinish},
		{"FinishTwice", testFinishTwice},
		{"CreateTwice", testCreateTwice},
		{"EndedForGood", testEndedForGood},
		{"Cancel", testCancelJob},
		{"NotFound", testNotFound},
		{"List", testList},
		{"Select", testSelect},
		{"Tenants", testStoredTenants},
	} {
		t.Run(test.name, func(t *testing.T) { test.fn(t, open(t)) })
	}
}

// job returns a job as the engine creates it, created n milliseconds after a fixed time.
func job(tenant, id string, n int) reindex.Job {
	at := time.Date(2026, 11, 24, 8, 0, 0, n*int(time.Millisecond), time.UTC)
	return reindex.Job{
		ID: id, Tenant: tenant, EntityType: reindex.EntityProduct, Generation: "g-1",
		Options: reindex.Options{DryRun: true, Difference: true, Rollback: true, Generation: "g-1"},
		Status:  reindex.StatusPending, Expected: -1, Created: at, Modified: at,
		Report: reindex.Report{Expected: -1, Replaced: -1},
	}
}

// mustCreate creates a job and returns the stored job, which differs at most by its fence.
func mustCreate(t *testing.T, s reindex.JobStore, j reindex.Job) reindex.Job {
	t.Helper()
	stored, created, err := s.Create(t.Context(), j)
	if err != nil || !created {
		t.Fatalf("create %s: created %v, error %v; want true", j.ID, created, err)
	}
	j.Fence = stored.Fence
	assertJob(t, stored, j)
	return stored
}

// mustStore stores the state of a job: with Finish if the job has ended, and otherwise with Renew.
func mustStore(t *testing.T, s reindex.JobStore, j reindex.Job) {
	t.Helper()
	if j.Status.Ended() {
		if err := s.Finish(t.Context(), j); err != nil {
			t.Fatalf("finish %s: %v", j.ID, err)
		}
		return
	}
	if cancelled, err := s.Renew(t.Context(), j); err != nil || cancelled {
		t.Fatalf("renew %s: cancelled %v, error %v; want false", j.ID, cancelled, err)
	}
}

func assertJob(t *testing.T, got, want reindex.Job) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the job is\n%+v, want\n%+v", got, want)
	}
}

func testCreateAndGet(t *testing.T, s reindex.JobStore) {
	want := mustCreate(t, s, job("a", "1", 0))
	got, err := s.Get(t.Context(), "a", "1")
	if err != nil {
		t.Fatal(err)
	}
	assertJob(t, got, want)
}

func testOneUnfinished(t *testing.T, s reindex.JobStore) {
	first := mustCreate(t, s, job("a", "1", 0))
	mustCreate(t, s, job("b", "2", 0))
	for _, status := range []reindex.Status{reindex.StatusPending, reindex.StatusInProgress, reindex.StatusPublished} {
		first.Status = status
		mustStore(t, s, first)
		stored, created, err := s.Create(t.Context(), job("a", "3", 1))
		if err != nil || created {
			t.Fatalf("create while a job is %s: created %v, error %v; want false", status, created, err)
		}
		assertJob(t, stored, first)
	}
	other := job("a", "4", 2)
	other.EntityType = "CATEGORY"
	mustCreate(t, s, other)
	first.Status = reindex.StatusFailure
	mustStore(t, s, first)
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
		t.Errorf("%d callers created a job, and the callers got the jobs %v; want one job, created once", created, ids)
	}
}

func testFinish(t *testing.T, s reindex.JobStore) {
	j := mustCreate(t, s, job("a", "1", 0))
	j.Phase = reindex.PhaseWrite
	j.Generation, j.Options.Generation = "g-2", "g-2" // the target that a rollback has found
	j.Status, j.Message, j.Expected, j.Estimated, j.Processed = reindex.StatusFailure, "why", 120, true, 119
	j.InFlight, j.BatchBytes = 4, 1<<20
	j.Modified = j.Modified.Add(time.Second)
	j.Report = reindex.Report{
		Read: 120, Indexed: 100, Rejected: 10, Duplicates: 9, Expected: 120, Replaced: 90, Ignored: 3, Bytes: 1 << 40,
		Batches: 7, Retries: 2,
		Rejections:   []reindex.Rejection{{ID: "x", Reason: "no \"good\"", Where: "a.jsonl, line 7"}, {ID: "y", Reason: "ä"}},
		DuplicateIDs: []string{"d", "日本"},
		Difference: &reindex.Difference{
			Added: 1, Removed: 2, Changed: 3, Unchanged: 4, Edited: 5, AddedIDs: []string{"ä"}, RemovedIDs: []string{"r"},
			ChangedProducts: []reindex.ChangedProduct{{ID: "c", Fields: []string{"name"}}, {ID: "e"}},
		},
		Durations: reindex.Durations{Pending: 1, Begin: 2, Load: time.Hour, Seal: 4, Commit: 5, Total: 6},
	}
	mustStore(t, s, j)
	got, err := s.Get(t.Context(), "a", "1")
	if err != nil {
		t.Fatal(err)
	}
	assertJob(t, got, j)
}

// An ended job does not change any more.
func testEndedForGood(t *testing.T, s reindex.JobStore) {
	j := mustCreate(t, s, job("a", "1", 0))
	j.Status = reindex.StatusFailure
	mustStore(t, s, j)
	late := j
	late.Status = reindex.StatusSuccess
	if err := s.Finish(t.Context(), late); !errors.Is(err, reindex.ErrLeaseLost) {
		t.Errorf("finishing an ended job differently: %v, want ErrLeaseLost", err)
	}
	late.Status = reindex.StatusInProgress
	if _, err := s.Renew(t.Context(), late); !errors.Is(err, reindex.ErrLeaseLost) {
		t.Errorf("renewal of an ended job: %v, want ErrLeaseLost", err)
	}
	got, err := s.Get(t.Context(), "a", "1")
	if err != nil {
		t.Fatal(err)
	}
	assertJob(t, got, j)
}

// A call whose answer was lost can be repeated.
func testFinishTwice(t *testing.T, s reindex.JobStore) {
	j := mustCreate(t, s, job("a", "1", 0))
	j.Status, j.Message, j.Processed = reindex.StatusFailure, "why", 3
	mustStore(t, s, j)
	mustStore(t, s, j)
	got, err := s.Get(t.Context(), "a", "1")
	if err != nil {
		t.Fatal(err)
	}
	assertJob(t, got, j)
}

func testCreateTwice(t *testing.T, s reindex.JobStore) {
	first := mustCreate(t, s, job("a", "1", 0))
	if again := mustCreate(t, s, job("a", "1", 0)); again.Fence != first.Fence {
		t.Errorf("the second attempt returned the fence %d, want %d", again.Fence, first.Fence)
	}
	if _, total, err := s.List(t.Context(), "a", reindex.JobQuery{}); total != 1 || err != nil {
		t.Errorf("%d jobs, error %v; want 1", total, err)
	}
}

// After a cancellation, the next renewal of the job reports it.
func testCancelJob(t *testing.T, s reindex.JobStore) {
	j := mustCreate(t, s, job("a", "1", 0))
	mustStore(t, s, j)
	if err := s.Cancel(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	j.Processed = 7
	if cancelled, err := s.Renew(t.Context(), j); err != nil || !cancelled {
		t.Errorf("renewal of a cancelled job: cancelled %v, error %v; want true", cancelled, err)
	}
	if got, err := s.Get(t.Context(), "a", "1"); err != nil || got.Processed != 7 || got.Status.Ended() {
		t.Errorf("the job is %+v, error %v; want one in progress with 7 processed", got, err)
	}
	j.Status = reindex.StatusFailure
	mustStore(t, s, j)
	if err := s.Cancel(t.Context(), "a", "1"); !errors.Is(err, reindex.ErrJobEnded) {
		t.Errorf("cancel of an ended job: %v, want ErrJobEnded", err)
	}
	mustStore(t, s, mustCreate(t, s, job("a", "2", 1))) // the next job is not cancelled
}

func testNotFound(t *testing.T, s reindex.JobStore) {
	mustCreate(t, s, job("a", "1", 0))
	for _, key := range [][2]string{{"a", "2"}, {"b", "1"}, {"", "1"}, {"a", ""}} {
		if _, err := s.Get(t.Context(), key[0], key[1]); !errors.Is(err, reindex.ErrJobNotFound) {
			t.Errorf("get of %q: %v, want ErrJobNotFound", key, err)
		}
		if _, err := s.Renew(t.Context(), job(key[0], key[1], 0)); !errors.Is(err, reindex.ErrJobNotFound) {
			t.Errorf("renew of %q: %v, want ErrJobNotFound", key, err)
		}
		ended := job(key[0], key[1], 0)
		ended.Status = reindex.StatusSuccess
		if err := s.Finish(t.Context(), ended); !errors.Is(err, reindex.ErrJobNotFound) {
			t.Errorf("finish of %q: %v, want ErrJobNotFound", key, err)
		}
		if err := s.Cancel(t.Context(), key[0], key[1]); !errors.Is(err, reindex.ErrJobNotFound) {
			t.Errorf("cancel of %q: %v, want ErrJobNotFound", key, err)
		}
	}
}

// createEnded stores n ended jobs per tenant. Every third job is a failure.
func createEnded(t *testing.T, s reindex.JobStore, n int, tenants ...string) {
	t.Helper()
	for i := range n {
		for _, tenant := range tenants {
			j := mustCreate(t, s, job(tenant, fmt.Sprintf("%s%d", tenant, i), i))
			j.Status, j.Processed = reindex.StatusSuccess, int64(i%4)
			if i%3 == 0 {
				j.Status = reindex.StatusFailure
			}
			mustStore(t, s, j)
		}
	}
}

func assertLists(t *testing.T, s reindex.JobStore, query reindex.JobQuery, wantTotal int, want ...string) {
	t.Helper()
	jobs, total, err := s.List(t.Context(), "a", query)
	var ids []string
	for _, j := range jobs {
		ids = append(ids, j.ID)
	}
	if err != nil || total != wantTotal || !slices.Equal(ids, want) {
		t.Errorf("%+v lists %v, total %d, error %v; want %v of %d", query, ids, total, err, want, wantTotal)
	}
}

func testList(t *testing.T, s reindex.JobStore) {
	assertLists(t, s, reindex.JobQuery{}, 0)
	createEnded(t, s, 10, "a", "b")
	assertLists(t, s, reindex.JobQuery{}, 10, "a9", "a8", "a7", "a6", "a5", "a4", "a3", "a2", "a1", "a0")
	assertLists(t, s, reindex.JobQuery{Limit: 2}, 10, "a9", "a8")
	assertLists(t, s, reindex.JobQuery{Offset: 8, Limit: 5}, 10, "a1", "a0")
	assertLists(t, s, reindex.JobQuery{Offset: 3, Limit: 1}, 10, "a6")
	assertLists(t, s, reindex.JobQuery{Offset: 10, Limit: 1}, 10)
	assertLists(t, s, reindex.JobQuery{Offset: 100}, 10)
}

func testSelect(t *testing.T, s reindex.JobStore) {
	createEnded(t, s, 10, "a", "b")
	failed := func(j reindex.Job) bool { return j.Status == reindex.StatusFailure }
	fewest := func(a, b reindex.Job) int { return cmp.Compare(a.Processed, b.Processed) }
	assertLists(t, s, reindex.JobQuery{Match: failed}, 4, "a9", "a6", "a3", "a0")
	assertLists(t, s, reindex.JobQuery{Match: failed, Offset: 1, Limit: 2}, 4, "a6", "a3")
	assertLists(t, s, reindex.JobQuery{Match: failed, Offset: 3, Limit: math.MaxInt}, 4, "a0")
	assertLists(t, s, reindex.JobQuery{Offset: 9, Limit: math.MaxInt}, 10, "a0")
	assertLists(t, s, reindex.JobQuery{Compare: fewest, Limit: 5}, 10, "a8", "a4", "a0", "a9", "a5")
	assertLists(t, s, reindex.JobQuery{Match: failed, Compare: fewest}, 4, "a0", "a9", "a6", "a3")
}

// A store that is a TenantLister lists each tenant once, in order.
func testStoredTenants(t *testing.T, s reindex.JobStore) {
	store, ok := reindex.As[reindex.TenantLister](s)
	if !ok {
		t.Skip("the store does not list its tenants")
	}
	if got, err := store.Tenants(t.Context()); len(got) > 0 || err != nil {
		t.Errorf("an empty store has the tenants %q, error %v; want none", got, err)
	}
	createEnded(t, s, 3, "b", "a2", "a")
	mustCreate(t, s, job("c", "unfinished", 0))
	if got, err := store.Tenants(t.Context()); !slices.Equal(got, []string{"a", "a2", "b", "c"}) || err != nil {
		t.Errorf("tenants %q, error %v; want a, a2, b and c", got, err)
	}
}
