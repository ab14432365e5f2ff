package meiliindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// whileFetched calls f before each page of documents that the server shows, until the test has ended.
func whileFetched(s *meilitest.Server, f func(page int)) {
	page := 0
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if strings.HasSuffix(r.URL.Path, "/documents/fetch") {
			page++
			f(page)
		}
		return nil
	})
}

// Products that nobody changes are read back while others are added, deleted, and added again between the pages.
func TestScanWhileChanging(t *testing.T) {
	for seed := range reindextest.Seeds(8, 50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := server(t)
			ix := newIndex(t, s, nil)
			r := rand.New(rand.NewPCG(uint64(seed), 0))
			publish(t, ix, reindextest.Products(1500, "1")...)
			changed := map[string]bool{}
			whileFetched(s, func(int) {
				var changes []reindex.Change
				for range r.IntN(40) {
					id := fmt.Sprintf("p%d", r.IntN(1600))
					if again := changed[id]; !again && r.IntN(3) > 0 {
						changes = append(changes, deletion(id))
					} else {
						changes = append(changes, upsert(id, "2"))
					}
					changed[id] = true
				}
				if err := ix.Update(t.Context(), "acme", lastOfEach(changes)); err != nil {
					t.Error(err)
				}
			})
			seen := map[string]int{}
			for p, err := range ix.ScanLive(t.Context(), "acme") {
				if err != nil {
					t.Fatal(err)
				}
				seen[p.ID]++
			}
			for _, p := range reindextest.Products(1500, "1") {
				if n := seen[p.ID]; !changed[p.ID] && n != 1 {
					t.Errorf("product %s, which nobody has changed, is read %d times", p.ID, n)
				}
			}
		})
	}
}

// lastOfEach returns the last change of each id.
func lastOfEach(changes []reindex.Change) (kept []reindex.Change) {
	last := map[string]int{}
	for i, c := range changes {
		last[c.ID] = i
	}
	for i, c := range changes {
		if last[c.ID] == i {
			kept = append(kept, c)
		}
	}
	return kept
}

// scanError scans the live index to its end, and returns the error with which that ends.
func scanError(ctx context.Context, ix *Index) (err error) {
	for _, err = range ix.ScanLive(ctx, "acme") { //nolint:revive // the last one counts
	}
	return err
}

// A scan begins again, by a temporary error, if its place is lost or another index has become live.
func TestScanOfSomethingElse(t *testing.T) {
	for name, disturb := range map[string]func(t *testing.T, ix *Index){
		"replaced": func(t *testing.T, ix *Index) { publish(t, ix, reindextest.Products(400, "1")...) },
		"emptied": func(t *testing.T, ix *Index) {
			var changes []reindex.Change
			for i := range 350 {
				changes = append(changes, deletion(fmt.Sprintf("p%d", i)))
			}
			if err := ix.Update(t.Context(), "acme", changes); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t)
			ix := newIndex(t, s, nil)
			publish(t, ix, reindextest.Products(400, "1")...)
			whileFetched(s, func(page int) {
				if page == 2 {
					disturb(t, ix)
				}
			})
			if err := scanError(t.Context(), ix); !isTemporary(err) {
				t.Errorf("scan of an index that was %s: %v", name, err)
			}
			s.SetFault(nil)
			if err := scanError(t.Context(), ix); err != nil {
				t.Error(err)
			}
		})
	}
}

// A page follows the sizes of products: few large ones, many small ones.
func TestScanPages(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	products := reindextest.Products(3000, "1")
	for i := range 600 {
		products = append(products, product(fmt.Sprintf("z%d", i), `{"rev":"1","long":"`+strings.Repeat("x", 1<<16)+`"}`))
	}
	publish(t, ix, products...)
	page, sizes := 0, map[int]int{}
	whileFetched(s, func(n int) { page = n })
	n := 0
	for p, err := range ix.ScanLive(t.Context(), "acme") {
		if err != nil {
			t.Fatal(err)
		}
		n++
		sizes[page] += len(p.Body)
	}
	large := 0
	for _, size := range sizes {
		if size > 2*pageBytes {
			large++
		}
	}
	if n != 3600 || len(sizes) > 100 || large > 1 {
		t.Errorf("%d products in %d pages, %d of them too large", n, len(sizes), large)
	}
}

// Vectors that were sent are read back; those that an embedder computes, and the empty object of each document, are
// not.
func TestScanOfVectors(t *testing.T) {
	for shown, want := range map[string]string{
		``:                                      `{"a":1}`,
		`,"_vectors":{}`:                        `{"a":1}`,
		`,"_vectors":{"own":[1,2]}`:             `{"_vectors":{"own":[1,2]},"a":1}`,
		`,"_vectors":{"e":{"regenerate":true}}`: `{"a":1}`,
		`,"_vectors":{"e":{"regenerate":true},"m":{"regenerate":false}}`: `{"_vectors":{"m":{"regenerate":false}},"a":1}`,
	} {
		hit := map[string]json.RawMessage{}
		unmarshal(t, []byte(`{"reindex_key":"k","a":1`+shown+`}`), &hit)
		s := &scan{ix: newIndex(t, server(t), nil)}
		p, err := s.product("k", hit)
		if err != nil || string(p.Body) != want || p.ID != "k" {
			t.Errorf("%s becomes %s, %v, want %s", shown, p.Body, err, want)
		}
	}
}

// Two products that differ in their vectors alone are different.
func TestScanShowsVectors(t *testing.T) {
	ix := newIndex(t, server(t), nil)
	publish(t, ix, product("a", `{"_vectors":{"own":[1]}}`), product("b", `{}`))
	bodies := map[string]string{}
	for p, err := range ix.ScanLive(t.Context(), "acme") {
		if err != nil {
			t.Fatal(err)
		}
		bodies[p.ID] = string(p.Body)
	}
	if bodies["a"] != `{"_vectors":{"own":[1]}}` || bodies["b"] != `{}` {
		t.Errorf("read back: %v", bodies)
	}
}

func TestScanFaults(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	if err := scanError(t.Context(), ix); !errors.Is(err, reindex.ErrNoLiveIndex) {
		t.Errorf("scan of nothing: %v", err)
	}
	publish(t, ix, reindextest.Products(400, "1")...)
	for _, f := range []meilitest.Fault{{}, {Status: 503, Body: "busy"}, {Status: 200, Body: "<html>"}} {
		s.SetFault(on(http.MethodPost, "/documents/fetch", f))
		if err := scanError(t.Context(), ix); !isTemporary(err) {
			t.Errorf("scan with the fault %+v: %v", f, err)
		}
	}
}
