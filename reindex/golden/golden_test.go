package golden

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func TestParse(t *testing.T) {
	queries, err := Parse(
		[]byte(`{"queries":[{"query":"red socks","atLeast":12},{"query":"x","products":["4711"],"top":3,"within":"150ms"}]}`),
	)
	if err != nil || len(queries) != 2 || queries[0].AtLeast != 12 || queries[1].Top != 3 ||
		queries[1].Within != 150*time.Millisecond {
		t.Errorf("got %+v, error %v, want the two queries", queries, err)
	}
	for _, bad := range []string{
		``, `[]`, `{"queries":[{"query":"x"}]}`, `{"queries":[{"query":"x","atleast2":1}]}`,
		`{"queries":[{"query":"x","atLeast":-1}]}`,
		`{"queries":[{"query":"x","within":"fast"}]}`, `{"queries":[{"query":"x","within":"-1s"}]}`,
		`{"queries":[{"query":"x","atLeast":1,"top":1001}]}`,
		`{"queries":[{"query":"x","products":[""]}]}`, `{"queries":[]} {}`,
	} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("Parse accepts %s", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"queries":[{"query":"x","products":["4711"],"top":3,"within":"150ms"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		queries, err := Parse(data)
		for _, q := range queries {
			if err != nil || q.validate() != nil {
				t.Errorf("Parse returns the query %+v, which is not valid, and the error %v", q, err)
			}
		}
	})
}

func TestCheck(t *testing.T) {
	const slow = 200 * time.Millisecond
	for _, test := range []struct{ name, queries, want string }{
		{"holds", `{"query":"sock","atLeast":3,"products":["b"],"top":2,"within":"300ms"}`, ""},
		{"too few", `{"query":"sock","atLeast":4}`, `query "sock" finds 3 products, want at least 4`},
		{"only one", `{"query":"one","atLeast":2}`, `query "one" finds 1 product, want at least 2`},
		{
			"too late", `{"query":"sock","products":["c"],"top":2}`,
			`query "sock" does not have product "c" among the first 2 of 3`,
		},
		{"too slow", `{"query":"sock","within":"100ms"}`, `query "sock" takes 200ms, want at most 100ms`},
		{
			"all are named", `{"query":"sock","atLeast":4},{"query":"shoe","atLeast":9}`,
			`want at least 4; query "shoe" finds 3 products, want at least 9`,
		},
		{"no answer", `{"query":"broken","atLeast":1}`, `query "broken" could not be run`},
		{"no JSON", `nonsense`, "not JSON of the expected form"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				files := fstest.MapFS{"acme.golden.json": {Data: []byte(`{"queries":[` + test.queries + `]}`)}}
				check := Check(Dir(files), func(ctx context.Context, _ reindex.Candidate, query string, top int) (Found, error) {
					if query == "broken" {
						return Found{}, errors.New("dial tcp search-7.internal:9200: refused")
					}
					select {
					case <-time.After(slow):
					case <-ctx.Done():
					}
					if query == "one" {
						return Found{1, []string{"a"}}, nil
					}
					return Found{3, slices.Clone([]string{"a", "b", "c"}[:min(3, top)])}, ctx.Err()
				})
				engine, err := reindex.New(reindextest.Slice(reindextest.Products(3, "1")), reindextest.NewMemory(),
					&reindex.Config{Checks: []reindex.Check{check}})
				if err != nil {
					t.Fatal(err)
				}
				job, _, err := engine.Start(t.Context(), "acme")
				if err != nil {
					t.Fatal(err)
				}
				for j := range engine.Watch(t.Context(), "acme", job.ID) {
					job = j
				}
				if (test.want == "") != (job.Status == reindex.StatusSuccess) || !strings.Contains(job.Message, test.want) ||
					strings.Contains(job.Message, "internal") {
					t.Errorf("the job is %s (%s), want %q", job.Status, job.Message, test.want)
				}
			})
		})
	}
}

func TestTenantsWithoutQueries(t *testing.T) {
	load := Dir(fstest.MapFS{"acme.golden.json": {Data: []byte("{}")}})
	for _, tenant := range []string{"globex", "../acme", "a/b", `a\b`, ".."} {
		if queries, err := load(tenant); len(queries) > 0 || err != nil {
			t.Errorf("tenant %q: got the queries %v, error %v, want none", tenant, queries, err)
		}
	}
}
