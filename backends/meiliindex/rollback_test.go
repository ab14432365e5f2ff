package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// TestRollbacker runs on the same servers as TestConformance.
func TestRollbacker(t *testing.T) {
	onServers(t, reindextest.TestRollbacker, keepingFixture)
}

// keepingFixture returns a fixture whose index keeps two generations.
func keepingFixture(t *testing.T, url, key, prefix string) reindextest.Fixture {
	f := fixture(t, url, key, prefix)
	f.Indexer.(*Index).cfg.KeepPrevious = 2
	other := f.Other
	f.Other = func(t *testing.T) reindex.Indexer {
		ix := other(t)
		ix.(*Index).cfg.KeepPrevious = 2
		return ix
	}
	f.Reopen = func(t *testing.T) reindextest.Fixture { return keepingFixture(t, url, key, prefix) }
	return f
}

// goBack rolls back to a generation, or to the one that was replaced last if the name is empty.
func goBack(ctx context.Context, ix *Index, name string) error {
	g, err := ix.Rollback(ctx, "acme", name)
	if err != nil {
		return err
	}
	if _, err = g.Seal(ctx); err == nil {
		err = g.Commit(ctx)
	}
	return errors.Join(err, g.Abort(ctx))
}

// assertGenerations waits for all tasks. It then checks the numbers of documents of the live generation and of the kept
// ones, and that there are no other indexes.
func assertGenerations(t *testing.T, s *meilitest.Server, ix *Index, want ...int64) {
	t.Helper()
	waitAll(t, s)
	infos, err := ix.Generations(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, info := range infos {
		got = append(got, info.Documents)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the generations have %v documents, want %v", got, want)
	}
	if n := len(indexesOf(s)); n != len(want) {
		t.Errorf("there are %d indexes, want %d: %v", n, len(want), s.Indexes())
	}
}

// KeepPrevious limits the number of kept generations, and KeepFor their age.
func TestKeptForAWhile(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, &Config{KeepPrevious: 2, KeepFor: time.Hour})
	start := time.Now()
	at := func(after time.Duration) { ix.now = func() time.Time { return start.Add(after) } }
	reap := func(want int) {
		t.Helper()
		if n, err := ix.Reap(t.Context(), "acme"); n != want || err != nil {
			t.Errorf("reaped %d, error %v, want %d", n, err, want)
		}
	}
	at(0)
	publish(t, ix, reindextest.Products(1, "1")...)
	publish(t, ix, reindextest.Products(2, "2")...)
	at(40 * time.Minute)
	publish(t, ix, reindextest.Products(3, "3")...)
	reap(0)
	assertGenerations(t, s, ix, 3, 2, 1)
	infos, err := ix.Generations(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	opened, err := ix.Rollback(t.Context(), "acme", infos[2].Name)
	if err != nil {
		t.Fatal(err)
	}
	at(61 * time.Minute)
	reap(0) // since the generation is open
	if err := opened.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := newIndex(t, s, &ix.cfg)
	other.now = ix.now
	if n, err := other.Reap(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("another process: reaped %d, error %v, want 1", n, err)
	}
	assertGenerations(t, s, ix, 3, 2)
	at(101 * time.Minute)
	publish(t, ix, reindextest.Products(4, "4")...)
	assertGenerations(t, s, ix, 4, 3) // the second one is too old at the switch
	ix.cfg.KeepPrevious = 0
	reap(1)
	assertGenerations(t, s, ix, 4)
}

// A rollback to a kept generation that has lost documents is refused. Edits of an aborted rollback are not losses.
func TestRollbackToIndexWithLosses(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, &Config{KeepPrevious: 1})
	publish(t, ix, reindextest.Products(5, "1")...)
	if err := ix.Update(t.Context(), "acme", []reindex.Change{deletion("p0")}); err != nil {
		t.Fatal(err)
	}
	publish(t, ix, reindextest.Products(6, "2")...)
	g, err := ix.Rollback(t.Context(), "acme", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.(*generation).Edit(t.Context(), []reindex.Change{deletion("p1")}); err != nil {
		t.Fatal(err)
	}
	if err := g.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := goBack(t.Context(), ix, ""); err != nil {
			t.Fatal(err)
		}
	}
	admin := connect(t, s.URL, meilitest.MasterKey)
	for _, uid := range indexesOf(s) {
		if _, err := admin.Index(uid).DeleteDocumentWithContext(t.Context(), "p2", nil); err != nil {
			t.Fatal(err)
		}
	}
	waitAll(t, s)
	err = goBack(t.Context(), ix, "")
	if !errors.Is(err, reindex.ErrDamaged) || !strings.Contains(err.Error(), "holds 2 products, and held 3") {
		t.Errorf("rollback to an index that has lost a product: error %v, want %v", err, reindex.ErrDamaged)
	}
	assertGenerations(t, s, ix, 5, 2)
}

// indexesOf returns the uids of the indexes on the server, without marks.
func indexesOf(s *meilitest.Server) (uids []string) {
	for _, uid := range s.Indexes() {
		if n, beside := (&Index{cfg: Config{Prefix: defaultPrefix}}).parseStaging("acme", uid); !beside || !n.isMark() {
			uids = append(uids, uid)
		}
	}
	return uids
}

// If two processes roll back to the same generation without fencing tokens, the later one succeeds, and the other one
// fails without any effect.
func TestRollbackOfTwoProcesses(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, &Config{KeepPrevious: 2, StaleAfter: -1})
	publish(t, ix, reindextest.Products(1, "1")...)
	publish(t, ix, reindextest.Products(2, "2")...)
	other := newIndex(t, s, &ix.cfg)
	slow, err := ix.Rollback(t.Context(), "acme", "")
	if err != nil {
		t.Fatal(err)
	}
	fast, err := other.Rollback(t.Context(), "acme", slow.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := slow.(*generation).Edit(t.Context(), []reindex.Change{upsert("new", "x")}); err == nil {
		t.Error("an edit by the earlier process succeeds")
	}
	if err := slow.Commit(t.Context()); err == nil {
		t.Error("a commit by the earlier process succeeds")
	}
	if err := slow.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	mustCommit(t, fast)
	if _, err := ix.Reap(t.Context(), "acme"); err != nil {
		t.Error(err)
	}
	assertGenerations(t, s, ix, 1, 2)
}

// If the answer to a swap is lost, Commit finds out that the swap was applied, and the following Abort does not change
// the live index.
func TestLateSwapOfKept(t *testing.T) {
	for _, back := range []bool{false, true} {
		t.Run(fmt.Sprintf("back=%v", back), func(t *testing.T) {
			s := server(t)
			ix := newIndex(t, s, &Config{KeepPrevious: 2})
			publish(t, ix, reindextest.Products(1, "1")...)
			publish(t, ix, reindextest.Products(2, "2")...)
			var gen reindex.Generation
			var err error
			if back {
				gen, err = ix.Rollback(t.Context(), "acme", "")
			} else {
				gen = begin(t, ix)
				mustWrite(t, gen, reindextest.Products(3, "3")...)
			}
			if err != nil {
				t.Fatal(err)
			}
			mustSeal(t, gen)
			swaps := s.Tasks("indexSwap")
			s.SetFault(func(r *http.Request) *meilitest.Fault {
				if r.URL.Path == "/swap-indexes" && s.Tasks("indexSwap") == swaps+1 {
					return &meilitest.Fault{After: true} // the swap itself, after the renaming of the index
				}
				return nil
			})
			commitErr := gen.Commit(t.Context())
			s.SetFault(nil)
			if err := gen.Abort(t.Context()); err != nil {
				t.Error(err)
			}
			switch {
			case commitErr != nil:
				t.Errorf("commit: %v", commitErr)
			case back:
				assertGenerations(t, s, ix, 1, 2)
			default:
				assertGenerations(t, s, ix, 3, 2, 1)
			}
		})
	}
}

// Whatever the faults on the way to the server, and wherever a process ends, exactly one whole generation is live: the
// previous one, or that of the rollback. The others are kept, and no edit is lost.
func TestRollbackFaults(t *testing.T) {
	s := server(t)
	f := keepingFixture(t, s.URL, meilitest.MasterKey, defaultPrefix)
	reindextest.TestRollbackFaults(t, f, reindextest.Seeds(20, 100),
		func(t *testing.T, seed uint64) (reindex.Indexer, func()) {
			s.SetFault(randomFaults(seed))
			return newIndex(t, s, &f.Indexer.(*Index).cfg), func() {
				s.SetFault(nil)
				waitAll(t, s)
			}
		})
}
