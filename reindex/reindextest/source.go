package reindextest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"

	"productindex/reindex"
)

// SourceFixture is a Source under test.
type SourceFixture struct {
	// Source holds the products that TestSource gave, under Tenant.
	Source reindex.Source
	Tenant string
}

// SourceProducts are products as a Source has to yield them: 100 of them, with awkward but valid ids and bodies, in a fixed order.
func SourceProducts() []reindex.Product {
	products := Products(80, "1")
	for _, id := range []string{"a b", "ä", "日本語", "🧦", `quote"d`, `back\slash`, "a/b", "a.b", "UPPER", "upper", "0017", "-1", "x,y", "x;y", "tab-free", "{}"} {
		products = append(products, product(id, "1"))
	}
	return append(products,
		NewProduct("nested", map[string]any{"name": map[string]any{"en": "Sock", "de": "Socke"}, "rev": "1", "id": "nested", "sizes": []any{1, 2.5, "XL"}}),
		NewProduct("long", map[string]any{"rev": "1", "text": strings.Repeat("long text ", 20000)}),
		NewProduct("null", map[string]any{"rev": "1", "nothing": nil}),
		NewProduct("big", map[string]any{"rev": "1", "number": json.Number("9007199254740993")}),
	)
}

// TestSource checks every promise of [reindex.Source], [reindex.Counter] and [reindex.Partitioner]. open returns a source of its own
// at each call, which holds exactly the given products, those of [SourceProducts] or none. same reports whether a body that the source
// yielded is the one that was given; nil means: the same JSON value.
func TestSource(t *testing.T, open func(t *testing.T, products []reindex.Product) SourceFixture, same func(got, want json.RawMessage) bool) {
	if same == nil {
		same = sameJSON
	}
	products := SourceProducts()
	with := func(fn func(t *testing.T, f SourceFixture, products []reindex.Product)) func(t *testing.T) {
		return func(t *testing.T) { fn(t, open(t, products), products) }
	}
	t.Run("YieldsEveryProductOnce", func(t *testing.T) {
		f := open(t, products)
		for range 2 { // every call reads from the start
			assertYields(t, []iter.Seq2[reindex.Product, error]{f.Source.Products(t.Context(), f.Tenant)}, products, same)
		}
	})
	t.Run("Empty", func(t *testing.T) {
		f := open(t, nil)
		assertYields(t, []iter.Seq2[reindex.Product, error]{f.Source.Products(t.Context(), f.Tenant)}, nil, same)
	})
	t.Run("ConcurrentReads", with(func(t *testing.T, f SourceFixture, products []reindex.Product) {
		testConcurrentReads(t, f, len(products))
	}))
	t.Run("UnknownTenant", with(testUnknownTenant))
	t.Run("ConsumerStops", with(testConsumerStops))
	t.Run("EndedContext", with(testReadEndedContext))
	t.Run("Count", with(testCount))
	t.Run("Partitions", func(t *testing.T) { testPartitions(t, open(t, products), products, same) })
}

func sameJSON(got, want json.RawMessage) bool {
	var a, b any
	for _, side := range []struct {
		body json.RawMessage
		to   *any
	}{{got, &a}, {want, &b}} {
		d := json.NewDecoder(bytes.NewReader(side.body))
		d.UseNumber()
		if d.Decode(side.to) != nil {
			return false
		}
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// assertYields reads the sequences and checks that together they yield every product once.
func assertYields(t *testing.T, seqs []iter.Seq2[reindex.Product, error], want []reindex.Product, same func(got, want json.RawMessage) bool) {
	t.Helper()
	missing := map[string]json.RawMessage{}
	for _, p := range want {
		missing[p.ID] = p.Body
	}
	for _, seq := range seqs {
		for p, err := range seq {
			if err != nil {
				t.Fatalf("the source failed: %v", err)
			}
			body, ok := missing[p.ID]
			if !ok {
				t.Errorf("product %q came twice, or should not be there", p.ID)
				continue
			}
			if !same(p.Body, body) {
				t.Errorf("product %q is %.200s, want %.200s", p.ID, p.Body, body)
			}
			delete(missing, p.ID)
		}
	}
	for id := range missing {
		t.Errorf("product %q did not come", id)
	}
}

func testConcurrentReads(t *testing.T, f SourceFixture, want int) {
	type result struct {
		n   int
		err error
	}
	results := make(chan result)
	for range 4 {
		go func() {
			var r result
			for _, err := range f.Source.Products(t.Context(), f.Tenant) {
				r.err = errors.Join(r.err, err)
				r.n++
			}
			results <- r
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
		for p, err := range f.Source.Products(t.Context(), unknown) {
			if err == nil {
				t.Errorf("tenant %q yielded product %q", unknown, p.ID)
			}
			break
		}
		n, failed := drain(f.Source.Products(t.Context(), unknown))
		if n != 0 || failed == nil {
			t.Errorf("tenant %q yielded %d products and error %v, want an error alone", unknown, n, failed)
		}
	}
}

// drain reads a sequence to its end and returns the number of products and the error, after which nothing may follow.
func drain(seq iter.Seq2[reindex.Product, error]) (n int, failed error) {
	for _, err := range seq {
		if failed != nil {
			return n, errors.New("the sequence went on after its error")
		}
		if err != nil {
			failed = err
			continue
		}
		n++
	}
	return n, failed
}

func testConsumerStops(t *testing.T, f SourceFixture, _ []reindex.Product) {
	for _, stop := range []int{1, 2, 50} {
		n := 0
		for _, err := range f.Source.Products(t.Context(), f.Tenant) {
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
	n, err := drain(f.Source.Products(ctx, f.Tenant))
	if !errors.Is(err, context.Canceled) || n >= len(products) {
		t.Errorf("a read under an ended context yielded %d products and error %v", n, err)
	}
}

func testCount(t *testing.T, f SourceFixture, products []reindex.Product) {
	counter, ok := reindex.As[reindex.Counter](f.Source)
	if !ok {
		t.Skip("the source does not count")
	}
	n, err := counter.Count(t.Context(), f.Tenant)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the source can not count this tenant")
	}
	if err != nil || n != int64(len(products)) {
		t.Errorf("count is %d, error %v; want %d", n, err, len(products))
	}
}

func testPartitions(t *testing.T, f SourceFixture, products []reindex.Product, same func(got, want json.RawMessage) bool) {
	partitioner, ok := reindex.As[reindex.Partitioner](f.Source)
	if !ok {
		t.Skip("the source has no partitions")
	}
	for _, n := range []int{1, 2, 3, 8} {
		seqs, err := partitioner.Partitions(t.Context(), f.Tenant, n)
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip("the source can not partition this tenant")
		}
		if err != nil || len(seqs) > n {
			t.Fatalf("%d partitions, error %v; want at most %d", len(seqs), err, n)
		}
		assertYields(t, seqs, products, same)
	}
}
