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

// Products of the catalogue of a shop. Reindexes and rollbacks change the rev of the plain ones, edits that of the
// others.
const (
	plainProducts  = 30
	editedProducts = 5
)

// shop is a catalogue that is reindexed, edited, and taken back, with what its index has to hold.
type shop struct {
	f      Fixture
	engine *reindex.Engine
	faulty *Faulty
	log    reindex.ChangeLog
	jobs   reindex.JobStore

	mu    sync.Mutex
	rev   int               // of the catalogue, and of the generation that is built next
	edits map[string]string // by id; empty stands for a deletion

	live  int            // the rev of the live generation
	known map[string]int // revs by the names of generations
}

func newShop(f Fixture) *shop {
	return &shop{
		f: f, log: reindex.NewChanges(0), jobs: reindex.NewJobs(0), edits: map[string]string{}, known: map[string]int{},
	}
}

// open makes an engine, as a process does at its start, whose calls of the index go wrong as fault says.
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

// catalogue is what the shop has now: edits are in it as well.
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

// want is what searches find while the generation of a rev is live.
func (s *shop) want(rev int) map[string]string {
	want := revs(Products(plainProducts+rev%3, ""), fmt.Sprint(rev))
	for id, edit := range s.edits {
		if want[id] = edit; edit == "" {
			delete(want, id)
		}
	}
	return want
}

// edit changes a product until the engine has accepted that.
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

// reindex builds the next rev, and reports whether it is live.
func (s *shop) reindex(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	s.rev++
	s.mu.Unlock()
	_, err := s.engine.Run(t.Context(), tenant)
	s.ended(t, err, s.rev)
}

// goBack goes back to the generation before until the engine says that this has succeeded.
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

// ended notes which rev is live after a run that was to make one live.
func (s *shop) ended(t *testing.T, err error, rev int) {
	t.Helper()
	failure, failed := errors.AsType[*reindex.RunError](err)
	switch {
	case err != nil && !failed:
		t.Fatalf("%v is not a RunError", err)
	case err == nil, failure.MayBeLive && s.f.all(t, tenant)["p0"] == fmt.Sprint(rev):
		s.live = rev
	}
	if infos := s.f.listed(t, tenant); len(infos) > 0 {
		s.known[infos[0].Name] = s.live
	}
}

// before returns the rev of the generation that a rollback goes back to; 0 if there is none.
func (s *shop) before(t *testing.T) int {
	t.Helper()
	infos := s.f.listed(t, tenant)
	if len(infos) < 2 {
		return 0
	}
	return s.known[infos[1].Name]
}

// check compares what searches find with what they are to find.
func (s *shop) check(t *testing.T) {
	t.Helper()
	if err := s.engine.Settle(t.Context(), tenant); err != nil {
		s.f.settle(t) // the changes are in the index, as each Update waited for that
	}
	assertFound(t, s.f.all(t, tenant), s.want(s.live))
}

// inspect searches until the returned function is called, and fails the test if a search finds anything but the plain
// products of one rev.
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

// Reindex, edit, roll back, edit, roll forward: the index is what the edits say, and whole at every moment.
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
			t.Errorf("rev %d is live after %d rollbacks", s.live, n+1)
		}
		s.check(t)
	}
	stop()
	if f.Reopen != nil {
		s.f = f.Reopen(t)
		assertFound(t, s.f.all(t, tenant), s.want(s.live))
	}
}

// Whatever goes wrong between engine and index: it holds the edits and one whole generation, which is the one that was
// to be live if the engine says so.
func testRollbackUnderFaults(t *testing.T, f Fixture) {
	s := newShop(f)
	s.open(t, func(Call) Fault { return Fault{} })
	s.reindex(t)
	s.edit(t, 1)
	s.reindex(t)
	stop := s.inspect(t)
	for seed := range uint64(Seeds(6, 50)) {
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

// A process that dies at any moment of a rollback leaves the old generation live, or the one to go back to, and who
// repeats the rollback has the latter, with all edits.
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
		done bool // when it dies the call has been carried out
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
			t.Errorf("a rollback succeeds whose process dies at %s", at.op)
		}
		s.f = s.f.Reopen(t)
		s.open(t, none)
		s.edit(t, 2+i)
		s.goBack(t, target)
		s.check(t)
		if n := len(s.f.listed(t, tenant)); n != 2 {
			t.Errorf("%d generations are there after a crash at %s, want 2", n, at.op)
		}
	}
}

// Two processes go back at the same time, to different generations: that of the greater token is live in the end.
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
			err := reindex.Retry{}.Do(ctx, func() (err error) { // what the other one does can be in the way for a moment
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
		t.Errorf("generations %v after two rollbacks, before %v", got, names(before))
	}
}
