package esindex

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func TestRollbacker(t *testing.T) {
	server := estest.Plain(t)
	reindextest.TestRollbacker(t, func(t *testing.T) reindextest.Fixture {
		transport := server.Transport(t)
		keeping := func(t *testing.T) *Index {
			ix := fast(t, transport)
			ix.cfg.KeepPrevious = 2
			return ix
		}
		return fixture(keeping(t), keeping)
	})
}

// KeepPrevious limits the number of kept generations, and KeepFor their age.
func TestKeptForAWhile(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious, c.KeepFor = 2, time.Hour })
	start := time.Now()
	at := func(after time.Duration) { ix.now = func() time.Time { return start.Add(after) } }
	reap := func(want int) {
		t.Helper()
		if n, err := ix.Reap(t.Context(), acme); n != want || err != nil {
			t.Errorf("reaped %d, error %v, want %d", n, err, want)
		}
	}
	at(0)
	first, second := publish(t, ix, 1, "1"), publish(t, ix, 2, "2")
	at(40 * time.Minute)
	third := publish(t, ix, 3, "3")
	reap(0)
	assertKept(t, ix, second, first)
	at(61 * time.Minute)
	opened, err := ix.Rollback(t.Context(), acme, first)
	if err != nil {
		t.Fatal(err)
	}
	reap(0) // since the generation is open
	if err := opened.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	reap(1)
	assertKept(t, ix, second)
	at(101 * time.Minute)
	fourth := publish(t, ix, 4, "4")
	assertKept(t, ix, third) // the second one is too old at the switch
	assertIndexes(t, ix, third, fourth)
	ix.cfg.KeepPrevious = 0
	reap(1)
	assertIndexes(t, ix, fourth)
}

// Another process deletes a kept index that is older than KeepFor.
func TestKeptElsewhere(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious, c.KeepFor = 1, time.Hour })
	first, second := publish(t, ix, 1, "1"), publish(t, ix, 2, "2")
	other, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, age := range []time.Duration{59 * time.Minute, 61 * time.Minute} {
		assertIndexes(t, ix, first, second)
		other.now = func() time.Time { return time.Now().Add(age) }
		want := 0
		if age > time.Hour {
			want = 1
		}
		if n, err := other.Reap(t.Context(), acme); n != want || err != nil {
			t.Errorf("after %v: reaped %d, error %v, want %d", age, n, err, want)
		}
	}
	assertIndexes(t, ix, second)
}

// A kept index is never deleted if somebody else has created it or has added an alias to it.
func TestKeptOfOthers(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious = 1 })
	theirs := ix.cfg.Prefix + "-handmade"
	must(t, ix, http.MethodPut, "/"+theirs, `{"aliases":{"`+ix.Alias(acme)+`":{}}}`)
	must(t, ix, http.MethodPut, "/"+theirs+"/_doc/p0?refresh=true", `{"rev":"0"}`)
	first := publish(t, ix, 1, "1")
	assertKept(t, ix, theirs)
	if err := rollback(t, ix); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, 1, "0")
	assertKept(t, ix, first)
	must(t, ix, http.MethodPost, "/_aliases", `{"actions":[{"add":{"index":"`+first+`","alias":"`+ix.cfg.Prefix+`x"}}]}`)
	second := publish(t, ix, 2, "2")
	third := publish(t, ix, 3, "3")
	if _, err := ix.Reap(t.Context(), acme); err != nil {
		t.Error(err)
	}
	assertKept(t, ix, second)
	assertIndexes(t, ix, theirs, first, second, third)
}

// A rollback to a kept generation that has lost products is refused. Edits of an aborted rollback are not losses.
func TestRollbackToIndexWithLosses(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious, c.Settings = 1, []byte(`{"refresh_interval":"-1"}`) })
	first := publish(t, ix, 5, "1")
	if err := ix.Update(t.Context(), acme, []reindex.Change{deletion("p0")}); err != nil {
		t.Fatal(err) // the deletion is counted, although no refresh has made it visible
	}
	second := publish(t, ix, 6, "2")
	must(t, ix, http.MethodPost, "/"+first+"/_refresh", "")
	g, err := ix.Rollback(t.Context(), acme, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.(*generation).Edit(t.Context(), []reindex.Change{deletion("p1")}); err != nil {
		t.Fatal(err)
	}
	if err := g.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, ix, http.MethodPost, "/"+first+"/_refresh", "")
	for range 2 {
		if err := rollback(t, ix); err != nil {
			t.Fatal(err)
		}
	}
	must(t, ix, http.MethodDelete, "/"+first+"/_doc/p2?refresh=true", "")
	err = rollback(t, ix)
	if !errors.Is(err, reindex.ErrDamaged) || !strings.Contains(err.Error(), "holds 2 products, and held 3") {
		t.Errorf("rollback to an index that has lost a product: error %v, want %v", err, reindex.ErrDamaged)
	}
	assertAlias(t, ix, ix.Alias(acme), second)
	assertKept(t, ix, first)
}

// Generations returns all generations, even if an index cannot be read.
func TestGenerations(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious = 2 })
	first, second, third := publish(t, ix, 1, "1"), publish(t, ix, 2, "2"), publish(t, ix, 3, "3")
	must(t, ix, http.MethodPost, "/"+first+"/_close", "")
	infos, err := ix.Generations(t.Context(), acme)
	if err != nil || len(infos) != 3 {
		t.Fatalf("generations %+v, error %v, want 3", infos, err)
	}
	for i, want := range []reindex.GenerationInfo{{Name: third, Live: true, Documents: 3}, {Name: second, Documents: 2},
		{Name: first, Documents: -1}} {
		got := infos[i]
		age, known := time.Since(got.Created), got.Bytes > 100
		if got.Name != want.Name || got.Live != want.Live || got.Documents != want.Documents ||
			known != (want.Documents > 0) ||
			age < 0 || age > time.Hour || got.Live != got.Replaced.IsZero() {
			t.Errorf("generation %d is %+v, want %+v", i, got, want)
		}
	}
}

// If two processes roll back to the same generation without fencing tokens, the later one succeeds, and the other one
// fails without any effect.
func TestRollbackOfTwoProcesses(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious = 2 })
	first, second := publish(t, ix, 1, "1"), publish(t, ix, 2, "2")
	other, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := ix.Rollback(t.Context(), acme, "")
	if err != nil {
		t.Fatal(err)
	}
	fast, err := other.Rollback(t.Context(), acme, first)
	if err != nil {
		t.Fatal(err)
	}
	if err := slow.(*generation).Edit(t.Context(), []reindex.Change{upsert("p0", "x")}); err == nil {
		t.Error("an edit by the earlier process succeeds")
	}
	for range 2 {
		if err := slow.Commit(t.Context()); err == nil {
			t.Error("a commit by the earlier process succeeds")
		}
	}
	if err := slow.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	assertLive(t, ix, 2, "2")
	if err := fast.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, 1, "1")
	assertKept(t, ix, second)
}

// Whatever the faults on the way to the server, and wherever a process ends, the alias points to exactly one whole
// generation: the previous one, or that of the rollback. The other one is kept, and no edit is lost.
func TestRollbackFaults(t *testing.T) {
	server := estest.Plain(t)
	direct, once := &http.Transport{MaxIdleConnsPerHost: 4}, &http.Transport{DisableKeepAlives: true}
	defer direct.CloseIdleConnections()
	c := &chaos{direct: direct, once: once, proxies: startProxies(t, server), counts: map[string]int{}}
	clean := open(t, func(cfg *Config) { cfg.RetireDelay, cfg.KeepPrevious = -1, 2 })
	reindextest.TestRollbackFaults(t, fixture(clean, nil), reindextest.Seeds(8, 50),
		func(t *testing.T, seed uint64) (reindex.Indexer, func()) {
			c.mu.Lock()
			c.rng = rand.New(rand.NewPCG(seed, 5))
			c.mu.Unlock()
			ix, err := New(server.Transport(t, elastictransport.WithTransport(c)), &clean.cfg)
			if err != nil {
				t.Fatal(err)
			}
			return ix, func() { c.lateCall(true) }
		})
	t.Logf("faults: %v", c.counts)
}
