package bleveindex

import (
	"context"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

var (
	_ reindex.Indexer    = (*Index)(nil)
	_ reindex.Limiter    = (*Index)(nil)
	_ reindex.Reaper     = (*Index)(nil)
	_ reindex.DocCounter = (*Index)(nil)
)

func TestConformance(t *testing.T) {
	reindextest.TestIndexer(t, func(t *testing.T) reindextest.Fixture { return fixture(t, t.TempDir(), nil) })
}

func TestKeepsPrevious(t *testing.T) {
	reindextest.TestRollbacker(t, func(t *testing.T) reindextest.Fixture {
		return fixture(t, t.TempDir(), &Config{KeepPrevious: 2})
	})
}

// fixture opens a directory for the conformance suite. Reopen opens it as the next process does after a crash.
func fixture(t *testing.T, dir string, cfg *Config) reindextest.Fixture {
	ix := open(t, dir, cfg)
	return reindextest.Fixture{
		Indexer: ix,
		Search:  func(ctx context.Context, tenant string) (map[string]string, error) { return revs(ctx, ix, tenant) },
		Reopen: func(t *testing.T) reindextest.Fixture {
			die(t, ix)
			return fixture(t, dir, cfg)
		},
	}
}
