package esindex

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func upsert(id, rev string) reindex.Change {
	return reindex.Change{ID: id, Body: reindextest.NewProduct(id, map[string]any{"rev": rev}).Body}
}

func deletion(id string) reindex.Change { return reindex.Change{ID: id, Delete: true} }

// revs returns what a search finds if the live products are reindextest.Products(n, rev).
func revs(n int, rev string) map[string]string {
	found := map[string]string{}
	for _, p := range reindextest.Products(n, rev) {
		found[p.ID] = rev
	}
	return found
}

// assertFound checks the ids and revs that a search finds.
func assertFound(t *testing.T, ix *Index, want map[string]string) {
	t.Helper()
	found, err := search(t.Context(), ix, acme)
	if err != nil || !maps.Equal(found, want) {
		t.Errorf("a search finds %v, error %v, want %v", found, err, want)
	}
}

// If the live index cannot be updated, Update returns an error with the reason, and creates no index.
func TestUpdateOfUnsuitableIndex(t *testing.T) {
	changes := []reindex.Change{upsert("p0", "2"), deletion("p1")}
	for _, test := range []struct {
		name     string
		settings string
		change   func(t *testing.T, ix *Index, live string)
		noLive   bool
		says     string
	}{
		{name: "alias taken away", change: func(t *testing.T, ix *Index, live string) {
			mustAlias(t, ix, removeAlias(live, ix.Alias(acme)))
		}, noLive: true, says: acme},
		{name: "index deleted", change: func(t *testing.T, ix *Index, live string) {
			request(t, ix.transport, http.MethodDelete, "/"+live, "")
		}, noLive: true, says: acme},
		{name: "index in the place of the alias", change: func(t *testing.T, ix *Index, live string) {
			request(t, ix.transport, http.MethodDelete, "/"+live, "")
			request(t, ix.transport, http.MethodPut, "/"+ix.Alias(acme)+"/_doc/p1?refresh=true", `{"rev":"stray"}`)
		}, noLive: true, says: "which the alias needs"},
		{name: "several indexes", change: func(t *testing.T, ix *Index, _ string) {
			request(t, ix.transport, http.MethodPut, "/"+ix.cfg.Prefix+"-further", "")
			mustAlias(t, ix, addAlias(ix.cfg.Prefix+"-further", ix.Alias(acme), nil))
		}, says: "several indexes"},
		{name: "no writes", change: func(t *testing.T, ix *Index, live string) {
			mustAlias(t, ix, addAlias(live, ix.Alias(acme), definition{keyWriteIndex: json.RawMessage("false")}))
		}, says: "is_write_index"},
		{name: "routing to a shard", settings: `{"number_of_shards":2}`, change: func(t *testing.T, ix *Index, live string) {
			mustAlias(t, ix, addAlias(live, ix.Alias(acme), definition{keyRouting: json.RawMessage(`"x"`)}))
		}, says: "index_routing"},
		{name: "closed", change: func(t *testing.T, ix *Index, live string) {
			request(t, ix.transport, http.MethodPost, "/"+live+"/_close", "")
		}, says: "index_closed_exception"},
		{name: "blocked", change: func(t *testing.T, ix *Index, live string) {
			request(t, ix.transport, http.MethodPut, "/"+live+"/_settings", `{"index.blocks.read_only_allow_delete":true}`)
		}, says: typeBlocked},
	} {
		t.Run(test.name, func(t *testing.T) {
			ix := open(t, func(c *Config) {
				if test.settings != "" {
					c.Settings = []byte(test.settings)
				}
			})
			live := publish(t, ix, 3, "1")
			test.change(t, ix, live)
			before := indexes(t, ix)
			for range 2 {
				assertNotUpdatable(t, ix, changes, test.noLive, test.says)
				assertIndexes(t, ix, before...)
				// as if an update had come some time before
				ix.noteLive(acme, writer{ix: ix, tenant: acme, index: live, alias: ix.Alias(acme), live: true})
				ix.now = func() time.Time { return time.Now().Add(lookAlong) }
			}
		})
	}
}

func assertNotUpdatable(t *testing.T, ix *Index, changes []reindex.Change, noLive bool, says string) {
	t.Helper()
	err := ix.Update(t.Context(), acme, changes)
	if err == nil || isTemporary(err) || errors.Is(err, reindex.ErrNoLiveIndex) != noLive ||
		!strings.Contains(err.Error(), says) {
		t.Errorf("update: error %v, want a lasting one with %q", err, says)
	}
}

// An Update that comes some time after the last one looks at the live index before it writes.
func TestUpdateLooksAgain(t *testing.T) {
	ix := open(t, func(c *Config) { c.Settings = []byte(`{"number_of_shards":5}`) })
	live := publish(t, ix, 10, "1")
	changes := []reindex.Change{upsert("p0", "2"), upsert("p1", "2"), upsert("p2", "2"), upsert("p3", "2")}
	if err := ix.Update(t.Context(), acme, changes); err != nil {
		t.Fatal(err)
	}
	mustAlias(t, ix, addAlias(live, ix.Alias(acme), definition{keyRouting: json.RawMessage(`"x"`)}))
	ix.now = func() time.Time { return time.Now().Add(lookAgain) }
	assertNotUpdatable(t, ix, changes, false, "index_routing")
	if err := ix.Settle(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	if n, err := ix.DocCount(t.Context(), acme); n != 10 || err != nil {
		t.Errorf("%d products, error %v, want 10", n, err)
	}
}

// Updates in quick succession look at the live index together, if none of them fails.
func TestUpdatesLookTogether(t *testing.T) {
	looks := &watched{next: wire(t)}
	ix := openOn(t, estest.Plain(t).Transport(t, withTransport(looks)), nil)
	publish(t, ix, 3, "1")
	now := time.Now()
	ix.now = func() time.Time { return now }
	looks.path = "/" + ix.Alias(acme)
	for i, test := range []struct {
		passed time.Duration
		want   int64
	}{{0, 1}, {0, 1}, {lookAlong - 1, 1}, {1, 2}, {0, 2}, {lookAgain, 3}} {
		now = now.Add(test.passed)
		if err := ix.Update(t.Context(), acme, []reindex.Change{upsert("p0", fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
		if n := looks.requests.Load(); n != test.want {
			t.Errorf("update %d: %d looks so far, want %d", i, n, test.want)
		}
	}
	if err := ix.Settle(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	assertFound(t, ix, map[string]string{"p0": "5", "p1": "1", "p2": "1"})
}

// watched is a transport that counts the requests for a path.
type watched struct {
	path     string
	next     http.RoundTripper
	requests atomic.Int64
}

func (w *watched) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == w.path {
		w.requests.Add(1)
	}
	return w.next.RoundTrip(req)
}

// If another process has switched to another index since the last Update, a product is mapped in the new index.
func TestUpdateAfterASwitchElsewhere(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious = 1 })
	publish(t, ix, 1, "1")
	other, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	mixed := []reindex.Change{{ID: "mixed", Body: []byte(`{"rev":"1","m":[1,"x"]}`)}}
	for _, changes := range [][]reindex.Change{{upsert("p0", "1")}, mixed} {
		if err := ix.Update(t.Context(), acme, changes); err != nil {
			t.Fatal(err)
		}
		publish(t, other, 1, "1")
	}
	if err := errors.Join(ix.Update(t.Context(), acme, mixed), ix.Settle(t.Context(), acme)); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, 2, "1")
}

func mustAlias(t *testing.T, ix *Index, actions ...action) {
	t.Helper()
	if err := ix.updateAliases(t.Context(), "test", actions); err != nil {
		t.Fatal(err)
	}
}

// between is a transport to the server that calls do before the first bulk request.
type between struct {
	next esapi.Transport
	once *sync.Once
	do   func()
}

func (b between) Perform(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Path, "/_bulk") {
		b.once.Do(b.do)
	}
	return b.next.Perform(req)
}

// If the live index is deleted or replaced between its lookup and the write, no index is created, and no update is
// lost.
func TestUpdateWhileTheLiveIndexGoes(t *testing.T) {
	for _, changes := range [][]reindex.Change{
		{upsert("p0", "2")}, {deletion("p0")}, {upsert("p0", "2"), deletion("p1")},
	} {
		ix := open(t, nil)
		live := publish(t, ix, 3, "1")
		plain := ix.transport
		ix.transport = between{plain, new(sync.Once), func() { request(t, plain, http.MethodDelete, "/"+live, "") }}
		if err := ix.Update(t.Context(), acme, changes); !errors.Is(err, reindex.ErrNoLiveIndex) {
			t.Errorf("update: error %v, want %v", err, reindex.ErrNoLiveIndex)
		}
		assertIndexes(t, ix)
	}
	ix := open(t, nil)
	live := publish(t, ix, 3, "1")
	plain := ix.transport
	changes := []reindex.Change{upsert("p0", "2")}
	if err := ix.Update(t.Context(), acme, changes); err != nil {
		t.Fatal(err)
	}
	ix.now = func() time.Time { return time.Now().Add(lookAlong) }
	looked := make(chan struct{})
	ix.transport = between{afterLook{plain, looked, new(sync.Once)}, new(sync.Once), func() {
		<-looked
		request(t, plain, http.MethodDelete, "/"+live, "")
	}}
	if err := ix.Update(t.Context(), acme, changes); !errors.Is(err, reindex.ErrNoLiveIndex) {
		t.Errorf("update: error %v, want %v", err, reindex.ErrNoLiveIndex)
	}
	assertIndexes(t, ix)
}

// afterLook closes a channel after the first answer to a GET request.
type afterLook struct {
	next   esapi.Transport
	looked chan struct{}
	once   *sync.Once
}

func (a afterLook) Perform(req *http.Request) (*http.Response, error) {
	res, err := a.next.Perform(req)
	if req.Method == http.MethodGet {
		a.once.Do(func() { close(a.looked) })
	}
	return res, err
}

// An update that is made while another index becomes live is in that index.
func TestUpdateDuringASwitch(t *testing.T) {
	ix := open(t, nil)
	publish(t, ix, 3, "1")
	next := begin(t, ix)
	fill(t, next, 4, "2")
	plain := ix.transport
	ix.transport = between{plain, new(sync.Once), func() {
		if err := errors.Join(next.Commit(t.Context()), next.Abort(t.Context())); err != nil {
			t.Error(err)
		}
	}}
	if err := ix.Update(t.Context(), acme, []reindex.Change{upsert("p0", "3")}); err != nil {
		t.Errorf("update: %v", err)
	}
	if err := ix.Settle(t.Context(), acme); err != nil {
		t.Error(err)
	}
	want := revs(4, "2")
	want["p0"] = "3"
	assertFound(t, ix, want)
}

// Updates succeed through an alias with a filter or with a search routing, or with any routing if there is one shard. A
// filter does not hide products from updates.
func TestUpdateThroughAnAlias(t *testing.T) {
	for name, d := range map[string]definition{
		"filter":         {"filter": json.RawMessage(`{"term":{"rev":"1"}}`)},
		"search routing": {"search_routing": json.RawMessage(`"x"`)},
		"index routing":  {keyRouting: json.RawMessage(`"x"`)},
	} {
		t.Run(name, func(t *testing.T) {
			ix := open(t, nil)
			live := publish(t, ix, 3, "1")
			mustAlias(t, ix, addAlias(live, ix.Alias(acme), d))
			for range 2 {
				changes := []reindex.Change{upsert("p0", "2"), deletion("p1"), upsert("new", "2")}
				if err := ix.Update(t.Context(), acme, changes); err != nil {
					t.Fatal(err)
				}
			}
			if err := ix.Settle(t.Context(), acme); err != nil {
				t.Fatal(err)
			}
			if n, err := ix.DocCount(t.Context(), acme); n != 3 || err != nil {
				t.Errorf("%d products, error %v, want 3", n, err)
			}
		})
	}
}

// Update and Edit refuse single changes, as Write does. A deletion of a product that cannot exist is not sent, and
// succeeds.
func TestUpdateRefusals(t *testing.T) {
	ix := open(t, nil)
	publish(t, ix, 3, "1")
	deep := reindex.Change{ID: "deep", Body: []byte(`{"a":` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `}`)}
	lines := reindex.Change{ID: "lines", Body: []byte("{\n}")}
	long := strings.Repeat("x", maxIDBytes+1)
	gen := begin(t, ix)
	if err := gen.Write(t.Context(), reindextest.Products(3, "1")); err != nil {
		t.Fatal(err)
	}
	for _, send := range []func([]reindex.Change) error{
		func(c []reindex.Change) error { return ix.Update(t.Context(), acme, c) },
		func(c []reindex.Change) error { return gen.Edit(t.Context(), c) },
	} {
		err := send([]reindex.Change{
			upsert("p0", "2"), deep, lines, {ID: "empty"}, upsert(long, "2"), deletion(long), deletion(""),
			deletion("absent"), deletion("p1"), {ID: "mixed", Body: []byte(`{"rev":"2","m":[1,"one"]}`)},
		})
		failed, ok := errors.AsType[*reindex.BatchError](err)
		if !ok || len(failed.Items) != 4 {
			t.Fatalf("changes: error %v, want a BatchError with 4 products", err)
		}
		for i, id := range []string{"deep", "lines", "empty", long} {
			if failed.Items[i].ID != id || failed.Items[i].Retryable {
				t.Errorf("item %d is %+v, want %q, not retryable", i, failed.Items[i], id)
			}
		}
	}
	want := map[string]string{"p0": "2", "p2": "1", "mixed": "2"}
	if err := ix.Settle(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	assertFound(t, ix, want)
	if sealed, err := gen.Seal(t.Context()); err != nil || sealed.Documents != 3 || sealed.Live != 3 {
		t.Errorf("sealed %+v, error %v, want 3 documents and 3 live", sealed, err)
	}
	mustCommit(t, gen)
	assertFound(t, ix, want)
}

// Settle succeeds for a tenant without a live index, and returns all other errors.
func TestSettle(t *testing.T) {
	ix := open(t, nil)
	if err := ix.Settle(t.Context(), acme); err != nil {
		t.Errorf("without a live index: %v", err)
	}
	for _, test := range []struct {
		name, body string
		status     int
		temporary  bool
	}{
		{"shards failed", `{"_shards":{"total":2,"successful":1,"failed":1}}`, http.StatusOK, true},
		{"overloaded", `{"error":{"type":"es_rejected_execution_exception","reason":"x"},"status":429}`, 429, true},
		{"closed", `{"error":{"type":"index_closed_exception","reason":"x"},"status":400}`, 400, false},
	} {
		broken, err := New(answers{status: test.status, body: test.body}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := broken.Settle(t.Context(), acme); err == nil || isTemporary(err) != test.temporary {
			t.Errorf("%s: error %v, want a temporary one: %v", test.name, err, test.temporary)
		}
	}
}

// If an update turns a field that is a value in the live index into an object, only that product is refused. The index
// learns the field, so that the next generation accepts both.
func TestUpdateLearnsUnsearchedFields(t *testing.T) {
	ix, err := New(answers{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ix.abilities.noSubobjects = true
	const reason = "object mapping for [o] tried to parse field [o] as object, but found a concrete value"
	ix.transport = answers{status: http.StatusOK, body: `{"errors":true,"items":[` +
		`{"index":{"status":400,"error":{"type":"document_parsing_exception","reason":"` + reason + `"}}},` +
		`{"delete":{"status":404}}]}`}
	w := writer{ix: ix, tenant: acme, index: "i", alias: "a", live: true}
	sent, _ := operations([]reindex.Change{upsert("1", "x"), deletion("2")})
	failed, ok := errors.AsType[*reindex.BatchError](w.write(t.Context(), sent, nil))
	if !ok || len(failed.Items) != 1 || failed.Items[0].ID != "1" {
		t.Errorf("failed %+v, want product 1", failed)
	}
	if learned := ix.unsearchedFields(acme, target{}); len(learned) != 1 || learned[0] != "o" {
		t.Errorf("learned %v, want o", learned)
	}
	w.live = false
	ix.forgetUnsearched(acme)
	if err := w.write(t.Context(), sent, nil); !errors.Is(err, reindex.ErrAgain) {
		t.Errorf("write: error %v, want %v", err, reindex.ErrAgain)
	}
}

// A process that has not created an index yet, and does not know the abilities of the server, can update products with
// new fields of two types.
func TestUpdateWithMixedTypes(t *testing.T) {
	ix := open(t, nil)
	publish(t, ix, 1, "1")
	other, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"rev":"1","m":[1,"x"],"o.p":["x",2],"q":[true,3]}`)
	if err := other.Update(t.Context(), acme, []reindex.Change{{ID: "mixed", Body: body}}); err != nil {
		t.Fatal(err)
	}
	if err := other.Settle(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, 2, "1")
}
