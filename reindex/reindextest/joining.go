package reindextest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"

	"productindex/reindex"
)

// other returns the index as another process opens it.
func (f Fixture) other(t *testing.T) reindex.Indexer {
	t.Helper()
	if f.Other == nil {
		return f.Indexer
	}
	return f.Other(t)
}

// joiner returns the Joiner of another process. It skips the test if the index has none.
func (f Fixture) joiner(t *testing.T) reindex.Joiner {
	t.Helper()
	joiner, ok := reindex.As[reindex.Joiner](f.other(t))
	if !ok {
		t.Skip("the Indexer is not a Joiner")
	}
	if _, err := joiner.Join(t.Context(), tenant, "probe"); errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("the Indexer cannot be joined: %v", err)
	}
	return joiner
}

// resumer returns the Resumer of another process. It skips the test if the index has none.
func (f Fixture) resumer(t *testing.T) reindex.Resumer {
	t.Helper()
	resumer, ok := reindex.As[reindex.Resumer](f.other(t))
	if !ok {
		t.Skip("the Indexer is not a Resumer")
	}
	_, err := resumer.Resume(reindex.WithFence(t.Context(), 1), tenant, "probe")
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("the Indexer cannot resume: %v", err)
	}
	return resumer
}

// beginWith opens a generation with a token.
func (f Fixture) beginWith(t *testing.T, token int64) (reindex.Generation, context.Context) {
	t.Helper()
	ctx := reindex.WithFence(t.Context(), token)
	gen, err := f.Indexer.Begin(ctx, tenant)
	if err != nil {
		t.Fatalf("begin with token %d: %v", token, err)
	}
	t.Cleanup(func() {
		if err := gen.Abort(context.WithoutCancel(ctx)); err != nil {
			t.Errorf("abort of the generation with token %d: %v", token, err)
		}
	})
	return gen, ctx
}

func mustJoin(ctx context.Context, t *testing.T, joiner reindex.Joiner, gen reindex.Generation) reindex.Writer {
	t.Helper()
	w, err := joiner.Join(ctx, tenant, gen.Name())
	if err != nil {
		t.Fatalf("join: %v", err)
	}
	return w
}

func mustWriteAs(t *testing.T, w reindex.Writer, products []reindex.Product) {
	t.Helper()
	if err := w.Write(t.Context(), products); err != nil {
		t.Fatalf("write of a process that has joined: %v", err)
	}
	if late, err := w.Flush(t.Context()); err != nil || len(late) > 0 {
		t.Fatalf("flush of a process that has joined: %v, refused %v", err, late)
	}
}

// A generation contains the products of all processes that write into it.
func testJoin(t *testing.T, f Fixture) {
	joiner := f.joiner(t)
	f.publish(t, tenant, Products(5, "0"))
	gen, ctx := f.beginWith(t, 5)
	products := Products(60, "1")
	first, second := mustJoin(ctx, t, joiner, gen), mustJoin(ctx, t, joiner, gen)
	mustWrite(t, gen, products[:20])
	mustWriteAs(t, first, products[20:40])
	mustWriteAs(t, second, products[30:])
	assertFound(t, f.all(t, tenant), revs(Products(5, "0"), "0"))
	mustSeal(t, gen, 60)
	if err := gen.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	assertFound(t, f.all(t, tenant), revs(products, "1"))
}

// The writes of a late process are refused: after the Flush of the load, and in a live or discarded generation.
func testJoinIsFenced(t *testing.T, f Fixture) {
	joiner := f.joiner(t)
	refused := func(ctx context.Context, when string, w reindex.Writer, name string) {
		t.Helper()
		err := w.Write(ctx, Products(9, "late"))
		if err == nil {
			_, err = w.Flush(ctx)
		}
		if !errors.Is(err, reindex.ErrFenced) {
			t.Errorf("write of a process that has joined, %s: %v, want ErrFenced", when, err)
		}
		if _, err := joiner.Join(ctx, tenant, name); !errors.Is(err, reindex.ErrFenced) {
			t.Errorf("join %s: %v, want ErrFenced", when, err)
		}
	}
	gen, ctx := f.beginWith(t, 5)
	w := mustJoin(ctx, t, joiner, gen)
	mustWriteAs(t, w, Products(7, "1"))
	if _, err := gen.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	refused(ctx, "after the flush", w, gen.Name())
	mustSeal(t, gen, 7)
	refused(ctx, "after the seal", w, gen.Name())
	if err := gen.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	refused(ctx, "after the commit", w, gen.Name())
	assertFound(t, f.all(t, tenant), revs(Products(7, "1"), "1"))

	newer, newerCtx := f.beginWith(t, 6)
	w = mustJoin(newerCtx, t, joiner, newer)
	if _, err := joiner.Join(ctx, tenant, newer.Name()); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("join with the token of an older run: %v, want ErrFenced", err)
	}
	if err := newer.Abort(newerCtx); err != nil {
		t.Fatal(err)
	}
	refused(newerCtx, "after the abort", w, newer.Name())
	assertFound(t, f.all(t, tenant), revs(Products(7, "1"), "1"))
}

// A resumed generation contains all products that were written. The former process can neither publish nor discard it.
func testResume(t *testing.T, f Fixture) {
	resumer, joiner := f.resumer(t), f.joiner(t)
	f.publish(t, tenant, Products(5, "0"))
	dead, deadCtx := f.beginWith(t, 5)
	products := Products(30, "1")
	mustWrite(t, dead, products[:10])
	w := mustJoin(deadCtx, t, joiner, dead)
	mustWriteAs(t, w, products[10:15])

	ctx := reindex.WithFence(t.Context(), 6)
	gen, err := resumer.Resume(ctx, tenant, dead.Name())
	if err != nil {
		t.Fatalf("resume: %v", err)
	}
	if gen.Name() != dead.Name() {
		t.Errorf("the resumed generation is %q, want %q", gen.Name(), dead.Name())
	}
	mustWriteAs(t, w, products[15:20])
	mustWriteAs(t, mustJoin(ctx, t, joiner, gen), products[20:25])
	mustWrite(t, gen, products[25:])
	if err := dead.Commit(deadCtx); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("commit of the former process: %v, want ErrFenced", err)
	}
	if err := dead.Abort(deadCtx); err != nil {
		t.Errorf("abort of the former process: %v", err)
	}
	for _, token := range []int64{5, 6} {
		_, err := resumer.Resume(reindex.WithFence(t.Context(), token), tenant, gen.Name())
		if !errors.Is(err, reindex.ErrFenced) {
			t.Errorf("resume with token %d: %v, want ErrFenced", token, err)
		}
	}
	assertFound(t, f.all(t, tenant), revs(Products(5, "0"), "0"))
	mustSeal(t, gen, 30)
	if err := gen.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := gen.Abort(ctx); err != nil {
		t.Fatal(err)
	}
	assertFound(t, f.all(t, tenant), revs(products, "1"))
}

// A live or discarded generation cannot be resumed, and does not change.
func testResumeNothing(t *testing.T, f Fixture) {
	resumer := f.resumer(t)
	gen, ctx := f.beginWith(t, 5)
	mustWrite(t, gen, Products(7, "1"))
	mustSeal(t, gen, 7)
	if err := gen.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	newer := reindex.WithFence(t.Context(), 8)
	if _, err := resumer.Resume(newer, tenant, gen.Name()); !errors.Is(err, reindex.ErrCommitted) {
		t.Errorf("resume of a live generation: %v, want ErrCommitted", err)
	}
	gone, goneCtx := f.beginWith(t, 6)
	if err := gone.Abort(goneCtx); err != nil {
		t.Fatal(err)
	}
	if _, err := resumer.Resume(newer, tenant, gone.Name()); !errors.Is(err, reindex.ErrNoGeneration) {
		t.Errorf("resume of a discarded generation: %v, want ErrNoGeneration", err)
	}
	assertFound(t, f.all(t, tenant), revs(Products(7, "1"), "1"))
}

// An engine whose parts another engine loads publishes the products of all parts.
func testEngineLoadsElsewhere(t *testing.T, f Fixture) {
	f.joiner(t)
	products := Products(90, "1")
	src := halves{products}
	worker, err := reindex.New(src, f.other(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := reindex.New(src, f.Indexer, &reindex.Config{Loader: &loadBy{worker: worker}})
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), tenant)
	if err != nil || report.Indexed != 90 || report.Read != 90 {
		t.Fatalf("read %d, indexed %d, error %v; want 90 of each", report.Read, report.Indexed, err)
	}
	assertFound(t, f.all(t, tenant), revs(products, "1"))
}

// halves is a source of two parts.
type halves struct{ products []reindex.Product }

func (h halves) Open(context.Context, string) (reindex.Snapshot, error) { return h, nil }
func (h halves) Close() error                                           { return nil }
func (h halves) Products(context.Context) iter.Seq2[reindex.Product, error] {
	return yieldAll(h.products)
}
func (h halves) Split(context.Context, int) ([]string, error) { return []string{"a", "b"}, nil }

func (h halves) Part(_ context.Context, name string) iter.Seq2[reindex.Product, error] {
	half := len(h.products) / 2
	if name == "a" {
		return yieldAll(h.products[:half])
	}
	return yieldAll(h.products[half:])
}

func yieldAll(products []reindex.Product) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		for p := range slices.Values(products) {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// loadBy is a Loader that loads the parts with an engine in place of another process.
type loadBy struct{ worker *reindex.Engine }

func (l *loadBy) Split(int64) int { return 2 }
func (l *loadBy) Overlap(context.Context, reindex.Load) (none reindex.Overlap, err error) {
	return none, nil
}

func (l *loadBy) Holds(context.Context, reindex.Load, []string) (map[string]bool, error) {
	return nil, errors.ErrUnsupported
}

func (l *loadBy) Load(ctx context.Context, load reindex.Load) (sum reindex.Report, err error) {
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	for _, name := range load.Parts {
		all.Go(func() {
			part := reindex.Part{
				Job:   reindex.JobInfo{ID: load.Job.ID, Tenant: load.Job.Tenant, EntityType: load.Job.EntityType},
				Fence: load.Job.Fence, Generation: load.Generation, Name: name,
			}
			report, err := l.worker.LoadPart(ctx, part, nil)
			mu.Lock()
			defer mu.Unlock()
			sum.Read += report.Report.Read
			sum.Indexed += report.Report.Indexed
			errs = append(errs, err)
		})
	}
	all.Wait()
	return sum, errors.Join(errs...)
}
