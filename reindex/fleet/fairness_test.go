package fleet

import (
	"sync"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// Of one tenant, all processes together load at most TenantParts at the same time; what they have left is another
// tenant's.
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
			<-full // until as many parts are under way as there may be
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
		t.Errorf("at most %v parts of each tenant were loaded at the same time, want %d", peaks, most)
	}
}
