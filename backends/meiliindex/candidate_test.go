package meiliindex

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/golden"
	"productindex/reindex/reindextest"
)

// A golden query decides whether a new index goes live, and the message says what it found.
func TestGolden(t *testing.T) {
	s := server(t)
	ix, err := New(connect(t, s.URL, meilitest.MasterKey), withFastPolls(&Config{}))
	if err != nil {
		t.Fatal(err)
	}
	catalogue := []reindex.Product{
		reindextest.NewProduct("a", map[string]any{"name": "red wool sock"}),
		reindextest.NewProduct("b", map[string]any{"name": "blue sock"}),
	}
	reindexWith := func(queries string) error {
		files := fstest.MapFS{"acme.golden.json": {Data: []byte(`{"queries":[` + queries + `]}`)}}
		engine, err := reindex.New(reindextest.Slice(catalogue), ix,
			&reindex.Config{Checks: []reindex.Check{Golden(golden.Dir(files))}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = engine.Run(t.Context(), "acme")
		return err
	}
	if err := reindexWith(`{"query":"red sock","products":["a"],"top":1},{"query":"sock","atLeast":2,"within":"1m"}`); err != nil {
		t.Fatal(err)
	}
	err = reindexWith(`{"query":"sock","atLeast":3}`)
	if refused, ok := errors.AsType[*reindex.CheckError](err); !ok ||
		!strings.Contains(refused.PublicMessage(), `query "sock" finds 2 products, want at least 3`) {
		t.Errorf("error %v", err)
	}
	if n, err := ix.DocCount(t.Context(), "acme"); n != 2 || err != nil {
		t.Errorf("%d products are live, %v", n, err)
	}
}
