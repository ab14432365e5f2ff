package reindextest

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"

	"productindex/reindex"
)

// split returns the names of up to n parts, or skips the test if the source cannot split the tenant.
func split(t *testing.T, splitter reindex.Splitter, n int) []string {
	t.Helper()
	names, err := splitter.Split(t.Context(), n)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the source cannot split this tenant")
	}
	if err != nil || len(names) > n || len(names) == 0 {
		t.Fatalf("%d parts, error %v; want 1 to %d", len(names), err, n)
	}
	return names
}

func splitter(t *testing.T, f SourceFixture) reindex.Splitter {
	t.Helper()
	splitter, ok := reindex.As[reindex.Splitter](f.open(t))
	if !ok {
		t.Skip("the source is not a Splitter")
	}
	return splitter
}

// Together the parts yield every product once: read one after another, read at the same time, and read from another
// snapshot of the source.
func testSplit(t *testing.T, f SourceFixture, products []reindex.Product, same func(got, want json.RawMessage) bool) {
	here, there := splitter(t, f), splitter(t, f)
	for _, n := range []int{1, 2, 3, 8} {
		names := split(t, here, n)
		for _, s := range []reindex.Splitter{here, there} {
			var seqs []iter.Seq2[reindex.Product, error]
			for _, name := range slices.Backward(names) {
				seqs = append(seqs, s.Part(t.Context(), name))
			}
			assertYields(t, seqs, products, same)
		}
		assertProducts(t, readAtOnce(t, here, names), products, same)
	}
}

// readAtOnce reads all parts at the same time.
func readAtOnce(t *testing.T, splitter reindex.Splitter, names []string) []reindex.Product {
	t.Helper()
	var (
		mu      sync.Mutex
		got     []reindex.Product
		readers sync.WaitGroup
	)
	for _, name := range names {
		readers.Go(func() {
			for p, err := range splitter.Part(t.Context(), name) {
				if err != nil {
					t.Errorf("part %q: %v", name, err)
					return
				}
				mu.Lock()
				got = append(got, p)
				mu.Unlock()
			}
		})
	}
	readers.Wait()
	return got
}

func testPartEndedContext(t *testing.T, f SourceFixture, _ []reindex.Product) {
	splitter := splitter(t, f)
	for _, name := range split(t, splitter, 3) {
		all, err := drain(splitter.Part(t.Context(), name))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assertEnds(t, splitter.Part(ctx, name), all)
		if all > 2 {
			ctx, cancel := context.WithCancel(t.Context())
			assertEnds(t, cancelAfter(splitter.Part(ctx, name), 1, cancel), all)
		}
	}
}

func testUnknownPart(t *testing.T, f SourceFixture, _ []reindex.Product) {
	splitter := splitter(t, f)
	split(t, splitter, 2)
	for _, unknown := range []string{"", "unknown", "../" + f.Tenant, "999999"} {
		if n, err := drain(splitter.Part(t.Context(), unknown)); n != 0 || err == nil {
			t.Errorf("the unknown part %q yielded %d products, error %v; want only an error", unknown, n, err)
		}
	}
}

// Find yields the requested products that exist.
func testFind(t *testing.T, f SourceFixture, products []reindex.Product, same func(got, want json.RawMessage) bool) {
	finder, ok := reindex.As[reindex.Finder](f.Source)
	if !ok {
		t.Skip("the source is not a Finder")
	}
	assertYields(t, []iter.Seq2[reindex.Product, error]{finder.Find(t.Context(), f.Tenant)}, nil, same)
	assertYields(t, []iter.Seq2[reindex.Product, error]{finder.Find(t.Context(), f.Tenant, "not there")}, nil, same)
	var ids []string
	for _, p := range products {
		ids = append(ids, p.ID)
	}
	ids = append(ids, "not there", ids[0])
	assertYields(t, []iter.Seq2[reindex.Product, error]{finder.Find(t.Context(), f.Tenant, ids...)}, products, same)
	if n, err := drain(finder.Find(t.Context(), "unknown", ids...)); n != 0 || err == nil {
		t.Errorf("Find of an unknown tenant yielded %d products, error %v; want only an error", n, err)
	}
}
