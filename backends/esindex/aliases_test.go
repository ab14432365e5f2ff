package esindex

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// definitions returns the definitions of the aliases of an index, without those of this package itself.
func definitions(t *testing.T, ix *Index, index string) map[string]string {
	t.Helper()
	found, err := ix.look(t.Context(), index)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for alias, d := range found[index].Aliases {
		if alias == ix.Alias(acme) || strings.HasSuffix(alias, "-all") {
			for key, value := range d {
				out[alias+" "+key] = string(value)
			}
			out[alias] = ""
		}
	}
	return out
}

// A switch and a rollback keep the settings of the tenant's alias, and the other aliases of the live index.
func TestAliasesMove(t *testing.T) {
	for _, keep := range []int{0, 1} {
		t.Run(fmt.Sprintf("keep=%d", keep), func(t *testing.T) {
			ix := open(t, func(c *Config) { c.KeepPrevious = keep })
			old := publish(t, ix, 3, "1")
			all, alias := ix.cfg.Prefix+"x-all", ix.Alias(acme)
			hide := `{"bool":{"must_not":[{"term":{"_id":"p0"}}]}}`
			must(t, ix, http.MethodPost, "/_aliases", `{"actions":[
				{"add":{"index":"`+old+`","alias":"`+alias+`","filter":`+hide+
				`,"index_routing":"1","search_routing":"1,2","is_hidden":true}},
				{"add":{"index":"`+old+`","alias":"`+all+`","filter":`+hide+`,"routing":"7"}}]}`)
			before := definitions(t, ix, old)
			if before[alias+" filter"] == "" || before[all+" search_routing"] == "" || before[alias+" is_hidden"] == "" {
				t.Fatalf("the server has the definitions %v, want those that were set", before)
			}
			g := begin(t, ix)
			fill(t, g, 4, "2")
			if g.sealed.Live != 3 {
				t.Errorf("%d products are live, want 3, with the one that the filter hides", g.sealed.Live)
			}
			mustCommit(t, g)
			assertDefinitions(t, definitions(t, ix, g.name), before)
			assertAlias(t, ix, all, g.name)
			if keep == 0 {
				return
			}
			if err := rollback(t, ix); err != nil {
				t.Fatal(err)
			}
			assertDefinitions(t, definitions(t, ix, old), before)
			assertAlias(t, ix, all, old)
			assertAlias(t, ix, alias, old)
		})
	}
}

func assertDefinitions(t *testing.T, got, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if strings.HasSuffix(key, keyWriteIndex) {
			continue
		}
		if have, ok := got[key]; !ok || have != value {
			t.Errorf("%s is %q, want %q", key, have, value)
		}
	}
}

// Begin fails if two live indexes define the tenant's alias differently.
func TestAliasesDiffer(t *testing.T) {
	ix := open(t, nil)
	name := publish(t, ix, 3, "1")
	must(t, ix, http.MethodPut, "/"+ix.cfg.Prefix+"-handmade",
		`{"aliases":{"`+ix.Alias(acme)+`":{"filter":{"term":{"rev":"1"}}}}}`)
	_, err := ix.Begin(t.Context(), acme)
	if err == nil || isTemporary(err) || !strings.Contains(err.Error(), name) ||
		!strings.Contains(err.Error(), "handmade") {
		t.Errorf("begin: error %v, want a lasting one that names both indexes", err)
	}
	assertIndexes(t, ix, name, ix.cfg.Prefix+"-handmade")
}

// A switch fails with a temporary error if an alias is added or removed after it was planned.
func TestAliasesChangeMeanwhile(t *testing.T) {
	ix := open(t, nil)
	old := publish(t, ix, 3, "1")
	all := ix.cfg.Prefix + "x-all"
	must(t, ix, http.MethodPut, "/"+old+"/_alias/"+all, "")
	g := begin(t, ix)
	fill(t, g, 4, "2")
	s, err := g.plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	must(t, ix, http.MethodDelete, "/"+old+"/_alias/"+all, "")
	err = g.resolve(t.Context(), g.swap(t.Context(), s))
	if !isTemporary(err) {
		t.Errorf("switch with an outdated plan: error %v, want a temporary one", err)
	}
	mustCommit(t, g)
	assertAlias(t, ix, all)
	assertLive(t, ix, 4, "2")
}

// The first run of each tenant creates the aliases of Config.Aliases.
func TestHostAliases(t *testing.T) {
	prefix := ""
	ix := open(t, func(c *Config) {
		prefix = c.Prefix
		c.Aliases = []byte(
			`{"` + c.Prefix + `x-all":{},"` + c.Prefix + `x-{tenant}":{"filter":{"term":{"rev.keyword":"2"}}}}`,
		)
	})
	for _, rev := range []string{"1", "2"} {
		name := publish(t, ix, 2, rev)
		assertAlias(t, ix, prefix+"x-all", name)
		assertAlias(t, ix, prefix+"x-acme", name)
	}
	assertAlias(t, ix, prefix+"x-other")
	if d := definitionOf(t, ix, prefix+"x-acme"); !strings.Contains(d, "rev.keyword") {
		t.Errorf("the host's alias is %s, want one with a filter by rev.keyword", d)
	}
}

func definitionOf(t *testing.T, ix *Index, alias string) string {
	t.Helper()
	return must(t, ix, http.MethodGet, "/_alias/"+alias, "")
}

// Reap, the switch and Abort do not delete an index to which somebody has added an alias.
func TestSomebodysIndexStays(t *testing.T) {
	var logged journal
	ix := open(t, func(c *Config) { c.Logger = logged.logger() })
	pin := func(index string) {
		t.Helper()
		must(t, ix, http.MethodPut, "/"+index+"/_alias/"+ix.cfg.Prefix+"x-pinned", "")
	}

	aborted := begin(t, ix)
	pin(aborted.name)
	if err := aborted.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := publish(t, ix, 3, "1")
	ix.cfg.RetireDelay = -1
	g := begin(t, ix)
	fill(t, g, 4, "2")
	s, err := g.plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := g.swap(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	g.committed.Store(true)
	g.end()
	pin(old)
	ix.retire(t.Context(), g.names, s.retired)
	ix.now = func() time.Time { return time.Now().Add(24 * time.Hour) }
	if n, err := ix.Reap(t.Context(), acme); n != 0 || err != nil {
		t.Errorf("reaped %d, error %v, want 0", n, err)
	}
	assertIndexes(t, ix, aborted.name, old, g.name)
	for _, index := range []string{aborted.name, old} {
		if !logged.says("somebody added an alias to it", index) {
			t.Errorf("the log does not say why %s stays", index)
		}
	}
	for _, index := range []string{aborted.name, old} {
		must(t, ix, http.MethodDelete, "/"+index+"/_alias/"+ix.cfg.Prefix+"x-pinned", "")
	}
	if n, err := ix.Reap(t.Context(), acme); n != 2 || err != nil {
		t.Errorf("reaped %d without the alias, error %v, want 2", n, err)
	}
	assertIndexes(t, ix, g.name)
	if !logged.says("deleted an index", old) {
		t.Errorf("the log does not say that %s was deleted", old)
	}
}

// A replaced index is not deleted if an operator has moved the alias back to it meanwhile.
func TestRollbackByHandBeforeRetiring(t *testing.T) {
	ix := open(t, nil)
	old := publish(t, ix, 3, "1")
	g := begin(t, ix)
	fill(t, g, 4, "2")
	s, err := g.plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := g.swap(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	g.committed.Store(true)
	g.end()
	byHand(t, ix, g.name, old)
	ix.retire(t.Context(), g.names, s.retired)
	assertLive(t, ix, 3, "1")
	if n, err := ix.Reap(t.Context(), acme); n != 1 || err != nil {
		t.Errorf("reaped %d, error %v, want the index from which the alias was moved", n, err)
	}
	assertIndexes(t, ix, old)
	assertLive(t, ix, 3, "1")
}

// Abort does not delete a replaced index that an operator has made live again and that a later run has kept.
func TestKeptBeforeRetiring(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious = 1 })
	first := publish(t, ix, 1, "1")
	publish(t, ix, 2, "2")
	g := begin(t, ix)
	fill(t, g, 3, "3")
	if err := g.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	byHand(t, ix, g.name, first)
	fourth := publish(t, ix, 4, "4")
	if err := g.Abort(t.Context()); err != nil { // deletes the indexes that the commit has replaced
		t.Fatal(err)
	}
	assertAlias(t, ix, ix.Alias(acme), fourth)
	assertKept(t, ix, first)
}

// byHand moves the tenant's alias as an operator does.
func byHand(t *testing.T, ix *Index, from, to string) {
	t.Helper()
	must(t, ix, http.MethodPost, "/_aliases", `{"actions":[{"remove":{"index":"`+from+`","alias":"`+ix.Alias(acme)+`"}},
		{"add":{"index":"`+to+`","alias":"`+ix.Alias(acme)+`"}}]}`)
}

// If an operator has moved the alias back to a kept index, the next run keeps that index.
func TestKeepPreviousAfterRollbackByHand(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious = 1 })
	first := publish(t, ix, 1, "1")
	second := publish(t, ix, 2, "2")
	byHand(t, ix, second, first)
	if err := rollback(t, ix); !errors.Is(err, reindex.ErrNoPrevious) {
		t.Errorf("rollback to the live index: error %v, want %v", err, reindex.ErrNoPrevious)
	}
	assertLive(t, ix, 1, "1")
	third := publish(t, ix, 3, "3")
	assertLive(t, ix, 3, "3")
	assertKept(t, ix, first)
	entries, err := ix.look(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	notes := 0
	for alias := range entries[first].Aliases {
		if strings.HasPrefix(alias, ix.names(acme).kept) {
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("index %s has %d notes of when it was replaced, want only the last one", first, notes)
	}
	if err := rollback(t, ix); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, 1, "1")
	assertKept(t, ix, third)
}

// An index with the name of the alias is deleted, and the log says so. If KeepPrevious is set, runs fail instead.
func TestConcreteIndex(t *testing.T) {
	var logged journal
	stray := func(ix *Index) {
		t.Helper()
		must(t, ix, http.MethodPut, "/"+ix.Alias(acme)+"/_doc/1?refresh=true", `{"rev":"stray"}`)
	}
	keeping := func(c *Config) { c.KeepPrevious = 1 }

	ix := open(t, keeping)
	stray(ix)
	if _, err := ix.Begin(t.Context(), acme); err == nil || !strings.Contains(err.Error(), "KeepPrevious") {
		t.Errorf("begin: error %v, want one with KeepPrevious", err)
	}
	assertLive(t, ix, 1, "stray")

	ix = open(t, keeping)
	g := begin(t, ix)
	fill(t, g, 3, "1")
	stray(ix)
	if err := g.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "KeepPrevious") {
		t.Errorf("commit: error %v, want one with KeepPrevious", err)
	}
	assertLive(t, ix, 1, "stray")

	ix = open(t, func(c *Config) { c.Logger = logged.logger() })
	stray(ix)
	publish(t, ix, 3, "1")
	if !logged.says("deleted", ix.Alias(acme)) {
		t.Error("the log does not say that the stray index was deleted")
	}
}

// After a failed Abort, a generation shows no more signs of life, and Reap deletes it.
func TestAbortThatFails(t *testing.T) {
	ix := open(t, nil)
	publish(t, ix, 3, "live")
	g := begin(t, ix)
	if err := g.Write(t.Context(), reindextest.Products(5, "1")); err != nil {
		t.Fatal(err)
	}
	working := ix.transport
	ix.transport = answers{
		status: http.StatusBadRequest,
		body:   `{"error":{"type":"snapshot_in_progress_exception","reason":"wait"},"status":400}`,
	}
	err := g.Abort(t.Context())
	if !isTemporary(err) {
		t.Errorf("abort during a snapshot: error %v, want a temporary one", err)
	}
	ix.transport = working
	if ix.isOpen(g.name) {
		t.Error("the generation is open after Abort")
	}
	if n, err := ix.Reap(reindex.WithFence(t.Context(), 0), acme); n != 1 || err != nil {
		t.Errorf("reaped %d, error %v, want 1", n, err)
	}
	assertLive(t, ix, 3, "live")
}
