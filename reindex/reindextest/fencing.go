package reindextest

import (
	"context"
	"errors"
	"testing"

	"productindex/reindex"
)

// A run that a newer one has overtaken publishes nothing. If two runs have the same token, only one of them publishes.
// A run may begin again with its token after it has discarded its generation.
func testFencing(t *testing.T, f Fixture) {
	begin := func(token int64) (reindex.Generation, context.Context, error) {
		ctx := reindex.WithFence(t.Context(), token)
		gen, err := f.Indexer.Begin(ctx, tenant)
		if err == nil {
			t.Cleanup(func() {
				if err := gen.Abort(context.WithoutCancel(ctx)); err != nil {
					t.Errorf("abort of the generation with token %d: %v", token, err)
				}
			})
		}
		return gen, ctx, err
	}
	must := func(token int64) (reindex.Generation, context.Context) {
		t.Helper()
		gen, ctx, err := begin(token)
		if err != nil {
			t.Fatalf("begin with token %d: %v", token, err)
		}
		return gen, ctx
	}
	f.publish(t, tenant, Products(5, "0"))
	paused, pausedCtx := must(5)
	mustWrite(t, paused, Products(7, "5"))
	mustSeal(t, paused, 7)
	newer, newerCtx := must(6)
	for _, token := range []int64{4, 5, 6} {
		if _, _, err := begin(token); !errors.Is(err, reindex.ErrFenced) {
			t.Errorf("begin with token %d while the generation of token 6 is open: %v, want ErrFenced", token, err)
		}
	}
	if err := paused.Commit(pausedCtx); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("commit of the run that was overtaken: %v, want ErrFenced", err)
	}
	assertFound(t, f.all(t, tenant), revs(Products(5, "0"), "0"))
	if err := newer.Abort(newerCtx); err != nil {
		t.Fatal(err)
	}
	again, againCtx := must(6)
	mustWrite(t, again, Products(3, "6"))
	mustSeal(t, again, 3)
	if err := again.Commit(againCtx); err != nil {
		t.Fatalf("commit of the newest run: %v", err)
	}
	assertFound(t, f.all(t, tenant), revs(Products(3, "6"), "6"))
	for _, token := range []int64{5, 6} {
		if _, _, err := begin(token); !errors.Is(err, reindex.ErrFenced) {
			t.Errorf("begin with token %d after the generation of token 6 went live: %v, want ErrFenced", token, err)
		}
	}
}
