package reindex_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// The first of several products with the same id is indexed, even with many batches and workers.
func TestDuplicates(t *testing.T) {
	first := reindextest.Products(500, "new")
	var products []reindex.Product
	for i, p := range first {
		products = append(products, p)
		if i >= 100 && i%5 == 0 {
			products = append(products, reindextest.NewProduct(first[i-100].ID, map[string]any{"rev": "later"}))
		}
	}
	rejected := reindex.Product{ID: "r", Body: json.RawMessage(`no`)}
	products = append(products, rejected, reindextest.NewProduct("r", map[string]any{"rev": "later"}))
	b := newBench(t, reindextest.Slice(products),
		&reindex.Config{BatchDocs: 7, Workers: 4, MaxRejected: 1, MaxDuplicates: 81, ReportItems: 10}, nil)
	report, err := b.Run(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	b.assertLive(t, first, "new")
	if report.Duplicates != 81 || report.Conflicts != 81 || report.Indexed != 500 || report.Rejected != 1 ||
		report.Read != 582 {
		t.Errorf("report %+v, want 582 read, 500 indexed, 1 rejected, 81 duplicates, 81 conflicts", report)
	}
	want := []string{"p0", "p5", "p10", "p15", "p20", "p25", "p30", "p35", "p40", "p45"}
	if !slices.Equal(report.DuplicateIDs, want) {
		t.Errorf("listed duplicates %v, want the first ten, %v", report.DuplicateIDs, want)
	}
}

// Each bad product is rejected with its id and a reason, and all others are indexed.
func TestBadProducts(t *testing.T) {
	good := reindextest.Products(10_000, "new")
	bad := map[string]string{
		"truncated": `{"id":"x"`, "array": `[1]`, "empty": ``, "utf8": "{\"id\":\"\xff\"}", "two": `{} {}`,
		"control\x01": `{}`, "invalid\xff": `{}`, "": `{}`,
		strings.Repeat("x", 4097): `{}`,
	}
	products := slices.Clone(good)
	for i, id := range slices.Sorted(maps.Keys(bad)) {
		products = slices.Insert(products, i*1000, reindex.Product{ID: id, Body: json.RawMessage(bad[id])})
	}
	b := newBench(t, reindextest.Slice(products), &reindex.Config{MaxRejected: 9}, nil)
	report, err := b.Run(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	b.assertLive(t, good, "new")
	if len(report.Rejections) != len(bad) || report.Rejected != int64(len(bad)) {
		t.Fatalf("rejected %d, listed %v; want %d in both", report.Rejected, report.Rejections, len(bad))
	}
	for _, r := range report.Rejections {
		if r.Reason == "" || len(r.ID) > 4096 {
			t.Errorf("rejection %+v, want a reason and at most 4,096 bytes of the id", r)
		}
	}
}

// located is a source that says where its products are, or fails with err.
type located struct {
	reindextest.Slice

	err error
}

func (l located) Open(context.Context, string) (reindex.Snapshot, error) { return l, nil }

func (l located) Locate(_ context.Context, ids ...string) (map[string]string, error) {
	where := map[string]string{}
	for i, p := range l.Slice {
		if slices.Contains(ids, p.ID) {
			where[p.ID] = fmt.Sprintf("%s, line %d", tenant, i+1)
		}
	}
	return where, l.err
}

// The report says where the rejected products are, if the source knows.
func TestLocatesRejections(t *testing.T) {
	products := reindextest.Products(1000, "new")
	products[41].Body, products[42].Body = nil, json.RawMessage(`[]`)
	for _, test := range []struct {
		err  error
		want []string
	}{
		{nil, []string{"acme, line 42", "acme, line 43"}},
		{errSource, []string{"", ""}},
	} {
		b := newBench(t, located{products, test.err}, nil, nil)
		report, err := b.Run(t.Context(), tenant)
		if !errors.As(err, new(*reindex.GateError)) || len(report.Rejections) != 2 {
			t.Fatalf("report %+v, error %v; want 2 rejections and a GateError", report, err)
		}
		if got := []string{report.Rejections[0].Where, report.Rejections[1].Where}; !slices.Equal(got, test.want) {
			t.Errorf("located at %q, want %q", got, test.want)
		}
		if got := b.lastJob(t).Report.Rejections; !slices.Equal(got, report.Rejections) {
			t.Errorf("the job's rejections are %v, want the report's, %v", got, report.Rejections)
		}
	}
}

// The log names the first rejected products, where they are and why, and never a body.
func TestLogNamesRejections(t *testing.T) {
	products := reindextest.Products(100, "secret-body")
	for i := range 7 {
		products[10*i].Body = append(json.RawMessage(nil), products[10*i].Body[:20]...)
	}
	var logged bytes.Buffer
	b := newBench(t, located{products, nil}, &reindex.Config{Logger: slog.New(slog.NewJSONHandler(&logged, nil))}, nil)
	if _, err := b.Run(t.Context(), tenant); err == nil {
		t.Fatal("a run with rejected products succeeds")
	}
	for _, want := range []string{`"p0"`, `"p40"`, "acme, line 41", "not valid JSON", `"tenant":"acme"`, b.lastJob(t).ID} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("the log lacks %q: %s", want, logged.String())
		}
	}
	for _, unwanted := range []string{`"p50"`, "secret-body"} {
		if strings.Contains(logged.String(), unwanted) {
			t.Errorf("the log has %q: %s", unwanted, logged.String())
		}
	}
}

// A run with too many rejections to succeed stops as soon as its report is full.
func TestHopelessRunStops(t *testing.T) {
	read := 0
	src := reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			for range 1_000_000 {
				read++
				if !yield(reindex.Product{ID: fmt.Sprint(read), Body: json.RawMessage(`1`)}, nil) {
					return
				}
			}
		}
	})
	b := newBench(t, src, &reindex.Config{ReportItems: 50, BatchDocs: 10}, nil)
	report, err := b.Run(t.Context(), tenant)
	if gate, ok := errors.AsType[*reindex.GateError](err); !ok || gate.Rule != reindex.RuleRejected {
		t.Errorf("error %v, want rule rejected", err)
	}
	if len(report.Rejections) != 50 || read > 1000 {
		t.Errorf("listed %d rejections, read %d products; want 50, and at most 1,000", len(report.Rejections), read)
	}
	b.assertOldLive(t)
}
