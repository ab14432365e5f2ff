package fleet

import (
	"encoding/json"
	"sync/atomic"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// If one process accepts a change while another supervises a run, the change is in the new index when it goes live.
func TestEditsDuringARun(t *testing.T) {
	t.Parallel()
	pool, ix, src := connect(t), reindextest.NewMemory(), &shop{products: 500}
	half, release := make(chan struct{}), make(chan struct{})
	var reads atomic.Int64
	src.read = func(string) {
		if reads.Add(1) == 3 {
			close(half)
			<-release
		}
	}
	trigger := newFleet(t, pool, src, ix, hurried(Config{Role: Trigger}))
	newFleet(t, pool, src, ix, hurried(Config{}))
	job := start(t, trigger, "acme")
	<-half
	body := json.RawMessage(`{"rev":"2"}`)
	err := trigger.Update(t.Context(), "acme", reindex.Change{ID: "p000001", Delete: true},
		reindex.Change{ID: "p000002", Body: body}, reindex.Change{ID: "new", Body: body})
	if err != nil {
		t.Fatal(err)
	}
	close(release)
	if job = await(t, trigger, job); job.Status != reindex.StatusSuccess || job.Report.ChangesApplied != 3 {
		t.Fatalf("the job is %s (%s) with %d changes applied, want SUCCESS and 3",
			job.Status, job.Message, job.Report.ChangesApplied)
	}
	if added, removed := job.Report.Added, job.Report.Removed; added != 1 || removed != 1 {
		t.Errorf("changes added %d and removed %d products, want 1 and 1", added, removed)
	}
	found, err := ix.Search(t.Context(), "acme")
	if err != nil || len(found) != 500 || found["p000001"] != "" || found["p000002"] != "2" || found["new"] != "2" {
		t.Errorf("got %d live products with the revisions %q, %q and %q, error %v; want 500 with none, 2 and 2",
			len(found), found["p000001"], found["p000002"], found["new"], err)
	}
}
