package jobsql

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"productindex/reindex/reindextest/pgtest"
)

// BenchmarkAppend measures how many changes per second a log stores if each call appends one change.
func BenchmarkAppend(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) { benchmarkAppend(b, newSQLite) })
	b.Run("PostgreSQL", func(b *testing.B) { benchmarkAppend(b, newSchema(pgtest.Start(b))) })
}

func benchmarkAppend(b *testing.B, fresh func(tb testing.TB) database) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			c := fresh(b).changes(b, DefaultLease, 1<<40)
			mustAppend(b, c, upsert("first", "1"))
			var made atomic.Int64
			var running sync.WaitGroup
			b.ResetTimer()
			for range callers {
				running.Go(func() {
					for n := made.Add(1); n <= int64(b.N); n = made.Add(1) {
						mustAppend(b, c, upsert(fmt.Sprint("p", n), "1"))
					}
				})
			}
			running.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
		})
	}
}
