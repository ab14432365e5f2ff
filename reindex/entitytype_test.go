package reindex_test

import (
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// Engines of different entity types can run at the same time for one tenant, with one job store.
func TestEntityTypes(t *testing.T) {
	jobs := reindex.NewJobs(0)
	products, categories := newGated(100), newGated(100)
	a := newBench(t, products, &reindex.Config{Jobs: jobs}, nil)
	b := newBench(t, categories, &reindex.Config{Jobs: jobs, EntityType: "CATEGORY"}, nil)
	if a.EntityType() != reindex.EntityProduct || b.EntityType() != "CATEGORY" {
		t.Errorf("entity types %q and %q, want PRODUCT and CATEGORY", a.EntityType(), b.EntityType())
	}
	first, second := mustStart(t, a.Engine, tenant), mustStart(t, b.Engine, tenant)
	if first.EntityType != reindex.EntityProduct || second.EntityType != "CATEGORY" {
		t.Errorf("jobs of types %q and %q, want PRODUCT and CATEGORY", first.EntityType, second.EntityType)
	}
	if joined, started, err := b.Start(t.Context(), tenant); err != nil || started || joined.ID != second.ID {
		t.Errorf("a second start of the type: got %+v, started %v, error %v, want the running job", joined, started, err)
	}
	close(products.gate)
	close(categories.gate)
	for _, end := range []struct {
		bench

		job reindex.Job
	}{{a, first}, {b, second}} {
		if job := ended(t, end.Engine, end.job); job.Status != reindex.StatusSuccess {
			t.Errorf("the job of %s ended as %s (%s), want SUCCESS", job.EntityType, job.Status, job.Message)
		}
		if err := end.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestEntityTypeGrammar(t *testing.T) {
	for entityType, valid := range map[string]bool{
		"": true, "A": true, "PRICE_LIST_2": true, "product": true, "2nd brand": true, "_a-b.c/d:e": true, "Größe": true,
		"商品":                     true,
		strings.Repeat("ä", 128): true,
		" ":                      false, " A": false, "A ": false, "A\n": false, "A\x00B": false, "A\u2028B": false,
		"\xff": false, "\uFFFD": false,
		strings.Repeat("A", 129): false,
	} {
		_, err := reindex.New(reindextest.Slice{}, reindextest.NewMemory(), &reindex.Config{EntityType: entityType})
		if (err == nil) != valid {
			t.Errorf("%q: got error %v, want it valid: %v", entityType, err, valid)
		}
	}
}
