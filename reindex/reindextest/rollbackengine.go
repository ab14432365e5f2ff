package reindextest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"productindex/reindex"
)

// The catalogue of a shop has plain products, whose rev changes with reindexes and rollbacks, and edited ones, whose
// rev changes with edits.
const (
	plainProducts  = 30
	editedProducts = 5
)

// shop is a catalogue that is reindexed, edited and rolled back, with the expected content of its index.
type shop struct {
	f      Fixture
	engine *reindex.Engine
	faulty *Faulty
	log    reindex.ChangeLog
	jobs   reindex.JobStore

	mu    sync.Mutex
	rev   int               // the rev of the catalogue and of the next generation
	edits map[string]string // the revs of edited products by id; "" stands for a deletion

	live  int            // the rev of the live generation
	known map[string]int // the revs of generations by name
}

func newShop(f Fixture) *shop {
	return &shop{
		f: f, log: reindex.NewChanges(0), jobs: reindex.NewJobs(0), edits: map[string]string{}, known: map[string]int{},
	}
}

// open creates an engine, as a process does at its start. Its calls of the index have the faults that fault returns.
func (s *shop) open(t *testing.T, fault func(Call) Fault) {
	t.Helper()
	s.faulty = NewFaulty(s.f.Indexer, fault)
	engine, err := reindex.New(reindex.SourceFunc(s.catalogue), s.faulty, &reindex.Config{
		Changes: s.log, Jobs: s.jobs, MinFraction: -1,
		Retry: reindex.Retry{Attempts: 6, MinDelay: time.Microsecond, MaxDelay: 10 * time.Microsecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	s.engine = engine
}

// catalogue yields the current products of the shop, including its edits.
func (s *shop) catalogue(context.Context, string) iter.Seq2[reindex.Product, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	var products []reindex.Product
	for id, rev := range s.want(s.rev) {
		products = append(products, product(id, rev))
	}
	return func(yield func(reindex.Product, error) bool) {
		for _, p := range products {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// want returns the expected result of a search while the generation of a rev is live.
func (s *shop) want(rev int) map[string]string {
	want := revs(Products(plainProducts+rev%3, ""), fmt.Sprint(rev))
	for id, edit := range s.edits {
		if want[id] = edit; edit == "" {
			delete(want, id)
		}
	}
	return want
}

// edit changes or deletes a product. It repeats the call until the engine accepts it.
func (s *shop) edit(t *testing.T, n int) {
	t.Helper()
	id, rev := fmt.Sprintf("edited-%d", n%editedProducts), fmt.Sprint("e", n)
	change := upsert(id, rev)
	if n%7 == 0 {
		change, rev = deletion(id), ""
	}
	s.mu.Lock()
	s.edits[id] = rev
	s.mu.Unlock()
	for try := 0; ; try++ {
		err := s.engine.Update(t.Context(), tenant, change)
		if err == nil {
			return
		}
		if try == 100 {
			t.Fatalf("update: %v", err)
		}
	}
}

// reindex runs a reindex of the next rev.
func (s *shop) reindex(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	s.rev++
	s.mu.Unlock()
	_, err := s.engine.Run(t.Context(), tenant)
	s.ended(t, err, s.rev)
}

// goBack rolls back to the previous generation, whose rev is target. It repeats the call until it succeeds.
func (s *shop) goBack(t *testing.T, target int) {
	t.Helper()
	for try := 0; ; try++ {
		_, err := s.engine.Rollback(t.Context(), tenant)
		s.ended(t, err, target)
		if err == nil {
			return
		}
		if try == 100 {
			t.Fatalf("rollback: %v", err)
		}
	}
}

// ended records the live rev after a run that should have made rev live.
func (s *shop) ended(t *testing.T, err error, rev int) {
	t.Helper()
	failure, failed := errors.AsType[*reindex.RunError](err)
	switch {
	case err != nil && !failed:
		t.Fatalf("error %v, want a RunError", err)
	case err == nil, failure.MayBeLive && s.f.all(t, tenant)["p0"] == fmt.Sprint(rev):
		s.live = rev
	}
	if infos := s.f.listed(t, tenant); len(infos) > 0 {
		s.known[infos[0].Name] = s.live
	}
}

// before returns the rev of the generation to which a rollback goes back, or 0 if there is none.
func (s *shop) before(t *testing.T) int {
	t.Helper()
	infos := s.f.listed(t, tenant)
	if len(infos) < 2 {
		return 0
	}
	return s.known[infos[1].Name]
}

// check compares the result of a search with the expected one.
func (s *shop) check(t *testing.T) {
	t.Helper()
	if err := s.engine.Settle(t.Context(), tenant); err != nil {
		s.f.settle(t) // each Update has waited until its changes were in the index
	}
	assertFound(t, s.f.all(t, tenant), s.want(s.live))
}

// inspect searches until stop is called, and fails the test if a search finds plain products of more than one rev, or
// not all of that rev.
func (s *shop) inspect(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		pace := time.NewTicker(searchPace)
		defer pace.Stop()
		for ; ctx.Err() == nil; <-pace.C {
			found, err := s.f.Search(context.WithoutCancel(ctx), tenant)
			maps.DeleteFunc(found, func(id, _ string) bool { return id[0] == 'e' })
			problem := inspect(found, err, func(rev string) int {
				n := 0
				if _, err := fmt.Sscan(rev, &n); err != nil {
					return -1
				}
				return plainProducts + n%3
			})
			if problem != "" {
				t.Error(problem)
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// During reindexes, edits, rollbacks and rollbacks of rollbacks, the index has every edit and each search sees one
// whole generation.
func testEngineBackAndForward(t *testing.T, f Fixture) {
	s := newShop(f)
	s.open(t, func(Call) Fault { return Fault{} })
	s.reindex(t)
	s.edit(t, 1)
	s.reindex(t)
	stop := s.inspect(t)
	for n := range 4 {
		s.edit(t, 2+n)
		target := s.before(t)
		var running sync.WaitGroup
		running.Go(func() { s.edit(t, 100+n) })
		s.goBack(t, target)
		running.Wait()
		if s.live != 2-(n+1)%2 {
			t.Errorf("rev %d is live after %d rollbacks, want %d", s.live, n+1, 2-(n+1)%2)
		}
		s.check(t)
	}
	stop()
	if f.Reopen != nil {
		s.f = f.Reopen(t)
		assertFound(t, s.f.all(t, tenant), s.want(s.live))
	}
}

// Under any faults between engine and index, the index has every edit and one whole generation. After a success, that
// is the generation that the run or the rollback should make live.
func testRollbackUnderFaults(t *testing.T, f Fixture) {
	s := newShop(f)
	s.open(t, func(Call) Fault { return Fault{} })
	s.reindex(t)
	s.edit(t, 1)
	s.reindex(t)
	stop := s.inspect(t)
	seeds := f.FaultSeeds
	if seeds == 0 {
		seeds = Seeds(6, 50)
	}
	for seed := range uint64(seeds) {
		rng := rand.New(rand.NewPCG(seed, 21))
		s.open(t, Random(seed, 8, nil))
		for step := range 5 {
			s.edit(t, int(seed)*10+step)
			switch target := s.before(t); {
			case rng.IntN(3) == 0 || target == 0:
				s.reindex(t)
			default:
				s.goBack(t, target)
			}
			s.check(t)
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
	stop()
}

// After a process dies at any moment of a rollback, either the old generation is live or the target of the rollback.
// After the rollback is repeated, the target is live, with all edits.
func testRollbackRepeated(t *testing.T, f Fixture) {
	if f.Reopen == nil {
		t.Skip("the Indexer does not outlive its process")
	}
	s := newShop(f)
	none := func(Call) Fault { return Fault{} }
	s.open(t, none)
	s.reindex(t)
	s.reindex(t)
	s.edit(t, 1)
	died := errors.New("the process has died")
	for i, at := range []struct {
		op   Op
		done bool // the process dies after the call and not before it
	}{
		{OpRollback, false}, {OpEdit, false}, {OpEdit, true}, {OpSeal, true}, {OpCommit, false}, {OpCommit, true},
	} {
		dead := false
		var mu sync.Mutex
		s.open(t, func(c Call) Fault {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case dead:
				return Fault{Err: died}
			case c.Op == at.op && at.done:
				dead = true
				return Fault{Lost: died}
			case c.Op == at.op:
				dead = true
				return Fault{Err: died}
			}
			return Fault{}
		})
		s.edit(t, 50+i)
		target := s.before(t)
		if _, err := s.engine.Rollback(t.Context(), tenant); err == nil {
			t.Errorf("a rollback succeeds although its process dies at %s", at.op)
		}
		s.f = s.f.Reopen(t)
		s.open(t, none)
		s.edit(t, 2+i)
		s.goBack(t, target)
		s.check(t)
		if n := len(s.f.listed(t, tenant)); n != 2 {
			t.Errorf("%d generations exist after a crash at %s, want 2", n, at.op)
		}
	}
}

// If two processes roll back to different generations at the same time, the target of the greater token is live in the
// end.
func testTwoGoBack(t *testing.T, f Fixture) {
	f.publishAll(t, 3)
	before := f.listed(t, tenant)
	other := f.Indexer
	if f.Other != nil {
		other = f.Other(t)
	}
	var running sync.WaitGroup
	for i, ix := range []reindex.Indexer{f.Indexer, other} {
		running.Go(func() {
			ctx := reindex.WithFence(t.Context(), int64(10+i))
			keeper, _ := reindex.As[reindex.Rollbacker](ix)
			var gen reindex.Generation
			err := reindex.Retry{}.Do(ctx, func() (err error) { // the other rollback can interfere for a moment
				gen, err = keeper.Rollback(ctx, tenant, before[1+i].Name)
				return err
			})
			if err == nil {
				_, err = gen.Seal(ctx)
				err = errors.Join(err, gen.Commit(ctx), gen.Abort(ctx))
			}
			if err != nil && i == 1 {
				t.Errorf("the rollback with the greater token: %v", err)
			}
		})
	}
	running.Wait()
	f.assertLive(t, 1)
	if got := names(f.listed(t, tenant)); len(got) != 3 || got[0] != before[2].Name {
		t.Errorf("generations %v after two rollbacks of %v, want 3 with %s live", got, names(before), before[2].Name)
	}
}
