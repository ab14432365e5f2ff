package meiliindex

import (
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

// faultSeeds returns the number of random sequences of faults to test.
func faultSeeds() int { return reindextest.Seeds(40, 200) }

// Whatever the faults on the way to the server, all new products but the bad ones are live after a successful run.
// After a failed run, either all old or all new ones are live.
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
	seeds := faultSeeds()
	for seed := range uint64(seeds) {
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
				t.Errorf("seed %d: read %d, indexed %d, rejected %d, want 40, 38 and 2",
					seed, report.Read, report.Indexed, report.Rejected)
			}
		case fmt.Sprint(found) == fmt.Sprint(want): // the answer to the swap was lost
			live = want
		}
		if fmt.Sprint(found) != fmt.Sprint(live) {
			t.Fatalf("seed %d: found %v after error %v, want %v", seed, found, err, live)
		}
	}
	t.Logf("%d of %d runs succeeded", succeeded, seeds)
	if succeeded < seeds/4 {
		t.Errorf("only %d of %d runs have succeeded, want at least a quarter", succeeded, seeds)
	}
	if _, err := ix.Reap(t.Context(), "acme"); err != nil {
		t.Error(err)
	}
	assertIndexes(t, s, "products_acme")
}

func runOnce(t *testing.T, ix *Index, products []reindex.Product) (reindex.Report, error) {
	engine, err := reindex.New(reindextest.Slice(products), ix, &reindex.Config{
		BatchDocs: 20, MaxRejected: -1,
		Retry: reindex.Retry{Attempts: 6, MinDelay: time.Microsecond, MaxDelay: 10 * time.Microsecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine.Run(t.Context(), "acme")
}

// randomFaults returns a function that makes about one request in twenty fail: the connection is closed, or a proxy
// answers with an error. The server may have processed the request before.
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

// on returns a function that returns the fault for the first request with this method and this end of its path.
func on(method, suffix string, f meilitest.Fault) func(*http.Request) *meilitest.Fault {
	var done atomic.Bool
	return func(r *http.Request) *meilitest.Fault {
		if r.Method == method && strings.HasSuffix(r.URL.Path, suffix) && done.CompareAndSwap(false, true) {
			return &f
		}
		return nil
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A permanent error names its cause, is not retried, and does not change the live index.
func TestClearErrors(t *testing.T) {
	const full = `{"message":"Meilisearch cannot receive write operations because the limit of the task database has ` +
		`been reached. Please delete tasks to continue performing write operations.",` +
		`"code":"no_space_left_on_device","type":"system","link":"x"}`
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
				t.Errorf("run: error %v, want one with %q", err, test.want)
			}
			if _, after := s.Task(0); after-before > 20 {
				t.Errorf("the run has enqueued %d tasks, want at most 20", after-before)
			}
			assertLive(t, ix, 1)
			assertIndexes(t, s, "products_acme")
		})
	}
}

func TestOldServer(t *testing.T) {
	s := server(t)
	s.Version = "1.17.1"
	if _, err := newIndex(t, s, nil).Begin(t.Context(), "acme"); err == nil ||
		!strings.Contains(err.Error(), "1.18 or later") {
		t.Errorf("begin on an old server: error %v, want one with %q", err, "1.18 or later")
	}
	for version, want := range map[string]bool{"1.18.0": true, "1.50.0": true, "2.0.0": true, "0.30.1": false,
		"1.9.9": false, "next": true, "x.y": true} {
		if hasRename(version) != want {
			t.Errorf("hasRename(%q) is %v, want %v", version, !want, want)
		}
	}
}

// If the client retries by itself, its error does not have the answer of the server. The error of Begin names the
// remedy.
func TestRetriesOfTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody, Header: http.Header{},
				Request: r}, nil
		})}
		ix, err := New(meilisearch.New("http://busy", meilisearch.WithCustomClient(busy)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ix.Begin(t.Context(), "acme"); err == nil || isTemporary(err) ||
			!strings.Contains(err.Error(), "DisableRetries") {
			t.Errorf("begin: error %v, want a lasting one with DisableRetries", err)
		}
	})
}
