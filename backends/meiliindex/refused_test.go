package meiliindex

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

const documentTasks = "documentAdditionOrUpdate"

// badBodies are bodies that a real server accepts, and then refuses in the task, each with a part of the reason.
var badBodies = map[string]string{
	`{"_vectors":"nope"}`:     "expected a map",
	`{"_vectors":null}`:       "expected a map",
	`{"v":1e999}`:             "number out of range",
	`{"v":"\ud800"}`:          "hex escape",
	`{"v":` + nest(128) + `}`: "recursion limit",
}

func nest(depth int) string { return strings.Repeat("[", depth) + "1" + strings.Repeat("]", depth) }

func product(id, body string) reindex.Product { return reindex.Product{ID: id, Body: []byte(body)} }

// Of 10,000 products, 7 bad ones are rejected with the reason of the server, and all others are indexed. Each bad one
// costs at most 20 more tasks.
func TestBadProductsAreFound(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	products := reindextest.Products(10_000, "1")
	want := map[string]string{}
	for i := range 7 {
		body := slices.Sorted(maps.Keys(badBodies))[i%len(badBodies)]
		p := product(products[i*1400+700].ID, body)
		products[i*1400+700] = p
		want[p.ID] = badBodies[body]
	}
	engine, err := reindex.New(reindextest.Slice(products), ix, &reindex.Config{MaxRejected: 7})
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if report.Indexed != 9_993 || report.Rejected != 7 {
		t.Errorf("indexed %d, rejected %d, want 9993 and 7", report.Indexed, report.Rejected)
	}
	for _, r := range report.Rejections {
		if reason, ok := want[r.ID]; !ok || !strings.Contains(r.Reason, reason) || strings.Contains(r.Reason, "acme") {
			t.Errorf("rejected %q with the reason %q, want %q", r.ID, r.Reason, reason)
		}
		delete(want, r.ID)
	}
	if len(want) > 0 {
		t.Errorf("the bad products %v are not rejected", want)
	}
	extra := s.Tasks(documentTasks) - 1
	t.Logf("%d more tasks", extra)
	if extra > 7*20 {
		t.Errorf("%d more tasks, want at most %d", extra, 7*20)
	}
	assertLive(t, ix, 9_993)
}

// A bad product does not make the other tasks of its batch fail for good.
func TestSharedBatch(t *testing.T) {
	for body, reason := range badBodies {
		t.Run(reason, func(t *testing.T) {
			s := server(t)
			ix := newIndex(t, s, &Config{MaxTasks: 3})
			gen := begin(t, ix)
			s.Pause()
			mustWrite(t, gen, reindextest.Products(3, "1")...)
			mustWrite(t, gen, product("bad", body), product("good", `{}`))
			mustWrite(t, gen, product("later", `{}`))
			s.Resume()
			sealed := mustSeal(t, gen)
			if sealed.Documents != 5 {
				t.Errorf("%d documents, want 5", sealed.Documents)
			}
			if len(sealed.Failed) != 1 || sealed.Failed[0].ID != "bad" ||
				!strings.Contains(sealed.Failed[0].Err.Error(), reason) {
				t.Errorf("failed: %v, want only bad with the reason %q", sealed.Failed, reason)
			}
		})
	}
}

// Many bad products are found, although at most two tasks may wait.
func TestManyBadProducts(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, &Config{MaxTasks: 2})
	gen := begin(t, ix)
	for i := range 10 {
		mustWrite(t, gen, product(fmt.Sprintf("a%d", i), `{"_vectors":1}`), product(fmt.Sprintf("b%d", i), `{"_vectors":2}`),
			product(fmt.Sprintf("c%d", i), `{}`))
	}
	sealed := mustSeal(t, gen)
	if sealed.Documents != 10 || len(sealed.Failed) != 20 {
		t.Errorf("%d documents and %d failed ones, want 10 and 20", sealed.Documents, len(sealed.Failed))
	}
}

// The last body of a product counts, even if an earlier one is sent again because of a bad product.
func TestLaterBodyCounts(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	gen := begin(t, ix)
	s.Pause()
	mustWrite(t, gen, reindextest.NewProduct("p", map[string]any{"rev": "old"}), product("bad", `{"_vectors":1}`))
	s.Resume()
	waitAll(t, s)
	mustWrite(t, gen, reindextest.NewProduct("p", map[string]any{"rev": "new"}))
	sealed := mustSeal(t, gen)
	if sealed.Documents != 1 || len(sealed.Failed) != 1 {
		t.Errorf("sealed %+v, want 1 document and 1 failed", sealed)
	}
	mustCommit(t, gen)
	if found, err := revs(t.Context(), connect(t, s.URL, meilitest.MasterKey), ix, "acme"); err != nil ||
		found["p"] != "new" {
		t.Errorf("found %v, error %v, want p with rev new", found, err)
	}
}

// The search for bad products goes on after lost answers.
func TestIsolationSurvivesLostAnswers(t *testing.T) {
	s := server(t)
	var posts atomic.Int64
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/documents") {
			if n := posts.Add(1); n > 1 && n%3 == 0 {
				return &meilitest.Fault{After: n%2 == 0}
			}
		}
		return nil
	})
	ix := newIndex(t, s, nil)
	gen := begin(t, ix)
	products := reindextest.Products(64, "1")
	products[40] = product(products[40].ID, `{"_vectors":1}`)
	products[41] = product(products[41].ID, `{"_vectors":2}`)
	mustWrite(t, gen, products...)
	for tries := 0; ; tries++ {
		sealed, err := seal(t.Context(), gen)
		if isTemporary(err) && tries < 50 {
			continue
		}
		if err != nil || sealed.Documents != 62 || len(sealed.Failed) != 2 {
			t.Errorf("sealed %+v, error %v, want 62 documents and 2 failed", sealed, err)
		}
		return
	}
}

// If the server refuses many products in a row, the run fails, and no more products are tried.
func TestRefusesEverything(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	ix.maxInARow = 10
	gen := begin(t, ix)
	s.SetTaskFault(func(kind, _ string) *meilitest.TaskError {
		if kind != documentTasks {
			return nil
		}
		return &meilitest.TaskError{Message: "Index `x`: broken.", Code: "internal", Type: "internal"}
	})
	mustWrite(t, gen, reindextest.Products(100, "1")...)
	if _, err := gen.Seal(t.Context()); err == nil || !strings.Contains(err.Error(), "broken") || isTemporary(err) {
		t.Errorf("seal: error %v, want a lasting one with %q", err, "broken")
	}
}

// Ids that differ only in case, accents or separators stay different. Products with ids that are too long are rejected.
func TestIDs(t *testing.T) {
	ids := []string{
		"a.b", "a/b", "a b", "ab", "AB", "aB", "ä", "a\u0308", "日本語", " a", "a ", "_a", "-a", "_YS5i", "YS5i",
		"1", "01", "1.0", strings.Repeat("x", 511), strings.Repeat("X", 511), strings.Repeat("é", 191),
	}
	long := []string{strings.Repeat("x", 600), strings.Repeat("é", 300)}
	s := server(t)
	ix := newIndex(t, s, nil)
	var products []reindex.Product
	want := map[string]string{}
	for i, id := range append(slices.Clone(ids), long...) {
		products = append(products, reindextest.NewProduct(id, map[string]any{"rev": fmt.Sprint(i)}))
		want[id] = fmt.Sprint(i)
	}
	engine, err := reindex.New(reindextest.Slice(products), ix, &reindex.Config{MaxRejected: -1})
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range report.Rejections {
		if r.ID != long[i] || !strings.Contains(r.Reason, "600 bytes") {
			t.Errorf("rejected %.20q with the reason %q, want %.20q for its 600 bytes", r.ID, r.Reason, long[i])
		}
		delete(want, r.ID)
	}
	found, err := revs(t.Context(), connect(t, s.URL, meilitest.MasterKey), ix, "acme")
	if err != nil || len(found) != len(ids) || len(want) != len(ids) {
		t.Errorf("found %d products, error %v, want %d", len(found), err, len(ids))
	}
	for id, rev := range want {
		if found[id] != rev {
			t.Errorf("product %q has rev %q, want %q", id, found[id], rev)
		}
	}
}

// A product that has the key attribute itself is rejected.
func TestKeyAttributeOfItsOwn(t *testing.T) {
	s := server(t)
	gen := begin(t, newIndex(t, s, nil))
	err := gen.Write(t.Context(), []reindex.Product{
		product("own", `{"a":{},"reindex_key":"other"}`),
		product("inner", `{"a":{"reindex_key":1},"b":"reindex_key"}`),
		product("empty", `{ }`),
		product("spelled", `{"reindex\u005fkey":"other"}`),
	})
	failed, ok := errors.AsType[*reindex.BatchError](err)
	if !ok || len(failed.Items) != 1 || failed.Items[0].ID != "own" || failed.Items[0].Retryable {
		t.Fatalf("write: error %v, want a BatchError with only the product own", err)
	}
	if sealed := mustSeal(t, gen); sealed.Documents != 3 {
		t.Errorf("%d documents, want 3", sealed.Documents)
	}
}
