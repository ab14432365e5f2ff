package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// A trigger starts a rollback and a worker begins it. After that worker has shut down, another worker rolls back to the
// same generation. The generation also has the changes that came after it was replaced.
func TestRollback(t *testing.T) {
	t.Parallel()
	pool := connect(t)
	ix := &paused{Memory: reindextest.NewMemory(), entered: make(chan struct{})}
	ix.KeepPrevious = 1
	src := &shop{products: 300}
	trigger := newFleet(t, pool, src, ix, hurried(Config{Role: Trigger}))
	cfg := hurried(Config{Role: Worker})
	first, err := New(t.Context(), pool, src, ix, &cfg)
	if err == nil {
		err = first.Work(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, products := range []int{300, 400} {
		src.products = products
		if job := await(t, trigger, start(t, trigger, "acme")); job.Status != reindex.StatusSuccess {
			t.Fatal(job.Message)
		}
	}
	edit := reindex.Change{ID: "p000001", Body: json.RawMessage(`{"rev":"edit"}`)}
	if err := trigger.Update(t.Context(), "acme", edit); err != nil {
		t.Fatal(err)
	}
	infos, err := trigger.Generations(t.Context(), "acme")
	if err != nil || len(infos) != 2 {
		t.Fatalf("got the generations %+v, error %v, want 2", infos, err)
	}
	ix.pausing.Store(true)
	job, started, err := trigger.StartWith(t.Context(), "acme", reindex.Options{Rollback: true})
	if err != nil || !started {
		t.Fatalf("start of the rollback: started %v, error %v; want true", started, err)
	}
	<-ix.entered
	newFleet(t, pool, src, ix, cfg)
	leave, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first.Shutdown(leave); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	job = await(t, trigger, job)
	if job.Status != reindex.StatusSuccess || job.Generation != infos[1].Name || job.Fence < 2 {
		t.Fatalf("the job is %s (%s), of generation %q by run %d, want %q",
			job.Status, job.Message, job.Generation, job.Fence, infos[1].Name)
	}
	if err := trigger.Settle(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	found, err := ix.Search(t.Context(), "acme")
	if err != nil || len(found) != 300 || found["p000001"] != "edit" || found["p000002"] != "1" {
		t.Errorf("got %d live products with the revisions %q and %q, error %v, want 300 with edit and 1",
			len(found), found["p000001"], found["p000002"], err)
	}
	if ix.Open() != 0 {
		t.Errorf("%d generations are open, want none", ix.Open())
	}
}

// paused is an index in which one rollback waits until its context ends.
type paused struct {
	*reindextest.Memory

	pausing atomic.Bool
	entered chan struct{}
}

func (p *paused) Rollback(ctx context.Context, tenant, generation string) (reindex.Generation, error) {
	if p.pausing.CompareAndSwap(true, false) {
		close(p.entered)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return p.Memory.Rollback(ctx, tenant, generation)
}
