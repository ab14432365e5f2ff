package esindex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// redden makes an index lose one of its shards, which makes its health red.
func redden(t *testing.T, server *estest.Server, ix *Index, index string) {
	t.Helper()
	if server.Release == (estest.Release{}) {
		t.Skip("the test deletes files of the server, so it needs a server that it has started")
	}
	entries, err := ix.look(t.Context(), index)
	if err != nil {
		t.Fatal(err)
	}
	must(t, ix, http.MethodPost, "/"+index+"/_close", "")
	if err := server.LoseShard(fmt.Sprint(entries[index].Settings.Index["uuid"]), 0); err != nil {
		t.Fatal(err)
	}
	must(t, ix, http.MethodPost, "/"+index+"/_open?wait_for_active_shards=0", "")
}

// If a live index is damaged, the number of live products is that in its mark. A run replaces the index.
func TestBrokenLiveIndex(t *testing.T) {
	server := estest.Plain(t)
	for _, test := range []struct {
		name     string
		settings string
		hurt     func(t *testing.T, ix *Index, index string)
	}{
		{
			"closed", `{}`,
			func(t *testing.T, ix *Index, index string) { must(t, ix, http.MethodPost, "/"+index+"/_close", "") },
		},
		{"not to be read", `{}`, func(t *testing.T, ix *Index, index string) {
			must(t, ix, http.MethodPut, "/"+index+"/_settings", `{"index.blocks.read":true}`)
		}},
		{"red", `{"number_of_shards":1}`, func(t *testing.T, ix *Index, index string) { redden(t, server, ix, index) }},
		{
			"partly red", `{"number_of_shards":2}`,
			func(t *testing.T, ix *Index, index string) { redden(t, server, ix, index) },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			ix := open(t, func(c *Config) { c.Settings = []byte(test.settings) })
			old := publish(t, ix, 20, "1")
			test.hurt(t, ix, old)

			g := begin(t, ix)
			if err := g.Write(t.Context(), reindextest.Products(4, "2")); err != nil {
				t.Fatal(err)
			}
			if sealed, err := g.Seal(t.Context()); err != nil || sealed.Live != 20 || sealed.LiveErr != nil {
				t.Errorf("sealed %+v, error %v, want the 20 live products of the mark", sealed, err)
			}
			if err := g.Abort(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := reindexed(t, ix, 4); !isGate(err, reindex.RuleShrunk) {
				t.Errorf("a run with 4 products in place of 20: error %v, want %v", err, reindex.RuleShrunk)
			}
			if _, err := reindexed(t, ix, 21); err != nil {
				t.Fatal(err)
			}
			found, err := search(t.Context(), ix, acme)
			if err != nil || len(found) != 21 {
				t.Errorf("%d products are live, error %v, want 21", len(found), err)
			}
			if names := indexes(t, ix); len(names) != 1 {
				t.Errorf("there are the indexes %v, want only the live one", names)
			}
		})
	}
}

// If the mark has no number of products, as that of an earlier version, the number is unknown, which is not 0.
func TestLiveIndexOfUnknownSize(t *testing.T) {
	ix := open(t, nil)
	old := publish(t, ix, 20, "1")
	must(t, ix, http.MethodPut, "/"+old+"/_mapping", `{"_meta":{"productindex":{"prefix":"`+ix.cfg.Prefix+
		`","tenant":"acme","owner":"x","alive":"2026-01-01T00:00:00Z"}}}`)
	must(t, ix, http.MethodPost, "/"+old+"/_close", "")
	if n, err := ix.DocCount(t.Context(), acme); err == nil || errors.Is(err, reindex.ErrNoLiveIndex) {
		t.Errorf("%d documents, error %v, want an error other than %v", n, err, reindex.ErrNoLiveIndex)
	}
	g := begin(t, ix)
	if err := g.Write(t.Context(), reindextest.Products(4, "2")); err != nil {
		t.Fatal(err)
	}
	sealed, err := g.Seal(t.Context())
	if err != nil || sealed.LiveErr == nil || !strings.Contains(sealed.LiveErr.Error(), old) {
		t.Errorf("sealed %+v, error %v, want a LiveErr that names the index", sealed, err)
	}
	if err := g.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := reindexed(t, ix, 40); !isGate(err, reindex.RuleShrunk) {
		t.Errorf("a run in place of an unknown number of products: error %v, want %v", err, reindex.RuleShrunk)
	}
}

// If a live index temporarily cannot be counted, it is counted again. The number in its mark is not used.
func TestLiveIndexIsCountedAgain(t *testing.T) {
	ix := open(t, nil)
	live := publish(t, ix, 20, "1")
	if err := ix.Update(t.Context(), acme, []reindex.Change{upsert("new", "u")}); err != nil {
		t.Fatal(err)
	}
	if err := ix.Settle(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	busy := withTransport(&busyOnce{path: "/" + live + "/_count", next: wire(t)})
	other, err := New(estest.Plain(t).Transport(t, busy), &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	g := begin(t, other)
	if err := g.Write(t.Context(), reindextest.Products(4, "2")); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Seal(t.Context()); !isTemporary(err) {
		t.Errorf("seal while the live index is not counted: error %v, want a temporary one", err)
	}
	if sealed, err := g.Seal(t.Context()); sealed.Live != 21 || sealed.LiveErr != nil || err != nil {
		t.Errorf("sealed %+v, error %v, want 21 live products", sealed, err)
	}
}

// busyOnce is a transport to the server that answers the first request of one path as a busy server does.
type busyOnce struct {
	path string
	next http.RoundTripper
	busy atomic.Bool
}

func (b *busyOnce) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == b.path && b.busy.CompareAndSwap(false, true) {
		return refuse(req, http.StatusTooManyRequests,
			`{"error":{"type":"es_rejected_execution_exception","reason":"injected"},"status":429}`)
	}
	return b.next.RoundTrip(req)
}

func isGate(err error, rule reindex.Rule) bool {
	gate, ok := errors.AsType[*reindex.GateError](err)
	return ok && gate.Rule == rule
}

// reindexed runs the engine over n products.
func reindexed(t *testing.T, ix *Index, n int) (reindex.Report, error) {
	t.Helper()
	engine, err := reindex.New(reindextest.Slice(reindextest.Products(n, "2")), ix, nil)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Run(t.Context(), acme)
}

// Begin fails if a block makes the switch from the live index impossible.
func TestLiveIndexIsReadOnly(t *testing.T) {
	ix := open(t, nil)
	old := publish(t, ix, 3, "1")
	must(t, ix, http.MethodPut, "/"+old+"/_settings", `{"index.blocks.read_only":true}`)
	gen, err := ix.Begin(t.Context(), acme)
	if err == nil || isTemporary(err) || !strings.Contains(err.Error(), "read-only") ||
		!strings.Contains(err.Error(), old) {
		t.Errorf("begin: error %v, want a lasting one that names the block and the index", err)
	}
	if gen != nil {
		_ = gen.Abort(t.Context())
	}
	must(t, ix, http.MethodPut, "/"+old+"/_settings", `{"index.blocks.read_only":null}`)
	assertIndexes(t, ix, old)
}

// A rollback to an index that cannot be searched changes nothing.
func TestRollbackToBrokenIndex(t *testing.T) {
	server := estest.Plain(t)
	for _, test := range []struct {
		name    string
		hurt    func(t *testing.T, ix *Index, index string)
		damaged bool
	}{
		{"closed", func(t *testing.T, ix *Index, index string) {
			must(t, ix, http.MethodPost, "/"+index+"/_close", "")
		}, false},
		{"not to be read", func(t *testing.T, ix *Index, index string) {
			must(t, ix, http.MethodPut, "/"+index+"/_settings", `{"index.blocks.read":true}`)
		}, false},
		{"partly red", func(t *testing.T, ix *Index, index string) { redden(t, server, ix, index) }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			ix := open(t, func(c *Config) { c.KeepPrevious, c.Settings = 1, []byte(`{"number_of_shards":2}`) })
			first := publish(t, ix, 2, "1")
			second := publish(t, ix, 3, "2")
			test.hurt(t, ix, first)
			err := rollback(t, ix)
			if err == nil || !strings.Contains(err.Error(), first) || errors.Is(err, reindex.ErrDamaged) != test.damaged {
				t.Errorf("rollback: error %v, want one that names the index, ErrDamaged: %v", err, test.damaged)
			}
			assertLive(t, ix, 3, "2")
			assertAlias(t, ix, ix.Alias(acme), second)
			assertKept(t, ix, first)
		})
	}
}

// A scroll delays the deletion of a replaced index, but only for a limited time.
func TestScrollKeepsTheOldIndex(t *testing.T) {
	ix := open(t, nil)
	ix.idle = 1500 * time.Millisecond
	old := publish(t, ix, 3, "1")
	must(t, ix, http.MethodPost, "/"+old+"/_search?scroll=10m&size=1", `{}`)
	g := begin(t, ix)
	fill(t, g, 4, "2")
	start := time.Now()
	mustCommit(t, g)
	if took := time.Since(start); took < ix.idle {
		t.Errorf("the old index is deleted after %v, want at least %v", took, ix.idle)
	}
	assertIndexes(t, ix, g.name)
	assertLive(t, ix, 4, "2")
}

// Commit does not wait for the searches in the old index, since updates wait for Commit. If the context of Abort ends
// before these searches do, the next run deletes the old index.
func TestCommitDoesNotWait(t *testing.T) {
	var logged journal
	ix := open(t, func(c *Config) { c.RetireDelay, c.Logger = time.Hour, logged.logger() })
	old := publish(t, ix, 3, "1")
	g := begin(t, ix)
	fill(t, g, 4, "2")
	if err := g.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, 4, "2")
	assertIndexes(t, ix, old, g.name)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Abort(ended); err != nil || !logged.says("WARN", old) {
		t.Errorf("abort with a context that has ended: error %v, want none, and a line in the log", err)
	}
	ix.idle = 300 * time.Millisecond
	must(t, ix, http.MethodPost, "/"+old+"/_search?scroll=10m&size=1", `{}`)
	start := time.Now()
	if n, err := ix.Reap(t.Context(), acme); n != 1 || err != nil || time.Since(start) < ix.idle {
		t.Errorf("reaped %d after %v, error %v, want 1 after %v", n, time.Since(start), err, ix.idle)
	}
	assertIndexes(t, ix, g.name)
}

// An index cannot be deleted during a snapshot. Abort then returns a temporary error, and Reap deletes the index after
// the snapshot.
func TestAbortDuringASnapshot(t *testing.T) {
	server := estest.Plain(t)
	if server.Release == (estest.Release{}) {
		t.Skip("the test needs a folder for snapshots, which only a server that it has started has")
	}
	ix := open(t, nil)
	repository := "/_snapshot/" + ix.cfg.Prefix
	must(t, ix, http.MethodPut, repository, `{"type":"fs","settings":{"location":"`+server.Repository()+"/"+
		ix.cfg.Prefix+`","max_snapshot_bytes_per_sec":"5kb"}}`)
	publish(t, ix, 3, "live")
	g := begin(t, ix)
	products := reindextest.Slice{}
	for i := range 10 {
		products = append(products,
			reindextest.NewProduct(fmt.Sprint(i), map[string]any{"text": strings.Repeat(fmt.Sprint(i, " noise ", i*i), 2000)}))
	}
	if err := g.Write(t.Context(), products); err != nil {
		t.Fatal(err)
	}
	if err := g.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, ix, http.MethodPut, repository+"/s", `{"indices":"`+g.name+`"}`)
	defer func() { request(t, ix.transport, http.MethodDelete, repository, "") }()
	err := g.Abort(t.Context())
	if !isTemporary(err) || !strings.Contains(err.Error(), "snapshot_in_progress") {
		t.Fatalf("abort during a snapshot: error %v, want a temporary one", err)
	}
	must(t, ix, http.MethodDelete, repository+"/s", "")
	if n, err := ix.Reap(t.Context(), acme); n != 1 || err != nil {
		t.Errorf("reaped %d, error %v, want 1", n, err)
	}
	assertLive(t, ix, 3, "live")
}
