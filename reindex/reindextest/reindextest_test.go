package reindextest_test

import (
	"testing"

	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	reindextest.TestIndexer(t, func(*testing.T) reindextest.Fixture {
		m := reindextest.NewMemory()
		return reindextest.Fixture{Indexer: m, Search: m.Search}
	})
}

func TestMemoryKeeps(t *testing.T) {
	reindextest.TestRollbacker(t, func(*testing.T) reindextest.Fixture {
		m := reindextest.NewMemory()
		m.KeepPrevious = 2
		return reindextest.Fixture{Indexer: m, Search: m.Search}
	})
}

func TestMemoryJobs(t *testing.T) {
	reindextest.TestJobStore(t, func(*testing.T) reindex.JobStore { return reindex.NewJobs(0) })
}

func TestSlice(t *testing.T) {
	reindextest.TestSource(t, func(_ *testing.T, products []reindex.Product) reindextest.SourceFixture {
		return reindextest.SourceFixture{Source: reindextest.Slice(products), Tenant: "a"}
	}, nil)
}
