package throttle_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/throttle"
)

// split is a source of two parts.
type split struct{ reindextest.Slice }

func (s split) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap, err := s.Slice.Open(ctx, tenant)
	return splitSnapshot{snap, s.Slice}, err
}

type splitSnapshot struct {
	reindex.Snapshot

	products []reindex.Product
}

func (splitSnapshot) Split(context.Context, int) ([]string, error) { return []string{"a", "b"}, nil }

func (s splitSnapshot) Part(_ context.Context, name string) iter.Seq2[reindex.Product, error] {
	half := len(s.products) / 2
	part := s.products[:half]
	if name == "b" {
		part = s.products[half:]
	}
	return func(yield func(reindex.Product, error) bool) {
		for _, p := range part {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// Parts that are read at the same time share the tenant's limit.
func TestParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, throttle.Config{Tenant: throttle.Limits{Documents: 2000}})
		engine, err := reindex.New(th.Source(split{reindextest.Products(20_000, "1")}), reindextest.NewMemory(),
			&reindex.Config{Readers: 2})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := engine.Run(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
		within5Percent(t, "two parts", time.Since(begin), 10*time.Second)
		if err := engine.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
