package golden_test

import (
	"context"
	"errors"
	"fmt"
	"testing/fstest"

	"productindex/reindex"
	"productindex/reindex/golden"
	"productindex/reindex/reindextest"
)

// If a golden query finds too few products, the old index stays live. This example has a search function of its own. A
// program uses bleveindex.Golden, esindex.Golden or meiliindex.Golden instead.
func ExampleCheck() {
	queries := fstest.MapFS{"acme.golden.json": {Data: []byte(`{"queries": [{"query": "red socks", "atLeast": 12}]}`)}}
	search := func(context.Context, reindex.Candidate, string, int) (golden.Found, error) {
		return golden.Found{Total: 3, IDs: []string{"a", "b", "c"}}, nil
	}
	engine, err := reindex.New(
		reindextest.Slice(reindextest.Products(20, "1")), reindextest.NewMemory(),
		&reindex.Config{Checks: []reindex.Check{golden.Check(golden.Dir(queries), search)}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = engine.Run(context.Background(), "acme")
	if refused, ok := errors.AsType[*reindex.CheckError](err); ok {
		fmt.Println(refused)
	}
	// Output: not published, check "golden queries": golden: query "red socks" finds 3 products, want at least 12
}
