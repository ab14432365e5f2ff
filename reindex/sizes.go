package reindex

import (
	"cmp"
	"runtime"
	"time"
)

// defaultSlowWrite is far below the minute after which proxies and load balancers commonly give up on a request.
const defaultSlowWrite = 10 * time.Second

// sizes holds the sizes that a pump works with.
type sizes struct {
	docs, bytes, workers int
	slow                 time.Duration
	updates              int
}

// newSizes returns the sizes of the config within the limits of the index. Sizes that are not set have the values that
// the index prefers.
func newSizes(c *Config, ix Indexer) sizes {
	var limits Limits
	if l, ok := As[Limiter](ix); ok {
		limits = l.Limits()
	}
	return sizes{
		docs:    within(cmp.Or(c.BatchDocs, limits.MaxDocs, defaultBatchDocs), limits.MaxDocs),
		bytes:   within(cmp.Or(c.BatchBytes, limits.MaxBytes, defaultBatchBytes), limits.MaxBytes),
		workers: within(cmp.Or(c.Workers, limits.MaxInFlight, max(2, runtime.GOMAXPROCS(0))), limits.MaxInFlight),
		slow:    cmp.Or(limits.SlowWrite, defaultSlowWrite),
		updates: max(1, limits.MaxUpdates),
	}
}

// within returns n, or the limit if there is one and n is above it.
func within(n, limit int) int {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}
