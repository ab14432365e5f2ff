package esindex

import (
	"errors"
	"net/http"
	"testing"

	"productindex/reindex"
)

// A run that is paused while a newer one begins cannot commit, even if the newer one fails.
func TestFencedRun(t *testing.T) {
	for _, later := range []string{"open", "live", "aborted"} {
		t.Run("later one "+later, func(t *testing.T) {
			ix := open(t, nil)
			publish(t, ix, 1, "0")
			ctx := reindex.WithFence(t.Context(), 7)
			earlier, err := ix.Begin(ctx, acme)
			if err != nil {
				t.Fatal(err)
			}
			fill(t, earlier, 2, "earlier")
			assertOvertaken(t, ix, later, func() error { return earlier.Commit(ctx) })
			if err := earlier.Abort(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A run cannot begin once a newer one has begun, whatever becomes of the newer one.
func TestFencedBegin(t *testing.T) {
	for _, later := range []string{"open", "live"} {
		t.Run("later one "+later, func(t *testing.T) {
			ix := open(t, nil)
			publish(t, ix, 1, "0")
			assertOvertaken(t, ix, later, func() error {
				_, err := ix.Begin(reindex.WithFence(t.Context(), 7), acme)
				return err
			})
		})
	}
}

// assertOvertaken begins a run with token 8 in another process, and brings it to the given state. It then checks that a
// call of a run with a smaller token is refused and does not change the live index, which had one product.
func assertOvertaken(t *testing.T, ix *Index, state string, call func() error) {
	t.Helper()
	elsewhere, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx := reindex.WithFence(t.Context(), 8)
	later, err := elsewhere.Begin(ctx, acme)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, later, 3, "later")
	live := 1
	switch state {
	case "live":
		live = 3
		err = later.Commit(ctx)
	case "aborted":
		err = later.Abort(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := call(); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("the earlier run: error %v, want %v", err, reindex.ErrFenced)
	}
	if err := later.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	found, err := search(t.Context(), ix, acme)
	if err != nil || len(found) != live {
		t.Errorf("%d products are live, error %v, want %d", len(found), err, live)
	}
}

// If somebody has added an alias to the index of the earlier run, that index is not deleted, but the run still cannot
// commit.
func TestFencedRunWithAlias(t *testing.T) {
	ix := open(t, nil)
	live := publish(t, ix, 1, "0")
	elsewhere, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx1, ctx2 := reindex.WithFence(t.Context(), 7), reindex.WithFence(t.Context(), 8)
	earlier, err := ix.Begin(ctx1, acme)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, earlier, 2, "earlier")
	theirs := ix.cfg.Prefix + "x"
	must(t, ix, http.MethodPost, "/_aliases",
		`{"actions":[{"add":{"index":"`+earlier.Name()+`","alias":"`+theirs+`"}}]}`)
	later, err := elsewhere.Begin(ctx2, acme)
	if err != nil {
		t.Fatal(err)
	}
	if err := earlier.Commit(ctx1); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("commit of the earlier run: error %v, want %v", err, reindex.ErrFenced)
	}
	assertAlias(t, ix, ix.Alias(acme), live)
	assertAlias(t, ix, theirs, earlier.Name())
	for _, gen := range []reindex.Generation{earlier, later} {
		if err := gen.Abort(t.Context()); err != nil {
			t.Error(err)
		}
	}
	assertIndexes(t, ix, live, earlier.Name())
}

// Reap with a fencing token deletes the generations of runs with smaller tokens at once, and no others.
func TestReapWithFence(t *testing.T) {
	ix := open(t, nil)
	elsewhere, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	gen, err := ix.Begin(reindex.WithFence(t.Context(), 7), acme)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := gen.Abort(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for token, want := range []int{6: 0, 7: 0, 8: 1, 9: 0} {
		if n, err := elsewhere.Reap(reindex.WithFence(t.Context(), int64(token)), acme); n != want || err != nil {
			t.Errorf("token %d: reaped %d, error %v, want %d", token, n, err, want)
		}
	}
}

// Of two runs with the same token, only the first can commit, since the job store has only one job with this token.
func TestSameFence(t *testing.T) {
	ix := open(t, nil)
	elsewhere, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx := reindex.WithFence(t.Context(), 7)
	first, err := ix.Begin(ctx, acme)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, first, 2, "first")
	if _, err := elsewhere.Begin(ctx, acme); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("begin of the second run: error %v, want %v", err, reindex.ErrFenced)
	}
	if err := first.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	for _, index := range []*Index{ix, elsewhere} {
		if _, err := index.Begin(ctx, acme); !errors.Is(err, reindex.ErrFenced) {
			t.Errorf("begin with the token of the live index: error %v, want %v", err, reindex.ErrFenced)
		}
	}
	next, err := elsewhere.Begin(reindex.WithFence(t.Context(), 8), acme)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	assertLive(t, ix, 2, "first")
}

// If a newer run deletes the index of a run that is still beginning, Begin returns ErrFenced.
func TestFencedDuringBegin(t *testing.T) {
	ix := open(t, nil)
	elsewhere, err := New(ix.transport, &ix.cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := ix.names(acme)
	g := &generation{ix: ix, names: n, name: generationName(n.live, ix.now()), token: 7}
	ix.setOpen(g.name, true)
	if err := g.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	later, err := elsewhere.Begin(reindex.WithFence(t.Context(), 8), acme)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := later.Abort(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if err := g.open(t.Context(), g.rehearse); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("begin of the earlier run: error %v, want %v", err, reindex.ErrFenced)
	}
}

// Reap with a fencing token does not delete the index of a run without a token.
func TestRunWithoutToken(t *testing.T) {
	ix := open(t, nil)
	elsewhere := openOn(t, ix.transport, func(c *Config) { c.Prefix = ix.cfg.Prefix })
	without := begin(t, ix)
	with, err := elsewhere.Begin(reindex.WithFence(t.Context(), 7), acme)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := elsewhere.Reap(reindex.WithFence(t.Context(), 8), acme); n != 1 || err != nil {
		t.Errorf("reaped %d, error %v, want only the run with the smaller token", n, err)
	}
	assertIndexes(t, ix, without.name)
	if err := with.Abort(t.Context()); err != nil {
		t.Error(err)
	}
}
