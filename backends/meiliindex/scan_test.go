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

// whileFetched calls f before the server answers a request for a page of documents, with the number of the page.
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

// A scan yields each unchanged product once, although others are added, deleted and added again between the pages.
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
					t.Errorf("the unchanged product %s is yielded %d times, want once", p.ID, n)
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

// scanError scans the live index to its end, and returns the last error.
func scanError(ctx context.Context, ix *Index) (err error) {
	for _, err = range ix.ScanLive(ctx, "acme") { //nolint:revive // the last one counts
	}
	return err
}

// A scan ends with a temporary error if it has lost its place, or if another index has become live.
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
				t.Errorf("scan of an index that is %s: error %v, want a temporary one", name, err)
			}
			s.SetFault(nil)
			if err := scanError(t.Context(), ix); err != nil {
				t.Error(err)
			}
		})
	}
}

// A page has few large products, or many small ones.
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
		t.Errorf("%d products in %d pages, %d of them too large; want 3600, at most 100, and at most 1",
			n, len(sizes), large)
	}
}

// A scan yields the vectors that were sent, but not those of an embedder, nor the empty object that each document has.
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
			t.Errorf("a document with %s is yielded as %s, error %v, want %s", shown, p.Body, err, want)
		}
	}
}

// Products that differ only in their vectors have different bodies.
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
		t.Errorf("the bodies are %v, want those that were sent", bodies)
	}
}

func TestScanFaults(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	if err := scanError(t.Context(), ix); !errors.Is(err, reindex.ErrNoLiveIndex) {
		t.Errorf("scan without a live index: error %v, want %v", err, reindex.ErrNoLiveIndex)
	}
	publish(t, ix, reindextest.Products(400, "1")...)
	for _, f := range []meilitest.Fault{{}, {Status: 503, Body: "busy"}, {Status: 200, Body: "<html>"}} {
		s.SetFault(on(http.MethodPost, "/documents/fetch", f))
		if err := scanError(t.Context(), ix); !isTemporary(err) {
			t.Errorf("scan with the fault %+v: error %v, want a temporary one", f, err)
		}
	}
}
