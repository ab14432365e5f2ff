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

// assertRevs checks the field rev of each live document.
func assertRevs(t *testing.T, s *meilitest.Server, ix *Index, want map[string]string) {
	t.Helper()
	found, err := revs(t.Context(), connect(t, s.URL, meilitest.MasterKey), ix, tenant)
	if err != nil || !maps.Equal(found, want) {
		t.Errorf("a search finds %v, error %v, want %v", found, err, want)
	}
}

// target is something that can be changed: the live index, or a generation, which finish makes live.
type target struct {
	name string
	open func(t *testing.T, ix *Index) (change func(context.Context, []reindex.Change) error, finish func())
}

// targets returns the targets, each with these products at first.
func targets(products []reindex.Product) []target {
	return []target{
		{"Update", func(t *testing.T, ix *Index) (func(context.Context, []reindex.Change) error, func()) {
			publish(t, ix, products...)
			return func(ctx context.Context, changes []reindex.Change) error {
				return ix.Update(ctx, tenant, changes)
			}, func() {}
		}},
		{"Edit", func(t *testing.T, ix *Index) (func(context.Context, []reindex.Change) error, func()) {
			gen := begin(t, ix)
			mustWrite(t, gen, products...)
			mustSeal(t, gen)
			return gen.Edit, func() {
				if failed, err := gen.Flush(t.Context()); err != nil || len(failed) > 0 {
					t.Errorf("flush: failed %v, error %v, want none", failed, err)
				}
				if err := gen.Commit(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}},
	}
}

// All changes of a call are sent in one task of upserts and one of deletions.
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
				t.Errorf("deletion of a product that cannot exist: %v", err)
			}
			if upserts, deletions := s.Tasks(documentTasks)-before, s.Tasks(deletionTasks); upserts != 1 || deletions != 1 {
				t.Errorf("there are %d tasks of upserts and %d of deletions, want one each", upserts, deletions)
			}
			finish()
			assertRevs(t, s, ix, want)
		})
	}
}

// The error of a call names each product that the package or the server refuses. All other changes of the call are
// applied, including a deletion in the same batch of the server.
func TestRefusedChanges(t *testing.T) {
	for body, reason := range badBodies {
		for _, target := range targets(reindextest.Products(10, "old")) {
			t.Run(target.name+" "+reason, func(t *testing.T) {
				s := server(t)
				ix := newIndex(t, s, nil)
				change, finish := target.open(t, ix)
				s.Pause()
				s.SetFault(func(r *http.Request) *meilitest.Fault { // so that both tasks share a batch
					if strings.HasPrefix(r.URL.Path, "/tasks/") {
						s.Resume()
					}
					return nil
				})
				long := strings.Repeat("x", 600)
				err := change(t.Context(), []reindex.Change{
					upsert("p1", "new"), {ID: "bad", Body: []byte(body)}, upsert("added", "new"), deletion("p2"),
					upsert(long, "new"), {ID: "own", Body: []byte(`{"reindex_key":"x"}`)},
				})
				failed, ok := errors.AsType[*reindex.BatchError](err)
				if !ok || len(failed.Items) != 3 {
					t.Fatalf("change: error %v, want a BatchError with 3 products", err)
				}
				for _, item := range failed.Items {
					if !slices.Contains([]string{"bad", long, "own"}, item.ID) || item.Retryable ||
						item.ID == "bad" && !strings.Contains(item.Err.Error(), reason) {
						t.Errorf("product %.20q is refused with the error %v, want only the bad ones refused", item.ID, item.Err)
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

// A change is sent again if somebody else cancels its task.
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

// If an answer is lost, or the server is busy, a call fails temporarily. A repeated call succeeds.
func TestRepeatedChanges(t *testing.T) {
	for _, target := range targets(reindextest.Products(3, "old")) {
		for _, request := range [][2]string{
			{http.MethodPost, "/documents"}, {http.MethodPost, "/delete-batch"}, {http.MethodGet, "/tasks/"},
		} {
			for _, fault := range []meilitest.Fault{
				{}, {After: true}, {Status: 429}, {Status: 503}, {Status: 502, After: true},
			} {
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
					// net/http itself repeats a GET request whose connection was cut.
					if err := change(t.Context(), changes); !isTemporary(err) &&
						(err != nil || fault.Status != 0 || request[0] != http.MethodGet) {
						t.Errorf("first call: error %v, want a temporary one", err)
					}
					if err := change(t.Context(), changes); err != nil {
						t.Errorf("second call: %v", err)
					}
					finish()
					assertRevs(t, s, ix, map[string]string{"p0": "old", "p1": "new"})
				})
			}
		}
	}
}

// A call is too large if its upserts or its deletions are larger than the payload limit, even if it has only one
// product. Nothing of it is sent.
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
				t.Errorf("%s: error %v, want %v", target.name, err, reindex.ErrTooLarge)
			}
		}
		large := []reindex.Change{upsert("large", strings.Repeat("x", 3000))}
		if err := change(t.Context(), large); !errors.Is(err, reindex.ErrTooLarge) {
			t.Errorf("%s: a large product: error %v, want %v", target.name, err, reindex.ErrTooLarge)
		}
		if _, after := s.Task(0); after != before {
			t.Errorf("%s: %d tasks were enqueued, want none", target.name, after-before)
		}
		finish()
	}
}

// The search for bad products, which sends written products again, does not undo edits.
func TestEditComesAfterWrites(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	gen := begin(t, ix)
	mustWrite(t, gen, reindextest.NewProduct("p", map[string]any{"rev": "old"}), product("bad", `{"_vectors":1}`))
	if err := gen.Edit(t.Context(), []reindex.Change{upsert("p", "edit"), deletion("gone")}); err != nil {
		t.Fatal(err)
	}
	if sealed := mustSeal(t, gen); sealed.Documents != 1 || len(sealed.Failed) != 1 {
		t.Errorf("sealed %+v, want 1 document and 1 failed", sealed)
	}
	mustCommit(t, gen)
	assertRevs(t, s, ix, map[string]string{"p": "edit"})
	if err := gen.Edit(t.Context(), []reindex.Change{upsert("p", "late")}); err == nil || isTemporary(err) {
		t.Errorf("edit after Commit: error %v, want a lasting one", err)
	}
}

// If the index of a generation was deleted, an edit or the commit fails, and the live index does not change.
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
			t.Errorf("edit and commit: error %v, want %v", err, reindex.ErrFenced)
		}
		if err := gen.Abort(t.Context()); err != nil {
			t.Error(err)
		}
		assertLive(t, ix, 3)
		assertIndexes(t, s, "products_acme")
	}
}
