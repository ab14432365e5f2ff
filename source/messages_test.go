package source_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/source"
	"productindex/source/internal/public"
)

// Every source made from another passes on the public text of an error, with places. The text of an error of a host's
// function is public only if the host says so with reindex.Public.
func TestPublicMessages(t *testing.T) {
	s := shop(reindextest.Products(3, "1"))
	cut := reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			yield(reindex.Product{}, reindex.Public(errors.New("csv: hunter2"), "acme.csv, line 17: cut off"))
		}
	})
	fails := func(context.Context, string, reindex.Product) (reindex.Product, error) {
		return reindex.Product{}, errors.New("dial db.internal: hunter2")
	}
	says := func(context.Context, string, reindex.Product) (reindex.Product, error) {
		return reindex.Product{}, reindex.Public(errors.New("hunter2"), "no price")
	}
	for name, test := range map[string]struct {
		src  reindex.Source
		want string
	}{
		"Map":       {source.Map(cut, same), "acme.csv, line 17: cut off"},
		"Map fails": {source.Map(s, fails), ""},
		"Map says":  {source.Map(s, says), `product "` + s[0].ID + `": no price`},
		"Concat":    {source.Concat(s, cut), "source 2: acme.csv, line 17: cut off"},
		"Concat in Concat": {
			source.Map(source.Concat(source.Concat(cut)), same), "source 1: source 1: acme.csv, line 17: cut off",
		},
		"Concat fails": {source.Concat(source.Map(s, fails)), ""},
		"Select": {
			must(t)(source.Select(s, "prise", "a.b")),
			`none of the selected fields, ["prise" "a.b"], is in any of 3 products: each would be indexed as {}`,
		},
	} {
		var failed error
		for _, err := range open(t, test.src).Products(t.Context()) {
			failed = errors.Join(failed, err)
		}
		text, ok := public.Text(failed)
		if failed == nil || text != test.want || ok != (test.want != "") || strings.Contains(text, "hunter2") {
			t.Errorf("%s: callers see %q of %v, want %q", name, text, failed, test.want)
		}
	}
}
