package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/source"
	"productindex/source/internal/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tenant = "shop"

// shop is a source that knows only one tenant.
type shop []reindex.Product

func (s shop) Open(ctx context.Context, t string) (reindex.Snapshot, error) {
	if t != tenant {
		return nil, fmt.Errorf("tenant %q is unknown", t)
	}
	return source.Slice(s).Open(ctx, t)
}

func (s shop) Find(ctx context.Context, t string, ids ...string) iter.Seq2[reindex.Product, error] {
	if t != tenant {
		return func(yield func(reindex.Product, error) bool) {
			yield(reindex.Product{}, fmt.Errorf("tenant %q is unknown", t))
		}
	}
	return source.Slice(s).Find(ctx, t, ids...)
}

// bare hides the optional interfaces of a source.
func bare(src reindex.Source) reindex.Source {
	return reindex.SourceFunc(func(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
		return sourcetest.Products(ctx, src, tenant)
	})
}

// unlocated hides the places of a shop.
type unlocated struct{ shop }

func (u unlocated) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap, err := u.shop.Open(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return struct {
		reindex.Snapshot
		reindex.Counter
		reindex.Splitter
	}{snap, snap.(reindex.Counter), snap.(reindex.Splitter)}, nil
}

// estimated is a source whose snapshots estimate and do not count.
type estimated struct{ shop }

func (e estimated) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap, err := e.shop.Open(ctx, tenant)
	return estimatedSnapshot{snap, e.shop}, err
}

type estimatedSnapshot struct {
	reindex.Snapshot

	shop shop
}

func (s estimatedSnapshot) Estimate(context.Context) (int64, error) {
	return int64(len(s.shop)) + 1, nil
}

// open returns a snapshot that is closed at the end of the test.
func open(t *testing.T, src reindex.Source) reindex.Snapshot {
	t.Helper()
	return sourcetest.MustOpen(t, src, tenant)
}

func must(t *testing.T) func(reindex.Source, error) reindex.Source {
	t.Helper()
	return func(src reindex.Source, err error) reindex.Source {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
}

func same(_ context.Context, _ string, p reindex.Product) (reindex.Product, error) { return p, nil }

func TestConformance(t *testing.T) {
	extra := shop(reindextest.Products(90, "unwanted"))
	for name, wrap := range map[string]func(t *testing.T, s shop) reindex.Source{
		"Map": func(_ *testing.T, s shop) reindex.Source { return source.Map(s, same) },
		"Filter": func(_ *testing.T, s shop) reindex.Source {
			mixed := shop{}
			for i, p := range s {
				mixed = append(mixed, p, extra[i%len(extra)])
			}
			return source.Filter(mixed, func(_ context.Context, _ string, p reindex.Product) (bool, error) {
				return !strings.Contains(string(p.Body), "unwanted"), nil
			})
		},
		"Concat": func(_ *testing.T, s shop) reindex.Source { return source.Concat(s[:len(s)/3], s[len(s)/3:]) },
		"ConcatBare": func(_ *testing.T, s shop) reindex.Source {
			return source.Concat(unlocated{s[:len(s)/3]}, bare(s[len(s)/3:]))
		},
		"Bare":    func(_ *testing.T, s shop) reindex.Source { return source.Map(bare(s), same) },
		"Select":  func(t *testing.T, s shop) reindex.Source { return must(t)(source.Select(s, "**")) },
		"Exclude": func(t *testing.T, s shop) reindex.Source { return must(t)(source.Exclude(s, "no.such.field")) },
		"Localize": func(t *testing.T, s shop) reindex.Source {
			return must(t)(source.Localize(s, source.Localization{Fields: []string{"no"}}))
		},
		"LocalizeDocuments": func(t *testing.T, s shop) reindex.Source {
			return must(t)(source.Localize(s, source.Localization{Fields: []string{"no"}, DocumentPerLanguage: true}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			reindextest.TestSource(t, func(t *testing.T, products []reindex.Product) reindextest.SourceFixture {
				t.Helper()
				return reindextest.SourceFixture{Source: wrap(t, products), Tenant: tenant}
			}, nil)
		})
	}
}

// A source made from another one passes its count on only if the count stays exact.
func TestCapabilities(t *testing.T) {
	s := shop(reindextest.Products(10, "1"))
	languages := source.Localization{
		Fields:              []string{"name"},
		Languages:           []string{"de", "en", "fr"},
		DocumentPerLanguage: true,
	}
	anyLanguage := source.Localization{Fields: []string{"name"}, DocumentPerLanguage: true}
	keepAll := func(context.Context, string, reindex.Product) (bool, error) { return true, nil }
	for name, test := range map[string]struct {
		src   reindex.Source
		count int64 // -1: none
		parts int
	}{
		"Map":           {source.Map(s, same), 10, 2},
		"Map of Filter": {source.Map(source.Filter(s, keepAll), same), -1, 2},
		"Filter of Map": {source.Filter(source.Map(s, same), keepAll), -1, 2},
		"Concat":        {source.Concat(s, s, s), 30, 2},
		"Concat mixed":  {source.Concat(s, bare(s)), -1, 2},
		"Concat bare":   {source.Concat(bare(s)), -1, 1},
		"Concat none":   {source.Concat(), 0, 1},
		"Languages":     {must(t)(source.Localize(s, languages)), 30, 2},
		"Any languages": {must(t)(source.Localize(s, anyLanguage)), -1, 2},
		"Bare":          {source.Map(bare(s), same), -1, 0},
	} {
		snap := open(t, test.src)
		n, err := int64(-1), errors.ErrUnsupported
		if c, ok := reindex.As[reindex.Counter](snap); ok {
			n, err = c.Count(t.Context())
		}
		if want := test.count; want < 0 && !errors.Is(err, errors.ErrUnsupported) || want >= 0 && (err != nil || n != want) {
			t.Errorf("%s: count is %d, error %v; want %d", name, n, err, want)
		}
		p, _ := reindex.As[reindex.Splitter](snap)
		parts, err := p.Split(t.Context(), 2)
		if len(parts) != test.parts || test.parts == 0 && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: got %d parts, error %v; want %d", name, len(parts), err, test.parts)
		}
	}
}

// If all joined sources count or estimate their products, so does the result of Concat.
func TestEstimates(t *testing.T) {
	s := shop(reindextest.Products(10, "1"))
	languages := source.Localization{
		Fields:              []string{"name"},
		Languages:           []string{"de", "en", "fr"},
		DocumentPerLanguage: true,
	}
	keepAll := func(context.Context, string, reindex.Product) (bool, error) { return true, nil }
	for name, test := range map[string]struct {
		src  reindex.Source
		want int64 // -1: none
	}{
		"Map":              {source.Map(estimated{s}, same), 11},
		"Filter":           {source.Filter(estimated{s}, keepAll), -1},
		"Select":           {must(t)(source.Select(estimated{s}, "name")), 11},
		"Exclude":          {must(t)(source.Exclude(estimated{s}, "name")), 11},
		"Languages":        {must(t)(source.Localize(estimated{s}, languages)), 33},
		"Concat":           {source.Concat(estimated{s}, estimated{s}), 22},
		"Concat, one is":   {source.Concat(s, source.Map(estimated{s}, same), s), 31},
		"Concat in Concat": {source.Map(source.Concat(s, source.Concat(estimated{s}, s)), same), 31},
		"Concat bare":      {source.Concat(estimated{s}, bare(s)), -1},
	} {
		snap := open(t, test.src)
		if c, ok := reindex.As[reindex.Counter](snap); ok {
			if n, err := c.Count(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s: the exact count is %d, error %v; want none", name, n, err)
			}
		}
		e, ok := reindex.As[reindex.Estimator](snap)
		if !ok {
			t.Errorf("%s does not estimate, want an Estimator", name)
			continue
		}
		n, err := e.Estimate(t.Context())
		if want := test.want; want < 0 && !errors.Is(err, errors.ErrUnsupported) || want >= 0 && (err != nil || n != want) {
			t.Errorf("%s: the estimate is %d, error %v; want %d", name, n, err, want)
		}
	}
}

// An error of the source or of the function ends the sequence. It names the product.
func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	s := shop(reindextest.Products(5, "1"))
	fails := func(_ context.Context, _ string, p reindex.Product) error {
		if p.ID == "p3" {
			return broken
		}
		return nil
	}
	failing := source.Map(s, func(ctx context.Context, t string, p reindex.Product) (reindex.Product, error) {
		return p, fails(ctx, t, p)
	})
	for name, src := range map[string]reindex.Source{
		"Map": failing,
		"Filter": source.Filter(s,
			func(ctx context.Context, t string, p reindex.Product) (bool, error) { return true, fails(ctx, t, p) }),
		"Map again": source.Map(failing, same),
		"Concat":    source.Concat(failing, s),
	} {
		n, failed := 0, error(nil)
		for _, err := range open(t, src).Products(t.Context()) {
			if failed != nil {
				t.Errorf("%s: the sequence continues after the error %v", name, failed)
			}
			if failed = err; err == nil {
				n++
			}
		}
		if n != 3 || !errors.Is(failed, broken) || !strings.Contains(failed.Error(), `product "p3"`) {
			t.Errorf("%s: got %d products, error %v, want 3 and the error with the product", name, n, failed)
		}
	}
	parts := open(t, source.Concat(s, brokenParts{broken})).(reindex.Splitter)
	if _, err := parts.Split(t.Context(), 2); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// brokenParts is a source whose Split returns an error.
type brokenParts struct{ err error }

func (b brokenParts) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap, err := source.Slice{}.Open(ctx, tenant)
	return brokenSnapshot{snap, b.err}, err
}

type brokenSnapshot struct {
	reindex.Snapshot

	err error
}

func (b brokenSnapshot) Split(context.Context, int) ([]string, error) { return nil, b.err }

func (b brokenSnapshot) Part(context.Context, string) iter.Seq2[reindex.Product, error] { return nil }

// bodies returns the bodies, by id, that a source makes from one body.
func bodies(t *testing.T, wrap func(reindex.Source) (reindex.Source, error), body string) []string {
	t.Helper()
	src := must(t)(wrap(shop{{ID: "p", Body: json.RawMessage(body)}}))
	var out []string
	for p, err := range open(t, src).Products(t.Context()) {
		if err != nil && strings.Contains(err.Error(), "each would be indexed as {}") {
			continue // which TestSelectNothing looks at
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p.ID+" "+string(p.Body))
	}
	return out
}
