package reindextest

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

// faultSeeds is the number of random sequences of faults in the suite.
const faultSeeds = 20

// Under any faults between engine and index, a run that succeeds makes its products live, except the rejected ones. A
// run that fails leaves the old products live. If the outcome of a run is not known, either the new products or the old
// ones are live, never a mixture.
func testEngineUnderFaults(t *testing.T, f Fixture) {
	live := revs(Products(10, "0"), "0")
	f.publish(t, tenant, Products(10, "0"))
	for seed := range uint64(faultSeeds) {
		rev := fmt.Sprint(seed + 1)
		products := Products(200, rev)
		poison := func(id string) bool { return strings.HasSuffix(id, "77") }
		report, err := RunFaulty(t, f.Indexer, seed, products, poison)
		published := revs(products, rev)
		maps.DeleteFunc(published, func(id, _ string) bool { return poison(id) })
		failure, failed := errors.AsType[*reindex.RunError](err)
		if err == nil || failed && failure.MayBeLive && maps.Equal(f.all(t, tenant), published) {
			live = published
			if report.Indexed != int64(len(live)) || report.Rejected != int64(len(products)-len(live)) {
				t.Errorf("seed %d: indexed %d, rejected %d, want %d and %d", seed, report.Indexed, report.Rejected,
					len(live), len(products)-len(live))
			}
		}
		if err != nil && !failed {
			t.Errorf("seed %d: %v is not a RunError", seed, err)
		}
		assertFound(t, f.all(t, tenant), live)
	}
}

// faultAttempts is the number of attempts of a call. It is so large that no call and no product fails in all of them by
// chance.
const faultAttempts = 16

// RunFaulty reindexes products through ix with the faults of a seed (see [Random]). It uses small batches and short
// waits.
func RunFaulty(
	t *testing.T, ix reindex.Indexer, seed uint64, products []reindex.Product, poison func(id string) bool,
) (reindex.Report, error) {
	t.Helper()
	engine, err := reindex.New(Slice(products), NewFaulty(ix, Random(seed, 6, poison)), &reindex.Config{
		BatchDocs: 20, MaxRejected: -1,
		Retry: reindex.Retry{Attempts: faultAttempts, MinDelay: time.Microsecond, MaxDelay: 10 * time.Microsecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine.Run(t.Context(), tenant)
}
