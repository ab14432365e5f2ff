package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

const (
	deletionTasks = "documentDeletion"
	tenant        = "acme"
)

func upsert(id, rev string) reindex.Change {
	return reindex.Change{ID: id, Body: reindextest.NewProduct(id, map[string]any{"rev": rev}).Body}
}

func deletion(id string) reindex.Change { return reindex.Change{ID: id, Delete: true} }

// assertRevs checks the field rev of all live documents.
func assertRevs(t *testing.T, s *meilitest.Server, ix *Index, want map[string]string) {
	t.Helper()
	found, err := revs(t.Context(), connect(t, s.URL, meilitest.MasterKey), ix, tenant)
	if err != nil || !maps.Equal(found, want) {
		t.Errorf("found %v, %v, want %v", found, err, want)
	}
}

// target is what takes changes: the live index, or a generation, which then goes live.
type target struct {
	name string
	open func(t *testing.T, ix *Index) (change func(context.Context, []reindex.Change) error, finish func())
}

// targets start with the same products.
func targets(products []reindex.Product) []target {
	return []target{
		{"Update", func(t *testing.T, ix *Index) (func(context.Context, []reindex.Change) error, func()) {
			publish(t, ix, products...)
			return func(ctx context.Context, changes []reindex.Change) error {
				return ix.Update(ctx, tenant,
					changes)
			}, func() {}
		}},
		{"Edit", func(t *testing.T, ix *Index) (func(context.Context, []reindex.Change) error, func()) {
			gen := begin(t, ix)
			mustWrite(t, gen, products...)
			mustSeal(t, gen)
			return gen.Edit, func() {
				if failed, err := gen.Flush(t.Context()); err != nil || len(failed) > 0 {
					t.Errorf("flush: %v, %v", failed, err)
				}
				if err := gen.Commit(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}},
	}
}

// However many changes there are in a call, they are one task of upserts and one of deletions.
func TestChangesAreTwoTasks(t *testing.T) {
	for _, target := range targets(reindextest.Products(500, "old")) {
		t.Run(target.name, func(t *testing.T) {
			s := server(t)
			ix := newIndex(t, s, nil)
			change, finish := target.open(t, ix)
			before := s.Tasks(documentTasks)
			var changes []reindex.Change
			want := map[string]string{}
			for i, p := range reindextest.Products(500, "") {
				if i%2 == 0 {
					changes = append(changes, upsert(p.ID, "new"))
					want[p.ID] = "new"
				} else {
					changes = append(changes, deletion(p.ID))
				}
			}
			if err := change(t.Context(), changes); err != nil {
				t.Fatal(err)
			}
			if err := change(t.Context(), nil); err != nil {
				t.Errorf("no changes: %v", err)
			}
			if err := change(t.Context(), []reindex.Change{deletion(strings.Repeat("x", 600))}); err != nil {
				t.Errorf("a deletion of what cannot be there: %v", err)
			}
			if upserts, deletions := s.Tasks(documentTasks)-before, s.Tasks(deletionTasks); upserts != 1 || deletions != 1 {
				t.Errorf("%d tasks of upserts, %d of deletions", upserts, deletions)
			}
			finish()
			assertRevs(t, s, ix, want)
		})
	}
}

// A product that is refused, by the package or by the server, is reported at once, and nothing else is lost: not a
// deletion that shared its batch, nor a change before it.
func TestRefusedChanges(t *testing.T) {
	for body, reason := range badBodies {
		for _, target := range targets(reindextest.Products(10, "old")) {
			t.Run(target.name+" "+reason, func(t *testing.T) {
				s := server(t)
				ix := newIndex(t, s, nil)
				change, finish := target.open(t, ix)
				s.Pause()
				s.SetFault(func(r *http.Request) *meilitest.Fault { // both tasks are there, and share a batch
					if strings.HasPrefix(r.URL.Path, "/tasks/") {
						s.Resume()
					}
					return nil
				})
				long := strings.Repeat("x", 600)
				err := change(t.Context(), []reindex.Change{
					upsert("p1", "new"), {ID: "bad", Body: []byte(body)}, upsert("added", "new"), deletion("p2"), upsert(long, "new"),
					{ID: "own", Body: []byte(`{"reindex_key":"x"}`)},
				})
				failed, ok := errors.AsType[*reindex.BatchError](err)
				if !ok || len(failed.Items) != 3 {
					t.Fatalf("error %v", err)
				}
				for _, item := range failed.Items {
					if !slices.Contains([]string{"bad", long, "own"}, item.ID) || item.Retryable ||
						item.ID == "bad" && !strings.Contains(item.Err.Error(), reason) {
						t.Errorf("refused %.20q: %v", item.ID, item.Err)
					}
				}
				finish()
				want := map[string]string{"added": "new"}
				for _, p := range reindextest.Products(10, "") {
					want[p.ID] = "old"
				}
				want["p1"] = "new"
				delete(want, "p2")
				assertRevs(t, s, ix, want)
			})
		}
	}
}

// A deletion that somebody else cancels is made good, as are upserts.
func TestCanceledChanges(t *testing.T) {
	for _, target := range targets(reindextest.Products(3, "old")) {
		for _, c := range []reindex.Change{upsert("p1", "new"), deletion("p1")} {
			s := server(t)
			ix := newIndex(t, s, nil)
			change, finish := target.open(t, ix)
			_, next := s.Task(0)
			s.Hold(next)
			admin := connect(t, s.URL, meilitest.MasterKey)
			var canceled atomic.Bool
			s.SetFault(func(r *http.Request) *meilitest.Fault {
				if r.URL.Path == fmt.Sprintf("/tasks/%d", next) && !canceled.Swap(true) {
					if _, err := admin.CancelTasks(&meilisearch.CancelTasksQuery{UIDS: []int64{int64(next)}}); err != nil {
						t.Error(err)
					}
				}
				return nil
			})
			if err := change(t.Context(), []reindex.Change{c}); err != nil {
				t.Errorf("%s: %v", target.name, err)
			}
			finish()
			want := map[string]string{"p0": "old", "p1": "new", "p2": "old"}
			if c.Delete {
				delete(want, "p1")
			}
			assertRevs(t, s, ix, want)
		}
	}
}

// A call whose answer is lost, or that finds the server busy, can be made again, and then does what it should have.
func TestRepeatedChanges(t *testing.T) {
	for _, target := range targets(reindextest.Products(3, "old")) {
		for _, request := range [][2]string{{http.MethodPost, "/documents"}, {http.MethodPost, "/delete-batch"},
			{http.MethodGet, "/tasks/"}} {
			for _, fault := range []meilitest.Fault{{}, {After: true}, {Status: 429}, {Status: 503},
				{Status: 502, After: true}} {
				t.Run(fmt.Sprint(target.name, request[1], fault), func(t *testing.T) {
					s := server(t)
					ix := newIndex(t, s, nil)
					change, finish := target.open(t, ix)
					var done atomic.Bool
					s.SetFault(func(r *http.Request) *meilitest.Fault {
						if r.Method != request[0] || !strings.Contains(r.URL.Path, request[1]) || done.Swap(true) {
							return nil
						}
						return &fault
					})
					changes := []reindex.Change{upsert("p1", "new"), deletion("p2")}
					// The transport itself repeats a look whose connection was cut.
					if err := change(t.Context(), changes); !isTemporary(err) &&
						(err != nil || fault.Status != 0 || request[0] != http.MethodGet) {
						t.Errorf("error %v", err)
					}
					if err := change(t.Context(), changes); err != nil {
						t.Error(err)
					}
					finish()
					assertRevs(t, s, ix, map[string]string{"p0": "old", "p1": "new"})
				})
			}
		}
	}
}

// A call whose upserts or deletions the server would not take at once is to be split, and one too large for anything is
// tried.
func TestChangesThatAreTooLarge(t *testing.T) {
	for _, target := range targets(reindextest.Products(10, "old")) {
		s := server(t)
		s.PayloadLimit = 2000
		ix := newIndex(t, s, &Config{PayloadLimit: 2000, BatchBytes: 1000})
		change, finish := target.open(t, ix)
		_, before := s.Task(0)
		var deletions, upserts []reindex.Change
		for i := range 50 {
			deletions = append(deletions, deletion(strings.Repeat("x", 100)+fmt.Sprint(i)))
			upserts = append(upserts, upsert(fmt.Sprint("p", i), strings.Repeat("x", 100)))
		}
		for _, changes := range [][]reindex.Change{upserts, deletions, append(upserts[:1:1], deletions...)} {
			if err := change(t.Context(), changes); !errors.Is(err, reindex.ErrTooLarge) {
				t.Errorf("%s: error %v", target.name, err)
			}
		}
		if err := change(t.Context(), []reindex.Change{upsert("large", strings.Repeat("x", 3000))}); !errors.Is(err,
			reindex.ErrTooLarge) {
			t.Errorf("%s: a large product: %v", target.name, err)
		}
		if _, after := s.Task(0); after != before {
			t.Errorf("%s: %d tasks", target.name, after-before)
		}
		finish()
	}
}

// The search for bad ones among products that were written does not come after their edits.
func TestEditComesAfterWrites(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	gen := begin(t, ix)
	mustWrite(t, gen, reindextest.NewProduct("p", map[string]any{"rev": "old"}), product("bad", `{"_vectors":1}`))
	if err := gen.Edit(t.Context(), []reindex.Change{upsert("p", "edit"), deletion("gone")}); err != nil {
		t.Fatal(err)
	}
	if sealed := mustSeal(t, gen); sealed.Documents != 1 || len(sealed.Failed) != 1 {
		t.Errorf("sealed %+v", sealed)
	}
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertRevs(t, s, ix, map[string]string{"p": "edit"})
	if err := gen.Edit(t.Context(), []reindex.Change{upsert("p", "late")}); err == nil || isTemporary(err) {
		t.Errorf("edit after commit: %v", err)
	}
}

// A generation whose index was deleted takes no edits of which something would be live.
func TestEditOfADeletedGeneration(t *testing.T) {
	for _, c := range []reindex.Change{upsert("p1", "edit"), deletion("p1")} {
		s := server(t)
		ix := newIndex(t, s, nil)
		publish(t, ix, reindextest.Products(3, "old")...)
		gen, err := ix.Begin(reindex.WithFence(t.Context(), 1), tenant)
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, gen, reindextest.Products(3, "new")...)
		mustSeal(t, gen)
		if _, err := connect(t, s.URL, meilitest.MasterKey).DeleteIndex(gen.(*generation).uid); err != nil {
			t.Fatal(err)
		}
		waitAll(t, s)
		err = gen.(*generation).Edit(t.Context(), []reindex.Change{c})
		if err == nil {
			err = gen.Commit(t.Context())
		}
		if !errors.Is(err, reindex.ErrFenced) || isTemporary(err) {
			t.Errorf("error %v", err)
		}
		if err := gen.Abort(t.Context()); err != nil {
			t.Error(err)
		}
		assertLive(t, ix, 3)
		assertIndexes(t, s, "products_acme")
	}
}
