package jobsql

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// If two stores over one database create jobs of a tenant at the same time, only one job is created. This holds for the
// first job of the tenant and for later ones.
func testTwoStores(t *testing.T, d database) {
	stores := []*Store{d.store(t, Config{}), d.store(t, Config{})}
	type result struct {
		job     reindex.Job
		created bool
		err     error
	}
	for round := range 4 {
		results := make(chan result)
		for i := range 40 {
			go func() {
				job, created, err := stores[i%2].Create(t.Context(), newJob("a", fmt.Sprint(round, i)))
				results <- result{job, created, err}
			}()
		}
		created, seen := 0, map[string]bool{}
		for range 40 {
			r := <-results
			if r.err != nil {
				t.Error(r.err)
			}
			if r.created {
				created++
			}
			seen[r.job.ID] = true
		}
		if created != 1 || len(seen) != 1 {
			t.Fatalf("%d jobs were created, and the calls returned %v, want one job", created, seen)
		}
		for id := range seen {
			end(t, stores[0], newJob("a", id))
		}
	}
}

// gated is a source that waits before it yields products.
type gated struct {
	products []reindex.Product
	gate     chan struct{}
}

func newGated(n int) gated { return gated{reindextest.Products(n, "new"), make(chan struct{})} }

func (g gated) Open(context.Context, string) (reindex.Snapshot, error) { return g, nil }

func (g gated) Close() error { return nil }

func (g gated) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		select {
		case <-g.gate:
		case <-ctx.Done():
			yield(reindex.Product{}, context.Cause(ctx))
			return
		}
		for _, p := range g.products {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func newEngine(tb testing.TB, src reindex.Source, ix reindex.Indexer, s *Store) *reindex.Engine {
	tb.Helper()
	e, err := reindex.New(src, ix, &reindex.Config{Jobs: s})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Shutdown(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return e
}

// If two engines over one database get 50 triggers at the same time, only one run starts.
func testTwoEngines(t *testing.T, d database) {
	src, index := newGated(100), reindextest.NewMemory()
	engines := []*reindex.Engine{
		newEngine(t, src, index, d.store(t, Config{})),
		newEngine(t, src, index, d.store(t, Config{})),
	}
	var (
		mu      sync.Mutex
		ids     = map[string]bool{}
		started int
		calls   sync.WaitGroup
	)
	for i := range 50 {
		calls.Go(func() {
			job, isNew, err := engines[i%2].Start(t.Context(), "acme")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[job.ID] = true
			if isNew {
				started++
			}
		})
	}
	calls.Wait()
	if started != 1 || len(ids) != 1 || index.Open() > 1 {
		t.Errorf("%d runs were started, the calls returned the jobs %v, and %d generations are open; want one of each",
			started, ids, index.Open())
	}
	close(src.gate)
	for id := range ids {
		for _, e := range engines {
			var last reindex.Job
			for job, err := range e.Watch(t.Context(), "acme", id) {
				if err != nil {
					t.Fatal(err)
				}
				last = job
			}
			if last.Status != reindex.StatusSuccess || last.Report.Indexed != 100 {
				t.Errorf("an engine returns the job %+v, want SUCCESS with 100 products", last)
			}
		}
	}
}

// Several processes can start at the same time with an empty database. One of them creates the tables.
func testStartTogether(t *testing.T, d database) {
	errs, begin := make(chan error), make(chan struct{})
	for range 8 {
		db := d.open(t)
		if err := db.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		go func() {
			<-begin
			_, err := New(t.Context(), db, &Config{Dialect: d.dialect})
			errs <- err
		}()
	}
	close(begin)
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// A constraint of the database refuses a second unfinished job of a tenant and entity type.
func testConstraint(t *testing.T, d database) {
	s := d.store(t, Config{})
	mustCreate(t, s, newJob("a", "1"))
	second := `INSERT INTO reindex_jobs (tenant, fence, id, entity_type, status, ended, cancelled, lease_end, estimated,
		message, created, modified, numbers, listed)
		SELECT tenant, fence + 1, '2', entity_type, status, ended, cancelled, lease_end, estimated,
		message, created, modified, numbers, listed FROM reindex_jobs WHERE id = '1'`
	if err := s.exec(t.Context(), s.db, second); err == nil {
		t.Error("the database accepts a second unfinished job")
	}
	end(t, s, newJob("a", "1"))
	if err := s.exec(t.Context(), s.db, second); err != nil {
		t.Error(err)
	}
}
