package reindextest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"productindex/reindex"
)

// generations is the number of generations that a test publishes during searches.
const generations = 12

// Each search during a switch of generations sees one complete generation, and never a mixture, an error or nothing.
func testSearchWhileSwitching(t *testing.T, f Fixture) {
	size := func(rev int) int { return 100 + 50*(rev%3) }
	f.publish(t, tenant, Products(size(0), "0"))
	stop := SearchMeanwhile(t, f, tenant, func(rev string) int {
		var n int
		if _, err := fmt.Sscan(rev, &n); err != nil {
			return -1
		}
		return size(n)
	})
	for rev := 1; rev <= generations; rev++ {
		f.publish(t, tenant, Products(size(rev), fmt.Sprint(rev)))
	}
	stop()
}

// searchPace is the shortest time between two searches of a goroutine. More searches would take the processor from the
// index under test.
const searchPace = time.Millisecond

// SearchMeanwhile searches the tenant from four goroutines until stop is called, and at least a hundred times. It fails
// the test if a search returns an error, nothing, a mixture of several revs, or another number of documents than size
// returns for their rev.
func SearchMeanwhile(t *testing.T, f Fixture, tenant string, size func(rev string) int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var searchers sync.WaitGroup
	var enough sync.WaitGroup
	for range 4 {
		searchers.Add(1)
		enough.Add(1)
		go func() {
			defer searchers.Done()
			var once sync.Once
			defer once.Do(enough.Done)
			pace := time.NewTicker(searchPace)
			defer pace.Stop()
			for n := 1; ctx.Err() == nil; n++ {
				found, err := f.Search(context.WithoutCancel(ctx), tenant)
				if problem := inspect(found, err, size); problem != "" {
					t.Error(problem)
					return
				}
				if n == 25 {
					once.Do(enough.Done)
				}
				<-pace.C
			}
		}()
	}
	return func() {
		enough.Wait()
		cancel()
		searchers.Wait()
	}
}

// inspect returns the reason why the result of a search is wrong, or "".
func inspect(found map[string]string, err error, size func(rev string) int) string {
	if err != nil {
		return fmt.Sprintf("a search failed: %v", err)
	}
	if len(found) == 0 {
		return "a search found nothing"
	}
	counts := map[string]int{}
	for _, rev := range found {
		counts[rev]++
	}
	if len(counts) > 1 {
		return fmt.Sprintf("a search found a mixture of generations: %v", counts)
	}
	for rev, n := range counts {
		if n != size(rev) {
			return fmt.Sprintf("a search found %d documents of generation %s, which has %d", n, rev, size(rev))
		}
	}
	return ""
}

// An engine with default settings publishes the products of its source.
func testEngine(t *testing.T, f Fixture) {
	products := Products(1000, "1")
	engine, err := reindex.New(Slice(products), f.Indexer, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		report, err := engine.Run(t.Context(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		if report.Indexed != 1000 {
			t.Errorf("indexed %d, want 1000", report.Indexed)
		}
	}
	assertFound(t, f.all(t, tenant), revs(products, "1"))
}
