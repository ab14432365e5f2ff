package emporix_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/source/emporix"
)

// A product without an id is rejected once, with its place, even if two overlapping pages have it. The read goes on.
// An overlap that consists of such a product alone is not seen: the test has none at product 30, which begins a page.
func TestBadProducts(t *testing.T) {
	for _, cursors := range []bool{false, true} {
		for n := 1; n < 100; n++ {
			all := products(n)
			s := newServer(t, all)
			s.Cursors = cursors
			bad := map[int]bool{0: true, 13: true, 14: true, 40: true, n - 1: n != 30}
			want := 0
			for i := range all {
				if bad[i] {
					s.products[i].Body = []byte(`{"code":"no id"}`) // the server still sorts it by its id
					want++
				}
			}
			var ids []string
			for p, err := range open(t, s.source(t)).Products(t.Context()) {
				if record, ok := errors.AsType[*reindex.RecordError](err); ok && strings.Contains(record.Where, "product ") {
					want--
					continue
				}
				if err != nil {
					t.Fatalf("cursors %v, %d products: got error %v, want only rejections", cursors, n, err)
				}
				ids = append(ids, p.ID)
			}
			if want != 0 {
				t.Fatalf("cursors %v, %d products: %d rejections are missing, want none", cursors, n, want)
			}
			var good []reindex.Product
			for i, p := range all {
				if !bad[i] {
					good = append(good, p)
				}
			}
			if checkComplete(t, ids, good); len(ids) != len(good) {
				t.Fatalf("cursors %v, %d products: got %d, want %d", cursors, n, len(ids), len(good))
			}
			s.Close()
		}
	}
}

// withOddIDs returns a server of 300 products, and of two whose ids the query language cannot express.
func withOddIDs(t *testing.T) *server {
	t.Helper()
	return newServer(
		t,
		append(
			products(300),
			reindextest.NewProduct("a b", map[string]any{}),
			reindextest.NewProduct("a/b", map[string]any{}),
		),
	)
}

// Find requests many products at a time.
func TestFind(t *testing.T) {
	s := withOddIDs(t)
	var ids []string
	for i := range 200 {
		ids = append(ids, fmt.Sprintf("p%05d", i*5)) // every other one is there
	}
	n := 0
	for p, err := range s.source(t).Find(t.Context(), tenant, append(ids, "a b", "a/b", "a,b", "")...) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n > 100 && p.ID != "a b" && p.ID != "a/b" {
			t.Errorf("found product %q, want only those of the service", p.ID)
		}
	}
	if n != 102 || s.requests != 4+3 {
		t.Errorf("found %d products in %d requests, want 102 in 7", n, s.requests)
	}
}

// A product counts as deleted only if the service says so. Other answers are errors.
func TestFindFails(t *testing.T) {
	s := withOddIDs(t)
	for name, test := range map[string]struct {
		before func(int, http.ResponseWriter, *http.Request) bool
		params url.Values
		tenant string
		ids    []string
		want   string
	}{
		"ignored": {
			ids: []string{"p00010"}, before: answer(0, 1, 200, http.Header{"X-Total-Count": {"1"}}, `[{"id":"p00000"}]`),
			want: "not requested",
		},
		"cut": {
			ids:    []string{"p00000", "p00010"},
			before: answer(0, 1, 200, http.Header{"X-Total-Count": {"2"}}, `[{"id":"p00000"}]`), want: "has 2 products",
		},
		"another":        {ids: []string{"a b"}, before: answer(1, 1, 200, nil, `{"id":"b"}`), want: `returned product "b"`},
		"filter":         {ids: []string{"a b"}, params: url.Values{"q": {"published:true"}}, want: "filter"},
		"unknown":        {tenant: "other", ids: []string{"p00000"}, want: "unknown tenant"},
		"unknown, alone": {tenant: "other", ids: []string{"a b"}, want: "unknown tenant"},
		"failing":        {ids: []string{"a b"}, before: answer(1, -1, 500, nil, ""), want: "HTTP status 500"},
	} {
		s.requests, s.Before = 0, test.before
		cfg := s.config()
		cfg.Params = test.params
		cfg.Retry.Attempts = 2
		src, err := emporix.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var failed error
		for p, err := range src.Find(t.Context(), cmp.Or(test.tenant, tenant), test.ids...) {
			if failed = err; err == nil {
				t.Errorf("%s: found product %q, want none", name, p.ID)
			}
		}
		if failed == nil || !strings.Contains(failed.Error(), test.want) {
			t.Errorf("%s: got error %v, want one with %q", name, failed, test.want)
		}
	}
}

// A filter of the Config also applies to Find.
func TestFindWithFilter(t *testing.T) {
	s := newServer(t, products(1))
	var got string
	s.Before = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		got = r.FormValue("q")
		return false
	}
	cfg := s.config()
	cfg.Params = url.Values{"q": {"published:true"}}
	src, err := emporix.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range src.Find(t.Context(), tenant, "a", "b") {
	}
	if got != "published:true id:(a,b)" {
		t.Errorf("the query is %q, want published:true id:(a,b)", got)
	}
}
