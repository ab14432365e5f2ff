package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// faultSeeds is how many random sequences of faults the requests go through.

const faultSeeds = 200

// Whatever goes wrong on the way to the server: after a run that succeeded the new products are live, all but the bad ones, and after

// one that failed either the old ones or all of the new ones.

func TestFaults(t *testing.T) {
	s := meilitest.New()
	t.Cleanup(s.Close)
	client := connect(t, s.URL, meilitest.MasterKey)
	ix, err := New(client, withFastPolls(&Config{MaxTasks: 3}))
	if err != nil {
		t.Fatal(err)
	}
	live := map[string]string{}
	succeeded := 0
	for seed := range uint64(faultSeeds) {
		products, want := reindextest.Products(40, fmt.Sprint(seed)), map[string]string{}
		for i, p := range products {
			if want[p.ID] = fmt.Sprint(seed); i%20 == 17 {
				products[i].Body = []byte(`{"_vectors":1}`)
				delete(want, p.ID)
			}
		}
		s.SetFault(randomFaults(seed))
		report, err := runOnce(t, ix, products)
		s.SetFault(nil)
		found, searchErr := revs(t.Context(), client, ix, "acme")
		if searchErr != nil {
			t.Fatal(searchErr)
		}
		switch {
		case err == nil:
			succeeded++
			live = want
			if report.Indexed != 38 || report.Rejected != 2 || report.Read != 40 {
				t.Errorf("seed %d: read %d, indexed %d, rejected %d", seed, report.Read, report.Indexed, report.Rejected)
			}
		case fmt.Sprint(found) == fmt.Sprint(want): // the answer to the swap was lost
			live = want
		}
		if fmt.Sprint(found) != fmt.Sprint(live) {
			t.Fatalf("seed %d, error %v: found %v, want %v", seed, err, found, live)
		}
	}
	t.Logf("%d of %d runs succeeded", succeeded, faultSeeds)
	if succeeded < faultSeeds/4 {
		t.Errorf("only %d of %d runs succeeded", succeeded, faultSeeds)
	}
	if _, err := ix.Reap(t.Context(), "acme"); err != nil {
		t.Error(err)
	}
	assertIndexes(t, s, "products_acme")
}

func runOnce(t *testing.T, ix *Index, products []reindex.Product) (reindex.Report, error) {
	engine, err := reindex.New(reindextest.Slice(products), ix, &reindex.Config{
		BatchDocs: 20, MaxRejected: -1, Retry: reindex.Retry{Attempts: 6, MinDelay: time.Microsecond, MaxDelay: 10 * time.Microsecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine.Run(t.Context(), "acme")
}

// randomFaults lets about one request in twenty go wrong: its connection is cut, before or after the server has done its work, or

// something answers in the server's place.

func randomFaults(seed uint64) func(*http.Request) *meilitest.Fault {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, seed))
	return func(*http.Request) *meilitest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(20) > 0 {
			return nil
		}
		status := []int{0, 0, 429, 500, 502, 503, 504}[rng.IntN(7)]
		return &meilitest.Fault{Status: status, Body: "try later", After: rng.IntN(2) == 0}
	}
}

// on returns a fault for requests of that method whose path ends so, once.

func on(method, suffix string, f meilitest.Fault) func(*http.Request) *meilitest.Fault {
	var done atomic.Bool
	return func(r *http.Request) *meilitest.Fault {
		if r.Method == method && strings.HasSuffix(r.URL.Path, suffix) && done.CompareAndSwap(false, true) {
			return &f
		}
		return nil
	}
}

// When the answer to the swap is lost, Commit finds out what became of it.

// A swap that never arrived, and one that certainly did not.

// While the server restarts, Commit goes on looking for the outcome of its swap.

// A server that does not come back leaves it unknown whether the swap took place, and Commit says so in the end.

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The live index comes or goes between the question and the swap: Commit may be called again.

// What goes wrong for good has one clear error, is not tried again, and leaves the live index alone.

func TestClearErrors(t *testing.T) {
	const full = `{"message":"Meilisearch cannot receive write operations because the limit of the task database has been reached. Please delete ` +
		`tasks to continue performing write operations.","code":"no_space_left_on_device","type":"system","link":"x"}`
	for name, test := range map[string]struct {
		fault func(*http.Request) *meilitest.Fault
		task  func(kind, index string) *meilitest.TaskError
		want  string
	}{
		"full queue": {
			fault: func(r *http.Request) *meilitest.Fault {
				if strings.HasSuffix(r.URL.Path, "/documents") {
					return &meilitest.Fault{Status: 422, Body: full}
				}
				return nil
			},
			want: "task queue is full",
		},
		"full disk": {
			task: func(kind, _ string) *meilitest.TaskError {
				if kind != documentTasks {
					return nil
				}
				return &meilitest.TaskError{Message: "No space left on device (os error 28)", Code: codeNoSpace, Type: "system"}
			},
			want: "disk is full",
		},
		"index deleted": {
			task: func(kind, _ string) *meilitest.TaskError {
				if kind != documentTasks {
					return nil
				}
				return &meilitest.TaskError{Message: "Index `x` not found.", Code: codeIndexNotFound, Type: "invalid_request"}
			},
			want: "index_not_found",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t)
			ix := newIndex(t, s, nil)
			publish(t, ix, product("old", `{}`))
			s.SetFault(test.fault)
			s.SetTaskFault(test.task)
			_, before := s.Task(0)
			_, err := runOnce(t, ix, reindextest.Products(40, "1"))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("run: %v, want %q", err, test.want)
			}
			if _, after := s.Task(0); after-before > 20 {
				t.Errorf("%d tasks", after-before)
			}
			if n, err := ix.DocCount(t.Context(), "acme"); n != 1 || err != nil {
				t.Errorf("%d documents are live, %v", n, err)
			}
			assertIndexes(t, s, "products_acme")
		})
	}
}

func TestOldServer(t *testing.T) {
	s := server(t)
	s.Version = "1.17.1"
	if _, err := newIndex(t, s, nil).Begin(t.Context(), "acme"); err == nil || !strings.Contains(err.Error(), "1.18 or later") {
		t.Errorf("begin: %v", err)
	}
	for version, want := range map[string]bool{"1.18.0": true, "1.50.0": true, "2.0.0": true, "0.30.1": false, "1.9.9": false, "next": true, "x.y": true} {
		if hasRename(version) != want {
			t.Errorf("hasRename(%q) is %v", version, !want)
		}
	}
}

// The client's own retries report an answer as a failure; the error says what to do.

func TestRetriesOfTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
		})}
		ix, err := New(meilisearch.New("http://busy", meilisearch.WithCustomClient(busy)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ix.Begin(t.Context(), "acme"); err == nil || isTemporary(err) || !strings.Contains(err.Error(), "DisableRetries") {
			t.Errorf("begin: %v", err)
		}
	})
}

// A cancelled run cancels its own tasks, and no others.

func TestCancelsItsOwnTasks(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, &Config{MaxTasks: 1})
	gen := begin(t, ix)
	_, first := s.Task(0)
	s.Hold(first)
	mustWrite(t, gen, product("a", `{}`))
	if err := s.Wait(t.Context(), first, func(status string) bool { return status == meilitest.Processing }); err != nil {
		t.Fatal(err)
	}
	admin := connect(t, s.URL, meilitest.MasterKey)
	other, err := admin.Index("other").AddDocumentsWithContext(t.Context(), []map[string]any{{"id": 1}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- gen.Write(ctx, []reindex.Product{product("b", `{}`)}) }()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v", err)
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertIndexes(t, s, "other")
	if status, _ := s.Task(first); status != meilitest.Canceled {
		t.Errorf("the run's task is %s", status)
	}
	if status, _ := s.Task(int(other.TaskUID)); status != meilitest.Succeeded {
		t.Errorf("the other task is %s", status)
	}
}

// A task that somebody else cancels, or deletes when it has ended, is made good.

func TestTasksThatOthersTouch(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	gen := begin(t, ix)
	admin := connect(t, s.URL, meilitest.MasterKey)
	_, first := s.Task(0)
	s.Hold(first)
	mustWrite(t, gen, product("a", `{}`))
	if _, err := admin.CancelTasksWithContext(t.Context(), &meilisearch.CancelTasksQuery{UIDS: []int64{int64(first)}}); err != nil {
		t.Fatal(err)
	}
	waitAll(t, s)
	_, second := s.Task(0)
	mustWrite(t, gen, product("b", `{}`))
	waitAll(t, s)
	if _, err := admin.DeleteTasksWithContext(t.Context(), &meilisearch.DeleteTasksQuery{UIDS: []int64{int64(second)}}); err != nil {
		t.Fatal(err)
	}
	waitAll(t, s)
	if sealed := mustSeal(t, gen); sealed.Documents != 2 || len(sealed.Failed) != 0 {
		t.Errorf("sealed %+v", sealed)
	}
}

// A task of documents whose uid another task has is made good, as after a restore from a snapshot.
func TestDocumentsWhoseUIDAnotherTaskHas(t *testing.T) {
	for name, other := range map[string]string{
		"another type":  `{"uid":%d,"indexUid":%q,"type":"settingsUpdate","status":"succeeded","details":{"indexedDocuments":1}}`,
		"another index": `{"uid":%d,"indexUid":"a%s","type":"documentAdditionOrUpdate","status":"succeeded","details":{"indexedDocuments":1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t)
			gen := begin(t, newIndex(t, s, nil))
			_, first := s.Task(0)
			var failed atomic.Bool
			s.SetTaskFault(func(string, string) *meilitest.TaskError {
				if failed.Swap(true) {
					return nil
				}
				return &meilitest.TaskError{Message: "lost", Code: "internal", Type: "internal"}
			})
			s.SetFault(func(r *http.Request) *meilitest.Fault {
				if r.URL.Path != fmt.Sprintf("/tasks/%d", first) {
					return nil
				}
				return &meilitest.Fault{Status: http.StatusOK, Body: fmt.Sprintf(other, first, gen.uid)}
			})
			mustWrite(t, gen, product("a", `{}`))
			if sealed := mustSeal(t, gen); sealed.Documents != 1 || len(sealed.Failed) != 0 {
				t.Errorf("sealed %+v", sealed)
			}
		})
	}
}

// A generation whose index was deleted meanwhile is not published, although its tasks succeeded.

func TestIndexDeletedMeanwhile(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	admin := connect(t, s.URL, meilitest.MasterKey)
	gen := begin(t, ix)
	s.Pause()
	mustWrite(t, gen, product("a", `{}`))
	if _, err := admin.DeleteIndexWithContext(t.Context(), gen.uid); err != nil {
		t.Fatal(err)
	}
	s.Resume()
	if _, err := gen.Seal(t.Context()); err == nil || isTemporary(err) || !strings.Contains(err.Error(), "was deleted") {
		t.Errorf("seal: %v", err)
	}
	gen = begin(t, ix)
	s.Pause()
	mustWrite(t, gen, product("a", `{}`))
	if _, err := admin.Index(gen.uid).DeleteAllDocumentsWithContext(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	s.Resume()
	if _, err := gen.Seal(t.Context()); err == nil || isTemporary(err) || !strings.Contains(err.Error(), "indexed 0 documents of 1") {
		t.Errorf("seal after the documents were deleted: %v", err)
	}
	gen = begin(t, ix)
	if _, err := admin.DeleteIndexWithContext(t.Context(), gen.uid); err != nil {
		t.Fatal(err)
	}
	waitAll(t, s)
	mustWrite(t, gen, product("a", `{}`)) // makes the index again, without its settings
	if _, err := gen.Seal(t.Context()); err == nil || isTemporary(err) || !strings.Contains(err.Error(), "was deleted") {
		t.Errorf("seal: %v", err)
	}
}

// An index that took the place of the sealed one does not go live.
func TestIndexReplacedAfterSeal(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	publish(t, ix, product("live", `{}`))
	gen := begin(t, ix)
	mustWrite(t, gen, product("a", `{}`), product("b", `{}`))
	mustSeal(t, gen)
	admin := connect(t, s.URL, meilitest.MasterKey)
	if _, err := admin.DeleteIndexWithContext(t.Context(), gen.uid); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateIndexWithContext(t.Context(), &meilisearch.IndexConfig{Uid: gen.uid}); err != nil {
		t.Fatal(err)
	}
	waitAll(t, s)
	if err := gen.Commit(t.Context()); err == nil || isTemporary(err) || !strings.Contains(err.Error(), "was deleted") {
		t.Errorf("commit: %v", err)
	}
	assertLive(t, ix, 1)
}

// A live index that cannot be counted is not taken for one that is not there. A reindex is what mends it: Seal succeeds, and says so.
func TestLiveIndexThatCannotBeCounted(t *testing.T) {
	for _, test := range []struct {
		status, times int // how often counting fails; -1: always
		retries       int
		unknown       bool
	}{
		{http.StatusForbidden, -1, 0, true},
		{http.StatusInternalServerError, -1, liveTries - 1, true},
		{http.StatusServiceUnavailable, liveTries - 1, liveTries - 1, false},
	} {
		t.Run(fmt.Sprintf("%d, %d times", test.status, test.times), func(t *testing.T) {
			s := server(t)
			ix := newIndex(t, s, nil)
			publish(t, ix, product("live", `{}`), product("too", `{}`))
			gen := begin(t, ix)
			mustWrite(t, gen, product("a", `{}`))
			counts := 0
			s.SetFault(func(r *http.Request) *meilitest.Fault {
				if r.URL.Path != "/indexes/products_acme/stats" {
					return nil
				}
				if counts++; test.times >= 0 && counts > test.times {
					return nil
				}
				return &meilitest.Fault{Status: test.status}
			})
			var sealed reindex.Sealed
			err := reindex.Temporary(errors.New("not yet tried"))
			retries := -1
			for ; isTemporary(err) && retries < 10; retries++ {
				sealed, err = gen.Seal(t.Context())
			}
			if err != nil || retries != test.retries || (sealed.LiveErr != nil) != test.unknown || !test.unknown && sealed.Live != 2 {
				t.Errorf("after %d more tries sealed %+v, %v", retries, sealed, err)
			}
			if sealed.Documents != 1 {
				t.Errorf("%d documents", sealed.Documents)
			}
		})
	}
}

// A task whose answer was lost counts when it is still waiting at the end, and does not get others blamed for what it carries.

func TestTasksWithoutAnAnswer(t *testing.T) {
	t.Run("counts", func(t *testing.T) {
		s := server(t)
		gen := begin(t, newIndex(t, s, nil))
		_, lost := s.Task(0)
		s.Hold(lost)
		s.SetFault(on(http.MethodPost, "/documents", meilitest.Fault{After: true}))
		if err := gen.Write(t.Context(), []reindex.Product{product("a", `{}`)}); !isTemporary(err) {
			t.Fatalf("write: %v", err)
		}
		s.SetFault(func(r *http.Request) *meilitest.Fault {
			if r.URL.Path == "/tasks" {
				s.Release(lost)
			}
			return nil
		})
		if sealed := mustSeal(t, gen); sealed.Documents != 1 {
			t.Errorf("sealed %+v", sealed)
		}
	})
	t.Run("is waited for", func(t *testing.T) {
		s := server(t)
		gen := begin(t, newIndex(t, s, nil))
		_, first := s.Task(0)
		s.Hold(first)
		var failed atomic.Bool
		s.SetTaskFault(func(string, string) *meilitest.TaskError {
			if failed.Swap(true) {
				return nil
			}
			return &meilitest.TaskError{Message: "Index `x`: somebody else is to blame.", Code: "internal", Type: "internal"}
		})
		mustWrite(t, gen, product("a", `{}`), product("b", `{}`), product("c", `{}`))
		if err := s.Wait(t.Context(), first, func(status string) bool { return status == meilitest.Processing }); err != nil {
			t.Fatal(err)
		}
		s.SetFault(on(http.MethodPost, "/documents", meilitest.Fault{After: true}))
		if err := gen.Write(t.Context(), []reindex.Product{product("lost", `{"_vectors":1}`)}); !isTemporary(err) {
			t.Fatalf("write: %v", err)
		}
		s.Pause()
		s.Release(first)
		if err := s.Wait(t.Context(), first, meilitest.Ended); err != nil {
			t.Fatal(err)
		}
		s.SetFault(func(r *http.Request) *meilitest.Fault {
			if r.URL.Path == "/tasks" || r.Method == http.MethodGet && r.URL.Path != fmt.Sprintf("/tasks/%d", first) {
				s.Resume()
			}
			return nil
		})
		sealed := mustSeal(t, gen)
		if sealed.Documents != 3 || len(sealed.Failed) != 0 {
			t.Errorf("sealed %+v", sealed)
		}
	})
}
