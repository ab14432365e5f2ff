package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// All processes together load at most TenantParts parts per tenant at the same time. The rest of their capacity is for
// other tenants.
func TestTenantParts(t *testing.T) {
	t.Parallel()
	pool, ix := connect(t), reindextest.NewMemory()
	const most, all = 3, 6
	var (
		mu    sync.Mutex
		now   = map[string]int{}
		peaks = map[string]int{}
		full  = make(chan struct{})
		once  sync.Once
	)
	src := tenants{func(tenant string) *shop {
		s := &shop{products: 1200}
		s.read = func(string) {
			mu.Lock()
			now[tenant]++
			peaks[tenant] = max(peaks[tenant], now[tenant])
			if now["acme"]+now["beta"] == all {
				once.Do(func() { close(full) })
			}
			mu.Unlock()
			<-full // closed when as many parts are being loaded as TenantParts allows
			mu.Lock()
			defer mu.Unlock()
			now[tenant]--
		}
		return s
	}}
	cfg := hurried(Config{Parts: 4, TenantParts: most})
	f := newFleet(t, pool, src, ix, cfg)
	newFleet(t, pool, src, ix, cfg)
	for _, job := range []reindex.Job{start(t, f, "acme"), start(t, f, "beta")} {
		if job = await(t, f, job); job.Status != reindex.StatusSuccess {
			t.Fatal(job.Message)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if peaks["acme"] != most || peaks["beta"] != most {
		t.Errorf("the tenants had up to %v parts loading at the same time, want %d each", peaks, most)
	}
}

// A small catalogue does not wait for a large one, even if parts of the large one wait for the index. All processes
// together load no more parts than BytesInFlight allows.
func TestFairness(t *testing.T) {
	t.Parallel()
	pool, ix := connect(t), reindextest.NewMemory()
	var (
		mu        sync.Mutex
		order     []string
		now, most int
		begun     = make(chan struct{})
		queued    = make(chan struct{})
	)
	src := tenants{func(tenant string) *shop {
		s := &shop{products: 4000}
		if tenant == "small" {
			s.products = 100
		}
		s.read = func(string) {
			mu.Lock()
			order = append(order, tenant)
			if len(order) == 1 {
				close(begun)
			}
			now++
			most = max(most, now)
			mu.Unlock()
			<-queued
			mu.Lock()
			defer mu.Unlock()
			now--
		}
		return s
	}}
	cfg := hurried(Config{Parts: 3, BytesInFlight: 1, TenantParts: 4})
	f := newFleet(t, pool, src, ix, cfg)
	large := start(t, f, "large")
	<-begun
	small := start(t, f, "small")
	awaitRows(t, pool, "SELECT count(*) FROM reindex_fleet_parts WHERE waits IS NOT NULL AND job = $1", large.ID, 2)
	awaitRows(t, pool, "SELECT count(*) FROM reindex_fleet_parts WHERE state = 1 AND job = $1", small.ID, 1)
	close(queued)
	if job := await(t, f, small); job.Status != reindex.StatusSuccess {
		t.Fatal(job.Message)
	}
	if err := f.Cancel(t.Context(), "large", large.ID); err != nil && !errors.Is(err, reindex.ErrJobEnded) {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	// One part was loaded, two were waiting in the process, and one may have come together with the small catalogue.
	if at := slices.Index(order, "small"); at > 4 {
		t.Errorf("the small catalogue came after %d parts of the large one, want at most 4", at)
	}
	if most > 1 {
		t.Errorf("%d parts were loaded at the same time, want 1, as BytesInFlight allows", most)
	}
}

// awaitRows waits until a query about a job returns a number.
func awaitRows(t *testing.T, pool *pgxpool.Pool, query, job string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for n := -1; n != want; {
		if err := pool.QueryRow(ctx, query, job).Scan(&n); err != nil {
			t.Fatalf("waiting for %d rows, there are %d: %v", want, n, err)
		}
	}
}

// tenants is a source with a shop per tenant.
type tenants struct{ of func(tenant string) *shop }

func (s tenants) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	return s.of(tenant).Open(ctx, tenant)
}
