package reindextest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"productindex/reindex"
)

// SourceFixture is a Source under test.
type SourceFixture struct {
	// Source holds the products that TestSource passed to open, for Tenant.
	Source reindex.Source
	Tenant string

	// Place returns the place that Locate must return for the product p at index i of those that TestSource passed to
	// open. If Place is nil, places are not compared.
	Place func(i int, p reindex.Product) string
}

// open opens a snapshot that is closed at the end of the test.
func (f SourceFixture) open(t *testing.T) reindex.Snapshot {
	t.Helper()
	snap, err := f.Source.Open(t.Context(), f.Tenant)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := snap.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return snap
}

// SourceProducts returns the products that [TestSource] uses: 100 products with awkward but valid ids and bodies, in a
// fixed order.
func SourceProducts() []reindex.Product {
	products := Products(80, "1")
	for _, id := range []string{
		"a b", "ä", "日本語", "🧦", `quote"d`, `back\slash`, "a/b", "a.b", "UPPER", "upper", "0017", "-1", "x,y", "x;y",
		"tab-free", "{}",
	} {
		products = append(products, product(id, "1"))
	}
	return append(products,
		NewProduct("nested", map[string]any{
			"name": map[string]any{"en": "Sock", "de": "Socke"}, "rev": "1", "sizes": []any{1, 2.5, "XL"},
		}),
		NewProduct("long", map[string]any{"rev": "1", "text": strings.Repeat("long text ", 20000)}),
		NewProduct("null", map[string]any{"rev": "1", "nothing": nil}),
		NewProduct("big", map[string]any{"rev": "1", "number": json.Number("9007199254740993")}),
	)
}

// TestSource checks every promise of [reindex.Source], [reindex.Snapshot] and the optional interfaces of both. At each
// call open returns a new source that holds exactly the given products: those of [SourceProducts], or none. same
// reports whether a body that the source yielded stands for the given one. If same is nil, both must be the same JSON
// value.
func TestSource(
	t *testing.T,
	open func(t *testing.T, products []reindex.Product) SourceFixture,
	same func(got, want json.RawMessage) bool,
) {
	if same == nil {
		same = sameJSON
	}
	products := SourceProducts()
	with := func(fn func(t *testing.T, f SourceFixture, products []reindex.Product)) func(t *testing.T) {
		return func(t *testing.T) { fn(t, open(t, products), products) }
	}
	t.Run("YieldsEveryProductOnce", func(t *testing.T) {
		f := open(t, products)
		for range 2 { // every snapshot, and every call, reads from the start
			snap := f.open(t)
			for range 2 {
				assertYields(t, []iter.Seq2[reindex.Product, error]{snap.Products(t.Context())}, products, same)
			}
		}
	})
	t.Run("Empty", func(t *testing.T) {
		assertYields(t, []iter.Seq2[reindex.Product, error]{open(t, nil).open(t).Products(t.Context())}, nil, same)
	})
	t.Run("ConcurrentReads", with(func(t *testing.T, f SourceFixture, products []reindex.Product) {
		testConcurrentReads(t, f, len(products))
	}))
	t.Run("UnknownTenant", with(testUnknownTenant))
	t.Run("ConsumerStops", with(testConsumerStops))
	t.Run("EndedContext", with(testReadEndedContext))
	t.Run("OpenOutlivesItsContext", with(testOpenContext))
	t.Run("KeepsBodies", func(t *testing.T) { testKeepsBodies(t, open(t, products), products, same) })
	t.Run("Count", with(testCount))
	t.Run("Locate", with(testLocate))
	t.Run("Split", func(t *testing.T) { testSplit(t, open(t, products), products, same) })
	t.Run("PartEndedContext", with(testPartEndedContext))
	t.Run("UnknownPart", with(testUnknownPart))
	t.Run("Find", func(t *testing.T) { testFind(t, open(t, products), products, same) })
}

func testConcurrentReads(t *testing.T, f SourceFixture, want int) {
	type result struct {
		n   int
		err error
	}
	results := make(chan result)
	for range 4 {
		go func() {
			snap, err := f.Source.Open(t.Context(), f.Tenant)
			if err != nil {
				results <- result{err: err}
				return
			}
			n, err := drain(snap.Products(t.Context()))
			results <- result{n, errors.Join(err, snap.Close())}
		}()
	}
	for range 4 {
		if r := <-results; r.n != want || r.err != nil {
			t.Errorf("a concurrent read yielded %d products, want %d; error %v", r.n, want, r.err)
		}
	}
}

// A tenant that the source does not know is an error, not an empty catalogue.
func testUnknownTenant(t *testing.T, f SourceFixture, _ []reindex.Product) {
	if _, ok := f.Source.(Slice); ok {
		t.Skip("a slice serves every tenant")
	}
	for _, unknown := range []string{"unknown", "../" + f.Tenant, f.Tenant + "/", "*", "%", ""} {
		snap, err := f.Source.Open(t.Context(), unknown)
		if err != nil {
			continue
		}
		for p, err := range snap.Products(t.Context()) {
			if err == nil {
				t.Errorf("tenant %q yielded product %q, want an error", unknown, p.ID)
			}
			break
		}
		n, failed := drain(snap.Products(t.Context()))
		if n != 0 || failed == nil {
			t.Errorf("tenant %q yielded %d products and error %v, want only an error", unknown, n, failed)
		}
		assertNoParts(t, f, snap, unknown)
		if err := snap.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// assertNoParts checks that the parts of an unknown tenant's snapshot yield no products, not even under the names of
// another tenant's parts.
func assertNoParts(t *testing.T, f SourceFixture, snap reindex.Snapshot, unknown string) {
	t.Helper()
	parts, ok := reindex.As[reindex.Splitter](snap)
	if !ok {
		return
	}
	names, _ := parts.Split(t.Context(), 2) // an error is allowed
	if known, ok := reindex.As[reindex.Splitter](f.open(t)); ok {
		others, _ := known.Split(t.Context(), 2)
		names = append(names, others...)
	}
	for _, name := range names {
		if n, _ := drain(parts.Part(t.Context(), name)); n != 0 {
			t.Errorf("tenant %q: part %q yielded %d products, want none", unknown, name, n)
		}
	}
}

func testConsumerStops(t *testing.T, f SourceFixture, _ []reindex.Product) {
	for _, stop := range []int{1, 2, 50} {
		n := 0
		for _, err := range f.open(t).Products(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == stop {
				break
			}
		}
	}
}

func testReadEndedContext(t *testing.T, f SourceFixture, products []reindex.Product) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assertEnds(t, f.open(t).Products(ctx), len(products))
	for _, after := range []int{1, 50} {
		ctx, cancel := context.WithCancel(t.Context())
		assertEnds(t, cancelAfter(f.open(t).Products(ctx), after, cancel), len(products))
	}
}

// A snapshot stays open until it is closed, even if the context of Open ends.
func testOpenContext(t *testing.T, f SourceFixture, products []reindex.Product) {
	ctx, cancel := context.WithCancel(t.Context())
	snap, err := f.Source.Open(ctx, f.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if n, err := drain(snap.Products(t.Context())); n != len(products) || err != nil {
		t.Errorf("a read after the end of the context of Open yielded %d products, error %v; want %d", n, err, len(products))
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
}

// A body does not change after it was yielded.
func testKeepsBodies(
	t *testing.T, f SourceFixture, products []reindex.Product, same func(got, want json.RawMessage) bool,
) {
	snap := f.open(t)
	keeps := func(what string, seq iter.Seq2[reindex.Product, error]) {
		var kept, copies []reindex.Product
		for p, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, p)
			copies = append(copies, reindex.Product{ID: strings.Clone(p.ID), Body: bytes.Clone(p.Body)})
		}
		for i, p := range kept {
			if p.ID != copies[i].ID || !bytes.Equal(p.Body, copies[i].Body) {
				t.Errorf("%s: product %q was changed after it had been yielded", what, copies[i].ID)
			}
		}
	}
	keeps("Products", snap.Products(t.Context()))
	if splitter, ok := reindex.As[reindex.Splitter](snap); ok {
		for _, name := range split(t, splitter, 2) {
			keeps("Part "+name, splitter.Part(t.Context(), name))
		}
	}
	assertYields(t, []iter.Seq2[reindex.Product, error]{snap.Products(t.Context())}, products, same)
}

func testCount(t *testing.T, f SourceFixture, products []reindex.Product) {
	counter, ok := reindex.As[reindex.Counter](f.open(t))
	if !ok {
		t.Skip("the source does not count")
	}
	n, err := counter.Count(t.Context())
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the source cannot count this tenant")
	}
	if err != nil || n != int64(len(products)) {
		t.Errorf("count is %d, error %v; want %d", n, err, len(products))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := counter.Count(ended); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("count under an ended context: %v, want nil or context.Canceled", err)
	}
}

// Locate returns a different place for each product, and none for products that do not exist.
func testLocate(t *testing.T, f SourceFixture, products []reindex.Product) {
	locator, ok := reindex.As[reindex.Locator](f.open(t))
	if !ok {
		t.Skip("the source does not locate")
	}
	var ids []string
	for _, p := range products {
		ids = append(ids, p.ID)
	}
	where, err := locator.Locate(t.Context(), append(slices.Clone(ids), "not there")...)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the source cannot locate this tenant's products")
	}
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]string{}
	for i, id := range ids {
		if where[id] == "" {
			t.Errorf("product %q has no place", id)
		}
		if f.Place != nil && where[id] != f.Place(i, products[i]) {
			t.Errorf("product %q is at %q, want %q", id, where[id], f.Place(i, products[i]))
		}
		if other, taken := places[where[id]]; taken {
			t.Errorf("products %q and %q are both at %q", id, other, where[id])
		}
		places[where[id]] = id
	}
	if len(where) != len(ids) {
		t.Errorf("%d places of %d products, want one each; a product that does not exist is at %q", len(where), len(ids),
			where["not there"])
	}
	last := ids[len(ids)-1]
	if alone, err := locator.Locate(t.Context(), last); err != nil || len(alone) != 1 || alone[last] != where[last] {
		t.Errorf("product %q alone is at %v, error %v; want %q", last, alone, err, where[last])
	}
}
