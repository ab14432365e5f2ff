package fleet

import (
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

// A trigger starts a run, two workers load its parts, and each part is read once.
func TestTriggerAndWorkers(t *testing.T) {
	pool, ix, src := connect(t), reindextest.NewMemory(), &shop{products: 2050}
	trigger := newFleet(t, pool, src, ix, Config{Role: Trigger})
	newFleet(t, pool, src, ix, Config{Role: Worker, PartProducts: inPart})
	newFleet(t, pool, src, ix, Config{Role: Worker, PartProducts: inPart})
	job := await(t, trigger, start(t, trigger, "acme"))
	if job.Status != reindex.StatusSuccess || job.Report.Indexed != 2050 || job.Expected != 2050 || job.Processed != 2050 {
		t.Fatalf("the job is %+v", job)
	}
	if n := len(ix.Documents("acme")); n != 2050 || ix.Open() != 0 {
		t.Errorf("%d products are live, %d generations open; want 2050 and 0", n, ix.Open())
	}
	for part, n := range src.done {
		if n != 1 {
			t.Errorf("part %s was read %d times", part, n)
		}
	}
	if len(src.done) != 21 {
		t.Errorf("%d parts were read, want 21", len(src.done))
	}
}
