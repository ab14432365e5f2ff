package fleet

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/reindextest/pgtest"
)

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "4") // the default: the tests mostly wait for leases
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		pgtest.StopShared()
		os.Exit(code)
	}))
}

// connect returns a pool of connections to a new database.
func connect(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(tb.Context(), pgtest.Database(tb)+" pool_max_conns=30")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// newFleet returns a process of a fleet. Unless it is a trigger, it works until the end of the test.
func newFleet(tb testing.TB, pool *pgxpool.Pool, src reindex.Source, ix reindex.Indexer, cfg Config) *Fleet {
	tb.Helper()
	f, err := New(tb.Context(), pool, src, ix, &cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := f.Work(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 3*time.Minute)
		defer cancel()
		if err := f.Shutdown(ctx); err != nil {
			tb.Errorf("shutdown: %v", err)
		}
	})
	return f
}

// await waits for the end of a job and returns it.
func await(tb testing.TB, f *Fleet, job reindex.Job) reindex.Job {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 5*time.Minute) // for machines that are busy with other tests
	defer cancel()
	for j, err := range f.Watch(ctx, job.Tenant, job.ID) {
		if err != nil {
			tb.Fatalf("waiting for the job, which is %s with %d processed: %v", job.Status, job.Processed, err)
		}
		job = j
	}
	return job
}

func start(tb testing.TB, f *Fleet, tenant string) reindex.Job {
	tb.Helper()
	job, started, err := f.Start(tb.Context(), tenant)
	if err != nil || !started {
		tb.Fatalf("start: started %v, error %v; want true", started, err)
	}
	return job
}

// shop is a source whose parts have 100 products each. It counts how often each part is read to its end.
type shop struct {
	products int
	inTwo    int               // the number of products of a part that are also in the next part
	differ   bool              // these products have another body in each part
	read     func(part string) // called before each part is read

	mu   sync.Mutex
	done map[string]int
	all  atomic.Int64
}

const inPart = 100

func (s *shop) Open(context.Context, string) (reindex.Snapshot, error) { return s, nil }
func (s *shop) Close() error                                           { return nil }
func (s *shop) Count(context.Context) (int64, error)                   { return int64(s.products), nil }

func (s *shop) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	if s.inTwo == 0 {
		return s.between(ctx, "", 0, s.products)
	}
	return func(yield func(reindex.Product, error) bool) {
		names, _ := s.Split(ctx, 0)
		for _, name := range names {
			for product, err := range s.Part(ctx, name) {
				if !yield(product, err) {
					return
				}
			}
		}
	}
}

func (s *shop) Split(context.Context, int) ([]string, error) {
	var names []string
	for first := 0; first < s.products; first += inPart {
		names = append(names, fmt.Sprint(first))
	}
	return names, nil
}

func (s *shop) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	var first int
	if _, err := fmt.Sscan(name, &first); err != nil {
		return func(yield func(reindex.Product, error) bool) { yield(reindex.Product{}, err) }
	}
	last := min(s.products, first+inPart)
	return s.between(ctx, name, max(0, first-s.inTwo), last)
}

func (s *shop) between(ctx context.Context, name string, first, last int) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		if s.read != nil {
			s.read(name)
		}
		rev := "1"
		if s.differ {
			rev = name
		}
		for i := first; i < last; i++ {
			if err := ctx.Err(); err != nil {
				yield(reindex.Product{}, err)
				return
			}
			s.all.Add(1)
			if !yield(reindextest.NewProduct(fmt.Sprintf("p%06d", i), map[string]any{"rev": rev}), nil) {
				return
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.done == nil {
			s.done = map[string]int{}
		}
		s.done[name]++
	}
}
