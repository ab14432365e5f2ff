package reindextest

import (
	"context"
	"errors"
	"iter"
	"maps"
	"testing"

	"productindex/reindex"
)

// scanner returns the LiveScanner of the index, or skips the test if it has none.
func scanner(t *testing.T, f Fixture) reindex.LiveScanner {
	t.Helper()
	live, ok := reindex.As[reindex.LiveScanner](f.Indexer)
	if !ok {
		t.Skip("the index is not a LiveScanner")
	}
	return live
}

// bodies reads a sequence to its end, and returns the bodies by id.
func bodies(t *testing.T, products iter.Seq2[reindex.Product, error]) map[string]string {
	t.Helper()
	found := map[string]string{}
	for p, err := range products {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := found[p.ID]; twice {
			t.Errorf("product %q is yielded twice", p.ID)
		}
		found[p.ID] = string(p.Body)
	}
	return found
}

// Scans of the live index and of a generation yield each product once. For equal bodies, both yield equal bodies.
func testScan(t *testing.T, f Fixture) {
	live := scanner(t, f)
	for _, err := range live.ScanLive(t.Context(), tenant) {
		if !errors.Is(err, reindex.ErrNoLiveIndex) {
			t.Errorf("scan of a tenant without an index: error %v, want ErrNoLiveIndex", err)
		}
	}
	products := append(Products(1234, "1"),
		NewProduct("a b/ü", map[string]any{"rev": "1", "n": 1.5, "deep": map[string]any{"a": []any{1, "x"}}}))
	f.publish(t, tenant, products)
	gen := f.begin(t, tenant)
	mustWrite(t, gen, products)
	mustSeal(t, gen, int64(len(products)))
	sealed, ok := reindex.As[reindex.Scanner](gen)
	if !ok {
		t.Fatal("the index is a LiveScanner, but its generations are not Scanners")
	}
	before, after := bodies(t, live.ScanLive(t.Context(), tenant)), bodies(t, sealed.Scan(t.Context()))
	if len(before) != len(products) || !maps.Equal(before, after) {
		t.Errorf("scans yield %d live products and %d of the generation, want the same %d", len(before), len(after),
			len(products))
	}
	for _, p := range products {
		if _, there := before[p.ID]; !there {
			t.Errorf("product %q is not yielded", p.ID)
		}
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The consumer can stop a scan. A scan ends with its context.
func testScanStops(t *testing.T, f Fixture) {
	live := scanner(t, f)
	f.publish(t, tenant, Products(20, "1"))
	for range live.ScanLive(t.Context(), tenant) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	failed := false
	for _, err := range live.ScanLive(ctx, tenant) {
		failed = failed || err != nil
	}
	if !failed {
		t.Error("a scan whose context has ended yields no error")
	}
}

// An engine reports how a new generation differs from the live index.
func testDifference(t *testing.T, f Fixture) {
	scanner(t, f)
	f.publish(t, tenant, Products(50, "1"))
	next := Products(60, "1")[5:]
	next[0] = NewProduct(next[0].ID, map[string]any{"rev": "2", "name": "another"})
	engine, err := reindex.New(Slice(next), f.Indexer, &reindex.Config{MinFraction: -1})
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.RunWith(t.Context(), tenant, reindex.Options{DryRun: true, Difference: true})
	if err != nil {
		t.Fatal(err)
	}
	d := report.Difference
	if d == nil || d.Added != 10 || d.Removed != 5 || d.Changed != 1 || d.Unchanged != 44 || d.Edited != 0 {
		t.Fatalf("difference %+v, want 10 added, 5 removed, 1 changed and 44 unchanged", d)
	}
	if len(d.AddedIDs) != 10 || len(d.RemovedIDs) != 5 || len(d.ChangedProducts) != 1 ||
		d.ChangedProducts[0].ID != next[0].ID {
		t.Errorf("difference %+v, want 10 added and 5 removed ids, and the changed product %s", d, next[0].ID)
	}
	assertFound(t, f.all(t, tenant), revs(Products(50, "1"), "1"))
}
