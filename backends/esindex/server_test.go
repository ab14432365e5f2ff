package esindex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

const acme = "acme"

// begin opens a generation, which is aborted at the end of the test.
func begin(t *testing.T, ix *Index) *generation {
	t.Helper()
	gen, err := ix.Begin(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gen.Abort(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("abort: %v", err)
		}
	})
	return gen.(*generation)
}

// fill writes n products of this rev, and seals the generation.
func fill(t *testing.T, gen reindex.Generation, n int, rev string) {
	t.Helper()
	if err := gen.Write(t.Context(), reindextest.Products(n, rev)); err != nil {
		t.Fatal(err)
	}
	if sealed, err := gen.Seal(t.Context()); err != nil || sealed.Documents != int64(n) {
		t.Fatalf("sealed %+v, error %v, want %d documents", sealed, err, n)
	}
}

// publish makes n products of this rev live, and returns the name of their index.
func publish(t *testing.T, ix *Index, n int, rev string) string {
	t.Helper()
	g := begin(t, ix)
	fill(t, g, n, rev)
	mustCommit(t, g)
	return g.name
}

// mustCommit makes a generation live, and deletes the indexes that it has replaced.
func mustCommit(t *testing.T, g reindex.Generation) {
	t.Helper()
	if err := g.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// assertLive checks that a search finds n products, all of this rev.
func assertLive(t *testing.T, ix *Index, n int, rev string) {
	t.Helper()
	found, err := search(t.Context(), ix, acme)
	if err != nil {
		t.Fatal(err)
	}
	for id, r := range found {
		if r != rev {
			t.Errorf("product %s has rev %q, want %q", id, r, rev)
		}
	}
	if len(found) != n {
		t.Errorf("a search finds %d products, want %d", len(found), n)
	}
}

func assertIndexes(t *testing.T, ix *Index, want ...string) {
	t.Helper()
	got := indexes(t, ix)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("there are the indexes %v, want %v", got, want)
	}
}

// A run fails at once if its index does not accept writes. The error names the reason and the index.
func TestBlocks(t *testing.T) {
	for _, test := range []struct{ name, path, body, says, public string }{
		{
			"disk full", "_settings", `{"index.blocks.read_only_allow_delete":true}`,
			"disk usage exceeded flood-stage watermark",
			"the server accepts no writes: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage",
		},
		{
			"read-only", "_settings", `{"index.blocks.read_only":true}`, "index read-only",
			"the server accepts no writes: [FORBIDDEN/5/index read-only",
		},
		{"closed", "_close", ``, "index_closed_exception", "the index is closed"},
		{"deleted", "", ``, "no such index", "the index does not exist"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ix := open(t, nil)
			publish(t, ix, 3, "live")
			g := begin(t, ix)
			method := map[string]string{"_settings": http.MethodPut, "_close": http.MethodPost, "": http.MethodDelete}[test.path]
			must(t, ix, method, "/"+g.name+"/"+test.path, test.body)
			engine, err := reindex.New(reindextest.Slice(reindextest.Products(3, "x")), stuck{ix, g},
				&reindex.Config{BatchDocs: 1, Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			report, err := engine.Run(t.Context(), acme)
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), g.name) {
				t.Errorf("the run ends with error %v, want one with %q and the index", err, test.says)
			}
			reindextest.AssertPublic(t, err, test.public, ix.cfg.Prefix)
			if report.Batches != 1 {
				t.Errorf("there are %d calls of Write, want 1, since waiting does not help", report.Batches)
			}
			if test.name != "closed" && test.name != "deleted" {
				request(t, ix.transport, http.MethodPut, "/"+g.name+"/_settings", `{"index.blocks.read_only":null}`)
			}
			assertLive(t, ix, 3, "live")
		})
	}
}

// stuck is an Indexer whose Begin returns an existing generation.
type stuck struct {
	*Index

	g *generation
}

func (s stuck) Begin(context.Context, string) (reindex.Generation, error) { return s.g, nil }

// An index with the name of the alias counts as live, and the switch replaces it.
func TestStrayIndex(t *testing.T) {
	for _, test := range []struct {
		name   string
		before bool
	}{{"before the run", true}, {"during the run", false}} {
		t.Run(test.name, func(t *testing.T) {
			ix := open(t, nil)
			stray := func() {
				must(t, ix, http.MethodPut, "/"+ix.Alias(acme)+"/_doc/1?refresh=true", `{"rev":"stray"}`)
			}
			if test.before {
				stray()
			}
			g := begin(t, ix)
			if !test.before {
				stray()
			}
			if err := g.Write(t.Context(), reindextest.Products(5, "1")); err != nil {
				t.Fatal(err)
			}
			if sealed, err := g.Seal(t.Context()); err != nil || sealed.Live != 1 {
				t.Errorf("sealed %+v, error %v, want 1 live product", sealed, err)
			}
			mustCommit(t, g)
			assertLive(t, ix, 5, "1")
			assertIndexes(t, ix, g.name)
		})
	}
}

func TestForeignIndexStays(t *testing.T) {
	ix := open(t, nil)
	foreign := ix.cfg.Prefix + "-handmade"
	must(t, ix, http.MethodPut, "/"+foreign, `{"aliases":{"`+ix.Alias(acme)+`":{}}}`)
	name := publish(t, ix, 3, "1")
	assertLive(t, ix, 3, "1")
	assertIndexes(t, ix, name, foreign)
}

func TestKeepPrevious(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious = 1 })
	if err := rollback(t, ix); !errors.Is(err, reindex.ErrNoPrevious) {
		t.Errorf("rollback without a live index: error %v, want %v", err, reindex.ErrNoPrevious)
	}
	publish(t, ix, 1, "1")
	if err := rollback(t, ix); !errors.Is(err, reindex.ErrNoPrevious) {
		t.Errorf("rollback without a kept index: error %v, want %v", err, reindex.ErrNoPrevious)
	}
	second := publish(t, ix, 2, "2")
	third := publish(t, ix, 3, "3")
	assertIndexes(t, ix, second, third)
	ix.now = func() time.Time { return time.Now().Add(24 * time.Hour) }
	if n, err := ix.Reap(t.Context(), acme); n != 0 || err != nil {
		t.Errorf("reaped %d, error %v, want 0", n, err)
	}
	for range 3 {
		assertLive(t, ix, 3, "3")
		if err := rollback(t, ix); err != nil {
			t.Fatal(err)
		}
		assertLive(t, ix, 2, "2")
		if err := rollback(t, ix); err != nil {
			t.Fatal(err)
		}
	}
	ix.cfg.KeepPrevious = 0
	if n, err := ix.Reap(t.Context(), acme); n != 1 || err != nil {
		t.Errorf("with KeepPrevious 0: reaped %d, error %v, want 1", n, err)
	}
	assertIndexes(t, ix, third)
}

// A search with a wildcard finds each live product once, and no others.
func TestWildcards(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious = 1 })
	publish(t, ix, 2, "1")
	publish(t, ix, 3, "2")
	fill(t, begin(t, ix), 4, "3")
	_, text := request(t, ix.transport, http.MethodGet, "/"+ix.cfg.Prefix+"-*/_count", "")
	if !strings.HasPrefix(text, `{"count":3,`) {
		t.Errorf("a count with a wildcard answers %s, want 3", text)
	}
}

func TestReapElsewhere(t *testing.T) {
	ix := open(t, nil)
	other, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	live := publish(t, ix, 3, "1")
	g := begin(t, ix)
	unmarked := generationName(ix.Alias(acme), time.Now())
	request(t, ix.transport, http.MethodPut, "/"+unmarked, "")
	reap := func(after time.Duration, want int) {
		t.Helper()
		other.now = func() time.Time { return time.Now().Add(after) }
		if n, err := other.Reap(t.Context(), acme); n != want || err != nil {
			t.Errorf("after %v: reaped %d, error %v, want %d", after, n, err, want)
		}
	}
	reap(0, 0)
	ix.now = func() time.Time { return time.Now().Add(time.Hour) }
	g.showLife(t.Context())
	reap(time.Hour, 0)
	reap(2*time.Hour, 1)
	assertIndexes(t, ix, live, unmarked)
	if err := g.Write(t.Context(), reindextest.Products(1, "2")); err == nil || errors.As(err, new(*reindex.BatchError)) {
		t.Errorf("write to a reaped index: error %v, want an error that is not a BatchError", err)
	}
	assertIndexes(t, ix, live, unmarked)
	assertLive(t, ix, 3, "1")
}

// Reap does not delete an index whose run seems dead if somebody else has added an alias to it. If the run is alive
// after all, it goes on.
func TestReapLeavesAnIndexThatOthersUse(t *testing.T) {
	ix := open(t, nil)
	other, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	other.now = func() time.Time { return time.Now().Add(24 * time.Hour) }
	g := begin(t, ix)
	theirs := ix.cfg.Prefix + "-theirs"
	mustAlias(t, ix, addAlias(g.name, theirs, nil))
	if n, err := other.Reap(t.Context(), acme); n != 0 || err != nil {
		t.Errorf("reaped %d, error %v, want 0", n, err)
	}
	fill(t, g, 3, "1")
	mustAlias(t, ix, removeAlias(g.name, theirs))
	if n, err := other.Reap(t.Context(), acme); n != 1 || err != nil {
		t.Errorf("without the alias: reaped %d, error %v, want 1", n, err)
	}
	assertIndexes(t, ix)
}

// Searches succeed during many reindexes. Each finds the products of one generation.
func TestSearchThroughReindexes(t *testing.T) {
	ix := open(t, func(c *Config) { c.RetireDelay = searchDelay })
	publish(t, ix, 30, "0")
	ctx, stop := context.WithCancel(t.Context())
	var searchers sync.WaitGroup
	for range 4 {
		searchers.Go(func() {
			for ctx.Err() == nil {
				found, err := search(ctx, ix, acme)
				if ctx.Err() != nil {
					return
				}
				revs := map[string]bool{}
				for _, rev := range found {
					revs[rev] = true
				}
				if err != nil || len(found) != 30 || len(revs) != 1 {
					t.Errorf("a search finds %d products of %v, error %v, want 30 of one rev", len(found), revs, err)
					return
				}
			}
		})
	}
	for i := range reindextest.Seeds(10, 40) {
		publish(t, ix, 30, fmt.Sprint(i+1))
	}
	stop()
	searchers.Wait()
}

func TestDocCount(t *testing.T) {
	ix := open(t, nil)
	if n, err := ix.DocCount(t.Context(), acme); err == nil {
		t.Errorf("%d documents without an index, want an error", n)
	}
	publish(t, ix, 4, "1")
	fill(t, begin(t, ix), 5, "2")
	if n, err := ix.DocCount(t.Context(), acme); n != 4 || err != nil {
		t.Errorf("%d documents, error %v, want 4", n, err)
	}
}
