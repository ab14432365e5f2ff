package esindex

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
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

// Kept generations stay for as long as Config says, in number and in time, and no longer.
func TestKeptForAWhile(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious, c.KeepFor = 2, time.Hour })
	start := time.Now()
	at := func(after time.Duration) { ix.now = func() time.Time { return start.Add(after) } }
	reap := func(want int) {
		t.Helper()
		if n, err := ix.Reap(t.Context(), acme); n != want || err != nil {
			t.Errorf("reaped %d, error %v; want %d", n, err, want)
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
	reap(0) // it is open
	if err := opened.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	reap(1)
	assertKept(t, ix, second)
	at(101 * time.Minute)
	fourth := publish(t, ix, 4, "4")
	assertKept(t, ix, third) // the second one was too old at the switch
	assertIndexes(t, ix, third, fourth)
	ix.cfg.KeepPrevious = 0
	reap(1)
	assertIndexes(t, ix, fourth)
}

// Another process deletes an index at once whose time is over.
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
			t.Errorf("after %v: reaped %d, error %v; want %d", age, n, err, want)
		}
	}
	assertIndexes(t, ix, second)
}

// A kept index to which somebody gave an alias, and one that somebody else has made, are never deleted.
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

// A kept generation that has lost products is refused, and one that a rollback has edited is not.
func TestRollbackToIndexWithLosses(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious, c.Settings = 1, []byte(`{"refresh_interval":"-1"}`) })
	first := publish(t, ix, 5, "1")
	if err := ix.Update(t.Context(), acme, []reindex.Change{deletion("p0")}); err != nil {
		t.Fatal(err) // counted without it, although no search has seen it
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
		t.Errorf("rollback to an index that has lost a product: %v", err)
	}
	assertBears(t, ix, ix.Alias(acme), second)
	assertKept(t, ix, first)
}

// The list has what an operator wants to know, also of an index that cannot be read.
func TestGenerations(t *testing.T) {
	ix := open(t, func(c *Config) { c.KeepPrevious = 2 })
	first, second, third := publish(t, ix, 1, "1"), publish(t, ix, 2, "2"), publish(t, ix, 3, "3")
	must(t, ix, http.MethodPost, "/"+first+"/_close", "")
	infos, err := ix.Generations(t.Context(), acme)
	if err != nil || len(infos) != 3 {
		t.Fatalf("generations %+v, error %v", infos, err)
	}
	for i, want := range []reindex.GenerationInfo{{Name: third, Live: true, Documents: 3}, {Name: second, Documents: 2},
		{Name: first, Documents: -1}} {
		got := infos[i]
		age, known := time.Since(got.Created), got.Bytes > 100
		if got.Name != want.Name || got.Live != want.Live || got.Documents != want.Documents ||
			known != (want.Documents > 0) ||
			age < 0 || age > time.Hour || got.Live != got.Replaced.IsZero() {
			t.Errorf("generation %+v, want %+v", got, want)
		}
	}
}

// Of two processes that go back to one generation without fencing tokens, the later one does, and the other one fails
// without harm.
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
		t.Error("an edit by the process that was overtaken succeeds")
	}
	for range 2 {
		if err := slow.Commit(t.Context()); err == nil {
			t.Error("a commit by the process that was overtaken succeeds")
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

// Whatever goes wrong on the way to the server, and wherever a process stops: the alias stands for one whole
// generation, the one before or the one that was gone back to, the other one is kept, and no edit is lost.
func TestRollbackFaults(t *testing.T) {
	server := estest.Plain(t)
	direct, once := &http.Transport{MaxIdleConnsPerHost: 4}, &http.Transport{DisableKeepAlives: true}
	defer direct.CloseIdleConnections()
	c := &chaos{direct: direct, once: once, proxies: startProxies(t, server), counts: map[string]int{}}
	clean := open(t, func(cfg *Config) { cfg.RetireDelay, cfg.KeepPrevious = -1, 2 })
	want := map[string]map[string]string{} // what each generation holds
	for i := range 3 {
		rev := fmt.Sprint("rev", i)
		want[publish(t, clean, 10+i, rev)] = revsOf(10+i, rev)
	}
	seeds, went := uint64(reindextest.Seeds(8, 50)), 0
	for seed := range seeds {
		c.mu.Lock()
		c.rng = rand.New(rand.NewPCG(seed, 5))
		c.mu.Unlock()
		s := &backAndForth{chaos: c, clean: clean, want: want, seed: seed, rng: rand.New(rand.NewPCG(seed, 6))}
		if s.ix, _ = New(server.Transport(t, elastictransport.WithTransport(c)), &clean.cfg); s.run(t) {
			went++
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d of %d rollbacks succeeded; faults: %v", went, seeds, c.counts)
	if went < int(seeds)/4 {
		t.Errorf("only %d rollbacks succeeded", went)
	}
}

func revsOf(n int, rev string) map[string]string {
	found := map[string]string{}
	for _, p := range reindextest.Products(n, rev) {
		found[p.ID] = rev
	}
	return found
}

// backAndForth is one rollback among faults.
type backAndForth struct {
	chaos     *chaos
	ix, clean *Index
	want      map[string]map[string]string
	seed      uint64
	rng       *rand.Rand
}

func (s *backAndForth) run(t *testing.T) (went bool) {
	t.Helper()
	ctx := reindex.WithFence(t.Context(), int64(s.seed+1))
	before, err := s.clean.Generations(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	to := before[1+s.rng.IntN(2)].Name
	committed, failure := s.rollback(ctx, t, to)
	s.chaos.lateCall(true)
	after, err := s.clean.Generations(t.Context(), acme)
	if err != nil || len(after) != 3 || !slices.Equal(sortedNames(before), sortedNames(after)) {
		t.Fatalf("seed %d, error %v: generations %+v, error %v; before %+v", s.seed, failure, after, err, before)
	}
	live := after[0].Name
	if committed && live != to || failure == nil && !committed && live != before[0].Name || live != to &&
		live != before[0].Name {
		t.Errorf("seed %d: %s is live after a rollback from %s to %s, error %v", s.seed, live, before[0].Name, to, failure)
	}
	if err := s.clean.Update(t.Context(), acme, []reindex.Change{upsert("p0", fmt.Sprint("u", s.seed))}); err != nil {
		t.Fatal(err)
	}
	s.want[live]["p0"] = fmt.Sprint("u", s.seed)
	if err := s.clean.Settle(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	if found, err := search(t.Context(), s.clean, acme); err != nil || !maps.Equal(found, s.want[live]) {
		t.Errorf("seed %d, error %v: %s holds %v, error %v; want %v", s.seed, failure, live, found, err, s.want[live])
	}
	return committed
}

// rollback goes back to a generation, edits it on the way, and may stop at any place as a process does that dies.
func (s *backAndForth) rollback(ctx context.Context, t *testing.T, to string) (committed bool, err error) {
	t.Helper()
	retry := reindex.Retry{Attempts: 12, MinDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond}
	stage, dies := 0, s.rng.IntN(8)
	died := func() bool { stage++; return stage > dies }
	var g reindex.Generation
	err = retry.Do(ctx, func() (err error) {
		g, err = s.ix.Rollback(ctx, acme, to)
		return err
	})
	if err != nil || died() {
		return false, err
	}
	edit := upsert("p1", fmt.Sprint("e", s.seed))
	for range 2 {
		err = retry.Do(ctx, func() error { return g.(*generation).Edit(ctx, []reindex.Change{edit}) })
		if err != nil || died() {
			break
		}
		s.want[to]["p1"] = fmt.Sprint("e", s.seed)
		if err = retry.Do(ctx, func() error { _, err := g.Seal(ctx); return err }); err != nil || died() {
			break
		}
	}
	if s.want[to]["p1"] != fmt.Sprint("e", s.seed) { // it may be there or not: another one settles that
		if err := s.settle(context.WithoutCancel(ctx), to, edit); err != nil {
			t.Fatal(err)
		}
		s.want[to]["p1"] = fmt.Sprint("e", s.seed)
	}
	if err != nil || stage > dies {
		return false, err
	}
	err = retry.Do(ctx, func() error { return g.Commit(ctx) })
	if died() {
		return err == nil, err
	}
	return err == nil, errors.Join(err, retry.Do(context.WithoutCancel(ctx), func() error { return g.Abort(ctx) }))
}

// settle writes a product to an index itself.
func (s *backAndForth) settle(ctx context.Context, index string, c reindex.Change) error {
	w := writer{ix: s.clean, tenant: acme, index: index}
	entries, err := s.clean.look(ctx, index)
	if err != nil {
		return err
	}
	if k, ok := entries[index].keeping(s.clean.names(acme)); ok {
		w.alias = k.alias
	}
	return w.write(ctx, []reindex.Product{{ID: c.ID, Body: c.Body}}, nil)
}

func sortedNames(infos []reindex.GenerationInfo) (names []string) {
	for _, info := range infos {
		names = append(names, info.Name)
	}
	slices.Sort(names)
	return names
}
