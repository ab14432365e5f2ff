package fleet

import (
	"errors"
	"testing"

	"productindex/httpapi"
	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/schedule"
)

var (
	_ httpapi.Engine  = (*Fleet)(nil)
	_ httpapi.Updater = (*Fleet)(nil)
	_ schedule.Engine = (*Fleet)(nil)
)

// A trigger starts a run, two workers load its parts, and each part is read exactly once.
func TestTriggerAndWorkers(t *testing.T) {
	t.Parallel()
	pool, ix, src := connect(t), reindextest.NewMemory(), &shop{products: 2050}
	trigger := newFleet(t, pool, src, ix, Config{Role: Trigger})
	newFleet(t, pool, src, ix, Config{Role: Worker, PartProducts: inPart})
	newFleet(t, pool, src, ix, Config{Role: Worker, PartProducts: inPart})
	job := await(t, trigger, start(t, trigger, "acme"))
	if job.Status != reindex.StatusSuccess || job.Report.Indexed != 2050 || job.Expected != 2050 ||
		job.Processed != 2050 {
		t.Fatalf("the job is %+v, want SUCCESS with 2050 products", job)
	}
	if n := len(ix.Documents("acme")); n != 2050 || ix.Open() != 0 {
		t.Errorf("%d products are live, %d generations open; want 2050 and 0", n, ix.Open())
	}
	for part, n := range src.done {
		if n != 1 {
			t.Errorf("part %s was read %d times, want once", part, n)
		}
	}
	if len(src.done) != 21 {
		t.Errorf("%d parts were read, want 21", len(src.done))
	}
}

// A dry run on a fleet compares the new index with the live one, which does not change.
func TestDryRun(t *testing.T) {
	t.Parallel()
	pool, ix, src := connect(t), reindextest.NewMemory(), &shop{products: 300}
	f := newFleet(t, pool, src, ix, Config{PartProducts: inPart})
	if job := await(t, f, start(t, f, "acme")); job.Status != reindex.StatusSuccess {
		t.Fatal(job.Message)
	}
	src.products = 350
	job, _, err := f.StartWith(t.Context(), "acme", reindex.Options{DryRun: true, Difference: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Start(t.Context(), "acme"); !errors.Is(err, reindex.ErrRunning) {
		t.Errorf("a reindex during a dry run: got %v, want ErrRunning", err)
	}
	await(t, f, job)
	job, err = f.Job(t.Context(), "acme", job.ID)
	d := job.Report.Difference
	if err != nil || job.Status != reindex.StatusSuccess || d == nil || d.Added != 50 || d.Unchanged != 300 {
		t.Errorf("the job is %s (%s) with the difference %+v, error %v, want 50 added and 300 unchanged",
			job.Status, job.Message, d, err)
	}
	if n := len(ix.Documents("acme")); n != 300 || ix.Open() != 0 {
		t.Errorf("%d products are live, %d generations open; want 300 and 0", n, ix.Open())
	}
}
