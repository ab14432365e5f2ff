package reindextest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"productindex/reindex"
)

// Faults opens the index of a fixture once more, with random faults of a seed between the index and its storage. calm
// ends the faults and waits for calls that are still running.
type Faults func(t *testing.T, seed uint64) (faulty reindex.Indexer, calm func())

// TestRollbackFaults rolls back and forth between three generations. Each rollback has faults of its own and can stop
// after any step, as in a process that dies. After that, either the former generation is live or the target of the
// rollback. The live generation is whole and has every edit, and the other generations are kept.
//
// The Indexer of f has no faults. It keeps two generations, and is a [reindex.Rollbacker] and a [reindex.Updater]. Its
// rollbacks are Editors.
func TestRollbackFaults(t *testing.T, f Fixture, seeds int, faults Faults) {
	t.Helper()
	f.publishAll(t, 3)
	s := &backAndForth{f: f, faults: faults, want: map[string]map[string]string{}}
	for i, name := range names(f.listed(t, tenant)) {
		s.want[name] = revs(ofRev(3-i), fmt.Sprint(3-i))
	}
	went := 0
	for seed := range uint64(seeds) {
		if s.run(t, seed) {
			went++
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d of %d rollbacks succeeded", went, seeds)
	if went < seeds/4 {
		t.Errorf("only %d of %d rollbacks succeeded", went, seeds)
	}
}

// backAndForth goes back and forth between generations.
type backAndForth struct {
	f      Fixture
	faults Faults
	want   map[string]map[string]string // the expected products of each generation
}

// run runs one rollback and checks the index. It reports whether the rollback was committed.
func (s *backAndForth) run(t *testing.T, seed uint64) (committed bool) {
	t.Helper()
	before := names(s.f.listed(t, tenant))
	rng := rand.New(rand.NewPCG(seed, 6))
	to := before[1+rng.IntN(2)]
	b := &oneRollback{to: to, edit: upsert("p1", fmt.Sprint("e", seed)), dies: rng.IntN(8)}
	faulty, calm := s.faults(t, seed)
	ctx := reindex.WithFence(t.Context(), int64(2*seed+1))
	err := b.run(ctx, faulty)
	calm()
	if b.tried && !b.edited { // it is not known whether the edit was applied
		gen := s.f.back(reindex.WithFence(t.Context(), int64(2*seed+2)), t, to)
		mustEdit(t, gen, b.edit)
		if err := gen.Abort(t.Context()); err != nil {
			t.Fatalf("seed %d: abort: %v", seed, err)
		}
	}
	if b.tried {
		s.want[to]["p1"] = fmt.Sprint("e", seed)
	}
	after := names(s.f.listed(t, tenant))
	if !slices.Equal(slices.Sorted(slices.Values(before)), slices.Sorted(slices.Values(after))) {
		t.Fatalf("seed %d, error %v: generations %v, before %v", seed, err, after, before)
	}
	live := after[0]
	switch {
	case live != to && live != before[0], b.committed && live != to, !b.committing && live != before[0]:
		t.Errorf("seed %d: %s is live after a rollback from %s to %s, error %v", seed, live, before[0], to, err)
	}
	mustUpdate(t, s.f, upsert("p0", fmt.Sprint("u", seed)))
	s.want[live]["p0"] = fmt.Sprint("u", seed)
	t.Logf("seed %d: %s after a rollback to %s, error %v", seed, live, to, err)
	assertFound(t, s.f.all(t, tenant), s.want[live])
	return b.committed
}

// oneRollback is a rollback among faults.
type oneRollback struct {
	to   string // the generation
	edit reindex.Change
	dies int // the number of steps after which the rollback stops

	tried, edited         bool // whether the edit was sent, and accepted
	committing, committed bool
}

// errDied reports that a rollback has stopped as in a process that dies.
var errDied = errors.New("the process has died")

// run rolls back to the generation and edits it before and after its first Seal.
func (b *oneRollback) run(ctx context.Context, ix reindex.Indexer) error {
	retry := reindex.Retry{Attempts: 12, MinDelay: 10 * time.Microsecond, MaxDelay: 5 * time.Millisecond}
	steps := 0
	step := func(try func() error) error {
		err := retry.Do(ctx, try)
		if steps++; err == nil && steps > b.dies {
			return errDied
		}
		return err
	}
	keeper, ok := reindex.As[reindex.Rollbacker](ix)
	if !ok {
		return fmt.Errorf("%w: the Indexer is not a Rollbacker", errors.ErrUnsupported)
	}
	var gen reindex.Generation
	err := step(func() (err error) {
		gen, err = keeper.Rollback(ctx, tenant, b.to)
		return err
	})
	if err != nil {
		return err
	}
	editor, ok := reindex.As[reindex.Editor](gen)
	if !ok {
		return fmt.Errorf("%w: the Generation is not an Editor", errors.ErrUnsupported)
	}
	for range 2 { // edits come before a Seal and after it
		b.tried = true
		err := step(func() error {
			err := editor.Edit(ctx, []reindex.Change{b.edit})
			b.edited = b.edited || err == nil
			return err
		})
		if err != nil {
			return err
		}
		if err := step(func() error { _, err := gen.Seal(ctx); return err }); err != nil {
			return err
		}
	}
	b.committing = true
	err = step(func() error {
		err := gen.Commit(ctx)
		b.committed = err == nil
		return err
	})
	if errors.Is(err, errDied) {
		return err
	}
	return errors.Join(err, retry.Do(context.WithoutCancel(ctx), func() error { return gen.Abort(ctx) }))
}
