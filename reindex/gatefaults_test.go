package reindex_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// The rule on the announced number counts different products: half of the catalogue, read twice, does not meet it.
func TestCountIsMetByDifferentProducts(t *testing.T) {
	half := reindextest.Products(500, "new")
	later := reindextest.Products(500, "later")
	for _, test := range []struct {
		name     string
		products []reindex.Product
		cfg      reindex.Config
		rule     reindex.Rule
	}{
		{"each product twice", append(half[:500:500], half...), reindex.Config{}, reindex.RuleCount},
		{
			"each product twice, duplicates allowed", append(half[:500:500], half...), reindex.Config{MaxDuplicates: -1},
			reindex.RuleCount,
		},
		{"others of the same ids", append(half[:500:500], later...), reindex.Config{}, reindex.RuleDuplicates},
		{"one other of the same id", append(half[:500:500], later[7]), reindex.Config{}, reindex.RuleDuplicates},
		{"one other of the same id, allowed", append(half[:500:500], later[7]), reindex.Config{MaxDuplicates: 1}, ""},
		{"one product twice, not announced", append(half[:500:500], half[7]), reindex.Config{CountMargin: -1}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, reindextest.Slice(test.products), &test.cfg, nil)
			report, err := b.Run(t.Context(), tenant)
			assertRule(t, err, test.rule)
			if report.Duplicates != int64(len(test.products)-500) {
				t.Errorf("report %+v, want %d duplicates", report, len(test.products)-500)
			}
			if test.rule == "" {
				b.assertLive(t, half, "new")
			} else {
				b.assertOldLive(t)
			}
		})
	}
}

func assertRule(t *testing.T, err error, want reindex.Rule) {
	t.Helper()
	gate, _ := errors.AsType[*reindex.GateError](err)
	if (err == nil) != (want == "") || gate != nil && gate.Rule != want || err != nil && gate == nil {
		t.Errorf("error %v, want rule %q", err, want)
	}
}

// An estimate is shown, but the gate does not check it.
func TestEstimateIsNotChecked(t *testing.T) {
	for err, want := range map[error]int64{nil: 700, errors.ErrUnsupported: 100} { // the live index has 100
		b := newBench(t, estimated{then(reindextest.Products(100, "new"), func(func(reindex.Product, error) bool) {}), err},
			nil, nil)
		if _, err := b.Run(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
		if job := b.lastJob(t); job.Expected != want || !job.Estimated || job.Report.Expected != -1 {
			t.Errorf("job %+v, want an estimate of %d", job, want)
		}
	}
	b := newBench(t, estimated{then(nil, func(func(reindex.Product, error) bool) {}), errSource}, nil, nil)
	if _, err := b.Run(t.Context(), tenant); !errors.Is(err, errSource) {
		t.Errorf("error %v, want %v", err, errSource)
	}
}

type estimated struct {
	reindex.SourceFunc

	err error
}

func (e estimated) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap, err := e.SourceFunc.Open(ctx, tenant)
	return estimatedSnapshot{snap, e.err}, err
}

type estimatedSnapshot struct {
	reindex.Snapshot

	err error
}

func (e estimatedSnapshot) Estimate(context.Context) (int64, error) { return 700, e.err }

// AllowEmpty does not turn off the rule on shrinking.
func TestAllowEmptyDoesNotAllowShrinking(t *testing.T) {
	b := newBench(t, reindextest.Slice(nil), &reindex.Config{AllowEmpty: true}, nil)
	_, err := b.Run(t.Context(), tenant)
	assertRule(t, err, reindex.RuleShrunk)
	b.assertOldLive(t)
}

// uncountable is an index whose live generation cannot be counted.
type uncountable struct{ *reindextest.Memory }

func (u uncountable) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := u.Memory.Begin(ctx, tenant)
	return uncountableGeneration{gen}, err
}

type uncountableGeneration struct{ reindex.Generation }

func (g uncountableGeneration) Seal(ctx context.Context) (reindex.Sealed, error) {
	sealed, err := g.Generation.Seal(ctx)
	sealed.Live, sealed.LiveErr = 0, errIndex
	return sealed, err
}

// If the live index cannot be counted, the gate stays closed, unless the host has turned the rule off.
func TestUncountableLiveIndexClosesTheGate(t *testing.T) {
	for _, test := range []struct {
		fraction float64
		rule     reindex.Rule
	}{{0, reindex.RuleShrunk}, {-1, ""}} {
		engine, err := reindex.New(reindextest.Slice(reindextest.Products(1, "new")), uncountable{reindextest.NewMemory()},
			&reindex.Config{MinFraction: test.fraction})
		if err != nil {
			t.Fatal(err)
		}
		report, err := engine.Run(t.Context(), tenant)
		assertRule(t, err, test.rule)
		if report.Replaced != -1 || err != nil && strings.Contains(err.Error(), errIndex.Error()) {
			t.Errorf("replaced %d, error %v; want -1, and no error of the index", report.Replaced, err)
		}
	}
}
