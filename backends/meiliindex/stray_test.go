package meiliindex

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// Whenever the live index is deleted during an update, Update returns ErrNoLiveIndex and leaves no index.
func TestUpdateMakesNoIndex(t *testing.T) {
	body := []byte(`{"id":"1","rev":"new"}`)
	var many []reindex.Change
	for _, p := range reindextest.Products(100, "") {
		many = append(many, reindex.Change{ID: p.ID, Body: []byte(`{"rev":"new"}`)})
	}
	for name, test := range map[string]struct {
		cfg     *Config
		changes []reindex.Change
	}{
		"upsert":            {nil, []reindex.Change{{ID: "p1", Body: []byte(`{"rev":"new"}`)}}},
		"many upserts":      {nil, many},
		"upsert with id":    {nil, []reindex.Change{{ID: "p1", Body: body}}},
		"key attribute":     {&Config{KeyAttribute: "key_id"}, []reindex.Change{{ID: "p1", Body: []byte(`{"rev":"new"}`)}}},
		"deletion":          {nil, []reindex.Change{deletion("p1")}},
		"both":              {nil, []reindex.Change{upsert("p1", "new"), deletion("p2")}},
		"both, one with id": {nil, []reindex.Change{{ID: "p1", Body: body}, deletion("p2")}},
		"refused":           {nil, []reindex.Change{{ID: "p1", Body: []byte(`{"_vectors":1}`)}, upsert("p2", "new")}},
		"refused and with id": {nil, []reindex.Change{{ID: "p1", Body: []byte(`{"id":1,"_vectors":1}`)},
			{ID: "p2", Body: body}}},
	} {
		for _, moment := range []string{"before", "between check and task", "with the task", "after the task"} {
			t.Run(name+", "+moment, func(t *testing.T) {
				s := server(t)
				ix := newIndex(t, s, test.cfg)
				publish(t, ix, reindextest.Products(3, "old")...)
				admin := connect(t, s.URL, meilitest.MasterKey)
				drop := func() {
					if _, err := admin.DeleteIndex(ix.LiveUID(tenant)); err != nil {
						t.Error(err)
					}
				}
				_, before := s.Task(0)
				s.SetFault(dropAt(t, s, moment, drop))
				if err := ix.Update(t.Context(), tenant, test.changes); !errors.Is(err, reindex.ErrNoLiveIndex) {
					t.Errorf("update: error %v, want %v", err, reindex.ErrNoLiveIndex)
				}
				s.SetFault(nil)
				assertIndexes(t, s)
				if _, after := s.Task(0); after-before > 10 {
					t.Errorf("the update has enqueued %d tasks, want at most 10, without a search for bad products",
						after-before)
				}
			})
		}
	}
}

// dropAt returns a function for SetFault that calls drop once, at a moment of an update.
func dropAt(t *testing.T, s *meilitest.Server, moment string, drop func()) func(*http.Request) *meilitest.Fault {
	_, next := s.Task(0)
	if moment == "before" {
		drop()
		waitAll(t, s)
		return nil
	}
	if moment == "with the task" {
		s.Pause()
	}
	var dropped atomic.Bool
	return func(r *http.Request) *meilitest.Fault {
		isPost := r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/documents")
		isLook := strings.HasPrefix(r.URL.Path, "/tasks/")
		if (moment == "between check and task" && !isPost) || (moment != "between check and task" && !isLook) ||
			dropped.Swap(true) {
			return nil
		}
		if moment == "after the task" {
			if err := s.Wait(context.Background(), next, meilitest.Ended); err != nil {
				t.Error(err)
			}
		}
		drop()
		s.Resume()
		if moment == "after the task" {
			_, n := s.Task(0)
			if err := s.Wait(context.Background(), n-1, meilitest.Ended); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
}

// If an update creates an index and its answer is lost, the index does not count as live.
func TestUpdateAfterALostAnswer(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	publish(t, ix, reindextest.Products(3, "old")...)
	lost := on(http.MethodPost, "/documents", meilitest.Fault{After: true})
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		fault := lost(r)
		if fault != nil {
			if _, err := connect(t, s.URL, meilitest.MasterKey).DeleteIndex(ix.LiveUID(tenant)); err != nil {
				t.Error(err)
			}
		}
		return fault
	})
	if err := ix.Update(t.Context(), tenant, []reindex.Change{upsert("p1", "new")}); !isTemporary(err) {
		t.Errorf("the first update: error %v, want a temporary one", err)
	}
	waitAll(t, s)
	if err := ix.Update(t.Context(), tenant, []reindex.Change{upsert("p1", "new")}); !errors.Is(err, reindex.ErrDamaged) {
		t.Errorf("the second update: error %v, want %v", err, reindex.ErrDamaged)
	}
	publish(t, ix, reindextest.Products(2, "again")...)
	assertRevs(t, s, ix, map[string]string{"p0": "again", "p1": "again"})
}

// Update does not change an index of somebody else that has the uid of the live index.
func TestUpdateOfAnotherIndex(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	other := connect(t, s.URL, meilitest.MasterKey).Index(ix.LiveUID(tenant))
	key := "sku"
	if _, err := other.AddDocuments([]map[string]any{{"sku": "p1"}},
		&meilisearch.DocumentOptions{PrimaryKey: &key}); err != nil {
		t.Fatal(err)
	}
	waitAll(t, s)
	err := ix.Update(t.Context(), tenant, []reindex.Change{upsert("p1", "new"), deletion("p1")})
	if !errors.Is(err, reindex.ErrDamaged) || !strings.Contains(err.Error(), `"sku"`) {
		t.Errorf("update: error %v, want %v with the primary key", err, reindex.ErrDamaged)
	}
	waitAll(t, s)
	if n := s.Tasks(documentTasks) + s.Tasks(deletionTasks); n != 1 {
		t.Errorf("there are %d tasks, want only that of the other index", n)
	}
}

// An update fails temporarily if another process makes a generation live meanwhile. A repeated update changes the new
// index.
func TestUpdateOvertakenByASwitch(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	publish(t, ix, reindextest.Products(3, "old")...)
	gen := begin(t, newIndex(t, s, nil))
	mustWrite(t, gen, reindextest.Products(2, "new")...)
	mustSeal(t, gen)
	var committed atomic.Bool
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if strings.HasSuffix(r.URL.Path, "/documents") && !committed.Swap(true) {
			if err := gen.Commit(context.Background()); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	if err := ix.Update(t.Context(), tenant, []reindex.Change{upsert("p1", "edit")}); !isTemporary(err) {
		t.Errorf("update: error %v, want a temporary one", err)
	}
	if err := ix.Update(t.Context(), tenant, []reindex.Change{upsert("p1", "edit")}); err != nil {
		t.Error(err)
	}
	assertRevs(t, s, ix, map[string]string{"p0": "new", "p1": "edit"})
}

// An update fails temporarily if somebody deletes all documents meanwhile. A repeated update succeeds.
func TestUpdateOfAnEmptiedIndex(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	publish(t, ix, reindextest.Products(3, "old")...)
	s.Pause()
	var emptied atomic.Bool
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if strings.HasPrefix(r.URL.Path, "/tasks/") && !emptied.Swap(true) {
			if _, err := connect(t, s.URL, meilitest.MasterKey).Index(ix.LiveUID(tenant)).DeleteAllDocuments(nil); err != nil {
				t.Error(err)
			}
			s.Resume()
		}
		return nil
	})
	if err := ix.Update(t.Context(), tenant, []reindex.Change{upsert("p1", "new")}); !isTemporary(err) {
		t.Errorf("update: error %v, want a temporary one", err)
	}
	if err := ix.Update(t.Context(), tenant, []reindex.Change{upsert("p1", "new")}); err != nil {
		t.Error(err)
	}
	assertRevs(t, s, ix, map[string]string{"p1": "new"})
}
