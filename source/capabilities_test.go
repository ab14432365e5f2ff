package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/source"
	"productindex/source/internal/sourcetest"
)

func TestSliceConformance(t *testing.T) {
	reindextest.TestSource(t, func(t *testing.T, products []reindex.Product) reindextest.SourceFixture {
		t.Helper()
		return reindextest.SourceFixture{Source: shop(products), Tenant: tenant}
	}, nil)
}

// A product that is in a slice twice counts once, also in sources made from the slice, and the engine accepts it. The
// engine refuses two different products with the same id.
func TestSliceDuplicates(t *testing.T) {
	a, b := reindextest.NewProduct("a", nil), reindextest.NewProduct("b", nil)
	repeated := source.Slice{a, b, a}
	conflicting := source.Slice{a, b, reindextest.NewProduct("a", map[string]any{"other": 1})}
	sourcetest.Duplicates(t, tenant, repeated, conflicting)
	sourcetest.Duplicates(
		t,
		tenant,
		source.Map(repeated, same),
		source.Concat(conflicting, source.Slice{reindextest.NewProduct("c", nil)}),
	)
	if n, err := open(t, repeated).(reindex.Counter).Count(t.Context()); err != nil || n != 2 {
		t.Errorf("counted %d, %v, want 2", n, err)
	}
}

// broken is a source with a record that cannot be read between two products.
func broken() reindex.Source {
	return reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			_ = yield(reindex.Product{ID: "a", Body: json.RawMessage(`{"name":{"en":"A"}}`)}, nil) &&
				yield(reindex.Product{}, &reindex.RecordError{ID: "b", Where: "line 2", Err: errors.New("it is broken")}) &&
				yield(reindex.Product{ID: "c", Body: json.RawMessage(`{"name":{"en":"C"}}`)}, nil)
		}
	})
}

// yields describes the products and errors that a sequence yields.
func yields(seq iter.Seq2[reindex.Product, error]) (all []string) {
	for p, err := range seq {
		if bad, ok := errors.AsType[*reindex.RecordError](err); ok {
			all = append(all, fmt.Sprintf("%s: %q: %v", bad.Where, bad.ID, bad.Err))
		} else if err != nil {
			all = append(all, err.Error())
		} else {
			all = append(all, p.ID)
		}
	}
	return all
}

// Every source made from another passes on the error of a record that cannot be read, with its place, and continues.
func TestRecordErrors(t *testing.T) {
	const bad = `line 2: "b": it is broken`
	rejects := func(_ context.Context, _ string, p reindex.Product) (reindex.Product, error) {
		if p.ID == "a" {
			return p, fmt.Errorf("wrapped: %w", &reindex.RecordError{Err: errors.New("no A")})
		}
		return p, nil
	}
	keep := func(_ context.Context, _ string, p reindex.Product) (bool, error) { return p.ID != "c", nil }
	for name, test := range map[string]struct {
		src  reindex.Source
		want []string
	}{
		"Map":          {source.Map(broken(), same), []string{"a", bad, "c"}},
		"Map rejects":  {source.Map(broken(), rejects), []string{`: "a": no A`, bad, "c"}},
		"Filter":       {source.Filter(broken(), keep), []string{"a", bad}},
		"Concat":       {source.Concat(broken(), shop{{ID: "d"}}), []string{"a", "source 1, " + bad, "c", "d"}},
		"Concat alone": {source.Concat(broken()), []string{"a", bad, "c"}},
		"Concat of twice": {
			source.Concat(shop{{ID: "d"}}, source.Map(broken(), same)), []string{"d", "a", "source 2, " + bad, "c"},
		},
		"Select": {must(t)(source.Select(broken(), "name")), []string{"a", bad, "c"}},
		"Localize": {
			must(t)(source.Localize(broken(), source.Localization{Fields: []string{"name"}})), []string{"a", bad, "c"},
		},
		"Localize documents": {
			must(t)(source.Localize(broken(), source.Localization{Fields: []string{"name"}, DocumentPerLanguage: true})),
			[]string{"a@en", bad, "c@en"},
		},
	} {
		if got := yields(open(t, test.src).Products(t.Context())); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// Locate and Find work through every composition.
func TestLocateAndFind(t *testing.T) {
	s := shop{
		{ID: "a", Body: json.RawMessage(`{"name":{"en":"A","de":"Ä"}}`)}, {ID: "b@en", Body: json.RawMessage(`{"name":"B"}`)},
		{ID: "c", Body: json.RawMessage(`{"name":{"en":"C"}}`)},
	}
	other := shop{{ID: "d", Body: json.RawMessage(`{"name":"D"}`)}, {ID: "a", Body: json.RawMessage(`{"name":"again"}`)}}
	notC := func(_ context.Context, _ string, p reindex.Product) (bool, error) { return p.ID != "c", nil }
	languages := source.Localization{Fields: []string{"name"}, DocumentPerLanguage: true}
	for name, test := range map[string]struct {
		src    reindex.Source
		found  []string
		places map[string]string
	}{
		"Map":    {source.Map(s, same), []string{"a", "c"}, map[string]string{"a": "product 1 of 3", "c": "product 3 of 3"}},
		"Filter": {source.Filter(s, notC), []string{"a"}, map[string]string{"a": "product 1 of 3", "c": "product 3 of 3"}},
		"Concat": {
			source.Concat(s, other), []string{"a", "c", "d"},
			map[string]string{"a": "source 1, product 1 of 3", "c": "source 1, product 3 of 3", "d": "source 2, product 1 of 2"},
		},
		"Select": {
			must(t)(source.Select(s, "name")), []string{"a", "c"},
			map[string]string{"a": "product 1 of 3", "c": "product 3 of 3"},
		},
		"Localize documents": {
			must(t)(source.Localize(s, languages)), []string{"a@de", "b@en", "c@en"},
			map[string]string{
				"a":    "product 1 of 3",
				"a@de": "product 1 of 3",
				"b@en": "product 2 of 3",
				"c":    "product 3 of 3",
				"c@en": "product 3 of 3",
				"c@fr": "product 3 of 3",
			},
		},
	} {
		ids := []string{"a", "c", "d", "nope", "a@de", "b@en", "c@en", "c@fr", "@", "a"}
		if !strings.HasPrefix(name, "Localize") {
			ids = []string{"a", "c", "d", "nope", "a"}
		}
		finder, ok := reindex.As[reindex.Finder](test.src)
		if !ok {
			t.Errorf("%s is not a Finder, want one", name)
			continue
		}
		if got := yields(finder.Find(t.Context(), tenant, ids...)); !slices.Equal(got, test.found) {
			t.Errorf("%s found %q, want %q", name, got, test.found)
		}
		got, err := open(t, test.src).(reindex.Locator).Locate(t.Context(), ids...)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(test.places) {
			t.Errorf("%s: the places are %q, error %v; want %q", name, got, err, test.places)
		}
	}
	for name, src := range map[string]reindex.Source{
		"Map":    source.Map(bare(s), same),
		"Concat": source.Concat(s, bare(s)),
	} {
		if _, ok := reindex.As[reindex.Finder](src); ok {
			t.Errorf("%s of a source that is not a Finder is one, want none", name)
		}
	}
	_, err := open(t, source.Concat(bare(s), bare(s))).(reindex.Locator).Locate(t.Context(), "a")
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the places of sources without places: got error %v, want ErrUnsupported", err)
	}
}

// After Map has changed ids, Find fails. If it found nothing instead, the engine would delete the products.
func TestFindRenamed(t *testing.T) {
	src := source.Map(
		shop{{ID: "a"}, {ID: "b"}},
		func(_ context.Context, _ string, p reindex.Product) (reindex.Product, error) {
			p.ID = "x-" + p.ID
			return p, nil
		},
	)
	for _, id := range []string{"a", "x-a"} { // Map learns of changed ids from the first one
		got := yields(src.(reindex.Finder).Find(t.Context(), tenant, id))
		if len(got) != 1 || !strings.Contains(got[0], "changes ids") {
			t.Errorf("Find of %q yields %q, want an error that says Map changes ids", id, got)
		}
	}
}

// If no product has a selected field, a read, whole or in parts, ends with an error that names the paths. It is enough
// that one product has one of the fields.
func TestSelectNothing(t *testing.T) {
	s := shop(reindextest.Products(9, "1"))
	rare := append(slices.Clone(s), reindextest.NewProduct("rare", map[string]any{"rare": 1}))
	for paths, test := range map[string]struct {
		src  shop
		want bool
	}{
		"prise": {s, true}, "prise,prices.net": {s, true}, "name": {s, false}, "prise,price": {s, false},
		"rare": {rare, false}, "none": {nil, false},
	} {
		src := must(t)(source.Select(test.src, strings.Split(paths, ",")...))
		for range 2 { // each snapshot reports it anew
			snap := open(t, src)
			checkNothing(t, paths, test.want, yields(snap.Products(t.Context())))
			snap = open(t, src)
			names, err := snap.(reindex.Splitter).Split(t.Context(), 3)
			if err != nil {
				t.Fatal(err)
			}
			for _, backwards := range []bool{false, true} {
				snap = open(t, src)
				if _, err := snap.(reindex.Splitter).Split(t.Context(), 3); err != nil {
					t.Fatal(err)
				}
				if backwards {
					slices.Reverse(names)
				}
				var got []string
				for _, name := range names {
					got = append(got, yields(snap.(reindex.Splitter).Part(t.Context(), name))...)
				}
				checkNothing(t, paths+" in parts", test.want, got)
			}
		}
	}
}

func checkNothing(t *testing.T, paths string, want bool, got []string) {
	t.Helper()
	text := strings.Join(got, " ")
	said := strings.Contains(text, "is in any of")
	if said != want || want && !strings.Contains(text, "of 9 products") || want && !strings.Contains(text, `"prise"`) {
		t.Errorf("%s: the sequence is %s; want the error: %v", paths, text, want)
	}
}

// If one source cannot be opened, Concat closes the others, and the error names the source.
func TestConcatOpen(t *testing.T) {
	closed := 0
	counting := openFunc(func() (reindex.Snapshot, error) {
		snap, err := source.Slice{}.Open(t.Context(), tenant)
		return closing{snap, &closed}, err
	})
	failing := openFunc(func() (reindex.Snapshot, error) { return nil, errors.New("no such shop") })
	if _, err := source.Concat(counting, counting, failing).Open(t.Context(), tenant); err == nil || closed != 2 ||
		!strings.Contains(err.Error(), "source 3: no such shop") {
		t.Errorf("%d sources are closed, error %v; want 2, and an error that names source 3", closed, err)
	}
}

type openFunc func() (reindex.Snapshot, error)

func (f openFunc) Open(context.Context, string) (reindex.Snapshot, error) { return f() }

type closing struct {
	reindex.Snapshot

	n *int
}

func (c closing) Close() error {
	*c.n++
	return nil
}
