package reindextest

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"productindex/reindex"
)

// TestGolden tests that golden queries decide whether a new index goes live, and that the message of a failure names
// the query and its result. golden returns the check of the index for a folder of queries in the format of package
// golden. ix is empty.
func TestGolden(t *testing.T, ix reindex.Indexer, golden func(files fs.FS) reindex.Check) {
	t.Helper()
	catalogue := Slice{
		NewProduct("a", map[string]any{"name": "red wool sock"}), NewProduct("b", map[string]any{"name": "blue sock"}),
	}
	run := func(queries string) error {
		files := fstest.MapFS{"acme.golden.json": {Data: []byte(`{"queries":[` + queries + `]}`)}}
		engine, err := reindex.New(catalogue, ix, &reindex.Config{Checks: []reindex.Check{golden(files)}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = engine.Run(t.Context(), "acme")
		return err
	}
	good := `{"query":"red sock","products":["a"],"top":1},{"query":"sock","atLeast":2,"within":"1m"}`
	if err := run(good); err != nil {
		t.Fatal(err)
	}
	err := run(`{"query":"sock","atLeast":3}`)
	refused, ok := errors.AsType[*reindex.CheckError](err)
	if !ok || !strings.Contains(refused.PublicMessage(), `query "sock" finds 2 products, want at least 3`) {
		t.Errorf("error %v, want a CheckError that names the query and its result", err)
	}
	counter, ok := reindex.As[reindex.DocCounter](ix)
	if !ok {
		return
	}
	if n, err := counter.DocCount(t.Context(), "acme"); n != 2 || err != nil {
		t.Errorf("%d products are live, error %v; want the 2 of the index before", n, err)
	}
}

// BenchmarkDifference measures the fraction of a run over 50,000 products that the comparison with the live index
// takes.
func BenchmarkDifference(b *testing.B, ix reindex.Indexer) {
	b.Helper()
	const n = 50_000
	catalogue := make(Slice, n)
	for i := range catalogue {
		catalogue[i] = NewProduct(fmt.Sprint("p", i), map[string]any{
			"name":  fmt.Sprintf("Product %d of series %d", i, i%97),
			"brand": fmt.Sprint("brand ", i%211), "price": float64(i%1000) + 0.99,
			"description": fmt.Sprintf("A product for those who want number %d, in colour %d and size %d, with all that "+
				"belongs to it.", i, i%13, i%7),
		})
	}
	engine, err := reindex.New(catalogue, ix, nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := engine.Run(b.Context(), "acme"); err != nil {
		b.Fatal(err)
	}
	var comparing, whole time.Duration
	for b.Loop() {
		report, err := engine.RunWith(b.Context(), "acme", reindex.Options{Difference: true})
		if err != nil {
			b.Fatal(err)
		}
		if d := report.Difference; d.Unchanged != n {
			b.Fatalf("difference %+v, want %d unchanged", d, n)
		}
		comparing, whole = comparing+report.Durations.Check, whole+report.Durations.Total
	}
	b.ReportMetric(float64(comparing)/float64(whole), "of-the-run")
}
