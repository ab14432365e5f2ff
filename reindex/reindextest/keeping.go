package reindextest

import (
	"context"
	"fmt"
	"testing"

	"productindex/reindex"
)

// keeper returns the Indexer's Rollbacker.
func (f Fixture) keeper(t *testing.T) reindex.Rollbacker {
	t.Helper()
	keeper, ok := reindex.As[reindex.Rollbacker](f.Indexer)
	if !ok {
		t.Fatal("the Indexer is not a Rollbacker")
	}
	return keeper
}

// listed returns the generations of a tenant. The live one comes first.
func (f Fixture) listed(t *testing.T, tenant string) []reindex.GenerationInfo {
	t.Helper()
	infos, err := f.keeper(t).Generations(t.Context(), tenant)
	if err != nil {
		t.Fatalf("generations: %v", err)
	}
	seen := map[string]bool{}
	for i, info := range infos {
		named := info.Name != "" && !seen[info.Name]
		if !named || info.Live != (i == 0) || info.Job != "" || info.Live && !info.Replaced.IsZero() {
			t.Errorf("generation %d of %d is %+v, want its own name, no job, only the first live", i, len(infos), info)
		}
		seen[info.Name] = true
		if i > 1 && infos[i-1].Replaced.Before(info.Replaced) {
			t.Errorf("%s was replaced after %s, want it listed before that one", info.Name, infos[i-1].Name)
		}
	}
	return infos
}

func names(infos []reindex.GenerationInfo) (names []string) {
	for _, info := range infos {
		names = append(names, info.Name)
	}
	return names
}

// back opens a kept generation. It is aborted at the end of the test, which has no effect if it was committed.
func (f Fixture) back(ctx context.Context, t *testing.T, generation string) reindex.Generation {
	t.Helper()
	gen, err := f.keeper(t).Rollback(ctx, tenant, generation)
	if err != nil {
		t.Fatalf("rollback to %q: %v", generation, err)
	}
	t.Cleanup(func() {
		if err := gen.Abort(context.WithoutCancel(ctx)); err != nil {
			t.Errorf("abort: %v", err)
		}
	})
	return gen
}

// goBack makes a kept generation live and checks its number of documents.
func (f Fixture) goBack(t *testing.T, generation string, documents int64) {
	t.Helper()
	gen := f.back(t.Context(), t, generation)
	mustSeal(t, gen, documents)
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatalf("commit: %v", err)
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Fatalf("abort after a commit: %v", err)
	}
}

// publishAll makes n generations live, one after the other. The first has 10 products of rev "1", the second 11 of rev
// "2", and so on.
func (f Fixture) publishAll(t *testing.T, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		f.publish(t, tenant, ofRev(i))
	}
}

// ofRev returns the products of publishAll's ith generation.
func ofRev(i int) []reindex.Product { return Products(9+i, fmt.Sprint(i)) }

// assertLive checks that publishAll's ith generation is live.
func (f Fixture) assertLive(t *testing.T, i int) {
	t.Helper()
	assertFound(t, f.all(t, tenant), revs(ofRev(i), fmt.Sprint(i)))
}

// liveCount returns the number of documents that a new generation would replace.
func (f Fixture) liveCount(t *testing.T) int64 {
	t.Helper()
	gen := f.begin(t, tenant)
	mustWrite(t, gen, Products(1, "x"))
	live := mustSeal(t, gen, 1).Live
	if err := gen.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	return live
}
