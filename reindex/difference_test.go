package reindex_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// catalogue returns a random catalogue of about n products. A product of one catalogue is missing, the same, or
// different in another one.
func catalogue(r *rand.Rand, n int) map[string]map[string]any {
	products := map[string]map[string]any{}
	for i := range n {
		if r.IntN(20) == 0 {
			continue
		}
		fields := map[string]any{"name": fmt.Sprint("name ", i), "price": 100 + i%7, "rev": "1"}
		if r.IntN(10) == 0 {
			fields["price"] = r.IntN(1000)
		}
		if r.IntN(30) == 0 {
			fields["extra"] = []any{r.IntN(2)}
		}
		products[fmt.Sprintf("p%d", i)] = fields
	}
	return products
}

func asProducts(catalogue map[string]map[string]any) []reindex.Product {
	var products []reindex.Product
	for id, fields := range catalogue {
		products = append(products, reindextest.NewProduct(id, fields))
	}
	return products
}

// plain returns the difference of two catalogues, and the names of the changed fields by product.
func plain(before, after map[string]map[string]any) (d reindex.Difference, fields map[string][]string) {
	fields = map[string][]string{}
	for id, was := range before {
		is, there := after[id]
		switch {
		case !there:
			d.Removed++
			d.RemovedIDs = append(d.RemovedIDs, id)
		case reflect.DeepEqual(was, is):
			d.Unchanged++
		default:
			d.Changed++
			for name := range map[string]int{"name": 0, "price": 0, "rev": 0, "extra": 0} {
				if !reflect.DeepEqual(was[name], is[name]) {
					fields[id] = append(fields[id], name)
				}
			}
			slices.Sort(fields[id])
		}
	}
	for id := range after {
		if _, there := before[id]; !there {
			d.Added++
			d.AddedIDs = append(d.AddedIDs, id)
		}
	}
	slices.Sort(d.AddedIDs)
	slices.Sort(d.RemovedIDs)
	return d, fields
}

// The difference of a run is the same as that of a plain comparison of both catalogues.
func TestDifferenceIsExact(t *testing.T) {
	n := 2000
	if os.Getenv("CI") != "" {
		n = 50_000
	}
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			before, after := catalogue(r, n), catalogue(r, n)
			ix := reindextest.NewMemory()
			publish(t, ix, asProducts(before))
			engine, err := reindex.New(reindextest.Slice(asProducts(after)), ix, &reindex.Config{ReportItems: n})
			if err != nil {
				t.Fatal(err)
			}
			report, err := engine.RunWith(t.Context(), tenant, reindex.Options{Difference: true})
			if err != nil {
				t.Fatal(err)
			}
			want, fields := plain(before, after)
			got := *report.Difference
			for _, p := range got.ChangedProducts {
				if !slices.Equal(p.Fields, fields[p.ID]) {
					t.Errorf("product %s changed in %v, want %v", p.ID, p.Fields, fields[p.ID])
				}
			}
			if len(got.ChangedProducts) != int(want.Changed) {
				t.Errorf("%d changed products are listed, want %d", len(got.ChangedProducts), want.Changed)
			}
			got.ChangedProducts = nil
			if !reflect.DeepEqual(got, want) {
				t.Errorf("added %d, removed %d, changed %d, unchanged %d; want %d, %d, %d, %d",
					got.Added, got.Removed, got.Changed, got.Unchanged, want.Added, want.Removed, want.Changed, want.Unchanged)
			}
		})
	}
}

// twice is an index whose scan of the live index yields some products twice. This may happen while changes are made.
type twice struct{ *reindextest.Memory }

func (x twice) ScanLive(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		n := 0
		for p, err := range x.Memory.ScanLive(ctx, tenant) {
			n++
			if !yield(p, err) || n%3 == 0 && !yield(p, err) {
				return
			}
		}
	}
}

// A product that is read twice counts once.
func TestDifferenceOfRepeatedProducts(t *testing.T) {
	ix := reindextest.NewMemory()
	publish(t, ix, reindextest.Products(100, "old"))
	after := slices.Concat(reindextest.Products(80, "old")[20:], reindextest.Products(20, "new"))
	engine, err := reindex.New(reindextest.Slice(after), twice{ix}, &reindex.Config{MinFraction: -1})
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.RunWith(t.Context(), tenant, reindex.Options{Difference: true})
	if err != nil {
		t.Fatal(err)
	}
	d := report.Difference
	if d.Added != 0 || d.Removed != 20 || d.Changed != 20 || d.Unchanged != 60 || len(d.ChangedProducts) != 20 {
		t.Errorf("difference %+v, want 20 removed, 20 changed and 60 unchanged", d)
	}
	if ids := slices.Compact(slices.Clone(d.RemovedIDs)); len(ids) != 20 || len(d.RemovedIDs) != 20 {
		t.Errorf("removed %v, want 20 different ones", d.RemovedIDs)
	}
}

func TestDifferenceListsSome(t *testing.T) {
	b := newBench(t, reindextest.Slice(reindextest.Products(150, "new")), &reindex.Config{ReportItems: 7}, nil)
	report, err := b.RunWith(t.Context(), tenant, reindex.Options{Difference: true, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	d := report.Difference
	if d.Added != 50 || d.Changed != 100 || len(d.AddedIDs) != 7 || len(d.ChangedProducts) != 7 {
		t.Errorf("difference %+v, want 50 added and 100 changed, with 7 of each listed", d)
	}
}

func TestRulesOfTheDifference(t *testing.T) {
	half := reindextest.Products(100, "old")
	for i := range 50 {
		half[i].Body = json.RawMessage(`{"rev":"new"}`)
	}
	for _, test := range []struct {
		name     string
		products []reindex.Product
		cfg      reindex.Config
		want     reindex.Rule
	}{
		{"removed too many", reindextest.Products(89, "old"), reindex.Config{MaxRemoved: 0.1}, reindex.RuleRemoved},
		{"removed as many as allowed", reindextest.Products(90, "old"), reindex.Config{MaxRemoved: 0.1}, ""},
		{
			"removed one if none is allowed", reindextest.Products(99, "old"), reindex.Config{MaxRemoved: 1e-12},
			reindex.RuleRemoved,
		},
		{"changed too many", half, reindex.Config{MaxChanged: 0.49}, reindex.RuleChanged},
		{"changed as many as allowed", half, reindex.Config{MaxChanged: 0.5}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, reindextest.Slice(test.products), &test.cfg, nil)
			report, err := b.Run(t.Context(), tenant)
			var rule reindex.Rule
			if gate, ok := errors.AsType[*reindex.GateError](err); ok {
				rule = gate.Rule
			}
			if rule != test.want || report.Difference == nil {
				t.Errorf("error %v, difference %+v; want one of rule %q, and a difference", err, report.Difference, test.want)
			}
		})
	}
}

// Products that are edited during a run count only as edited.
func TestDifferenceLeavesEditsOut(t *testing.T) {
	src := newGated(100)
	b := newBench(t, src, nil, nil)
	job, _, err := b.StartWith(t.Context(), tenant, reindex.Options{Difference: true})
	if err != nil {
		t.Fatal(err)
	}
	for j, err := range b.Watch(t.Context(), tenant, job.ID) {
		if err != nil {
			t.Fatal(err)
		}
		if j.Report.Read > 0 || j.Phase == reindex.PhaseLoad {
			break
		}
	}
	ids := reindextest.Products(100, "old")
	if err := b.Update(t.Context(), tenant, reindex.Change{ID: ids[0].ID, Delete: true},
		reindex.Change{ID: "fresh", Body: ids[1].Body}); err != nil {
		t.Fatal(err)
	}
	close(src.gate)
	job = ended(t, b.Engine, job)
	d := job.Report.Difference
	if d == nil || d.Edited != 2 || d.Added != 0 || d.Removed != 0 || d.Changed != 99 {
		t.Errorf("difference %+v, message %q, want 2 edited and 99 changed", d, job.Message)
	}
}

type unreadable struct{ reindex.Indexer }

func TestDifferenceNeedsAScanner(t *testing.T) {
	ix := reindextest.NewMemory()
	engine, err := reindex.New(reindextest.Slice(reindextest.Products(3, "new")), unreadable{ix}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := engine.StartWith(t.Context(), tenant,
		reindex.Options{Difference: true}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
	strict, err := reindex.New(reindextest.Slice(reindextest.Products(3, "new")), unreadable{ix},
		&reindex.Config{MaxRemoved: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := strict.Run(t.Context(), tenant); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
}
