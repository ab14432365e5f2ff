package reindex_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// keeping is an engine on an index with two kept generations: one of 100 products with rev "1", and the live one, of
// 100 products with rev "2".
type keeping struct {
	bench

	log reindex.ChangeLog
}

func newKeeping(t *testing.T, cfg reindex.Config, fault func(reindextest.Call) reindextest.Fault) keeping {
	t.Helper()
	index := reindextest.NewMemory()
	index.KeepPrevious = 2
	k := keeping{bench{index: index}, cfg.Changes}
	if k.log == nil {
		k.log = reindex.NewChanges(0)
	}
	cfg.Changes = k.log
	if cfg.Jobs == nil {
		cfg.Jobs = reindex.NewJobs(0)
	}
	cfg.Retry = reindex.Retry{Attempts: 4, MinDelay: time.Microsecond}
	rev := 0
	src := reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		rev++
		products := reindextest.Products(100, fmt.Sprint(rev))
		return func(yield func(reindex.Product, error) bool) {
			for _, p := range products {
				if !yield(p, nil) {
					return
				}
			}
		}
	})
	for _, ix := range []reindex.Indexer{index, reindextest.NewFaulty(index, func(c reindextest.Call) reindextest.Fault {
		if fault == nil {
			return reindextest.Fault{}
		}
		return fault(c)
	})} {
		c := cfg
		if ix == reindex.Indexer(index) {
			c.Checks, c.MaxRemoved, c.MaxChanged = nil, 0, 0
		}
		engine, err := reindex.New(src, ix, &c)
		if err != nil {
			t.Fatal(err)
		}
		if k.Engine == nil {
			for range 2 {
				if _, err := engine.Run(t.Context(), tenant); err != nil {
					t.Fatal(err)
				}
			}
		}
		k.Engine = engine
	}
	return k
}

// generations lists the names of the generations.
func (k keeping) generations(t *testing.T) (names []string) {
	t.Helper()
	infos, err := k.Generations(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		names = append(names, info.Name)
	}
	return names
}

// assertRefused checks that a rollback was refused by the rule on changes and changed nothing.
func (k keeping) assertRefused(t *testing.T, err error, live string) {
	t.Helper()
	gate, ok := errors.AsType[*reindex.GateError](err)
	if !ok || gate.Rule != reindex.RuleCurrent || !strings.Contains(gate.Detail, "reindex the tenant") {
		t.Errorf("error %v, want a GateError of rule %q that says to reindex the tenant", err, reindex.RuleCurrent)
	}
	k.assertLive(t, reindextest.Products(100, live), live)
}

// A rollback makes the previous generation live, with every edit since. A second rollback makes the other one live
// again.
func TestRollback(t *testing.T) {
	k := newKeeping(t, reindex.Config{}, nil)
	before := k.generations(t)
	if err := k.Update(t.Context(), tenant, upsert("p1", "edit"), deletion("p2")); err != nil {
		t.Fatal(err)
	}
	for i, rev := range []string{"1", "2", "1"} {
		report, err := k.Rollback(t.Context(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		if lacked := []int64{2, 1, 1}[i]; report.ChangesApplied != lacked {
			t.Errorf("%d changes were applied, want %d", report.ChangesApplied, lacked)
		}
		want := revsOf(100, rev)
		want["p1"], want["new"] = "edit", "edit"
		delete(want, "p2")
		if err := k.Update(t.Context(), tenant, upsert("new", "edit")); err != nil {
			t.Fatal(err)
		}
		k.assertRevs(t, want)
	}
	if after := k.generations(t); !slices.Equal(after, []string{before[1], before[0]}) {
		t.Errorf("generations %v, want those before, %v", after, before)
	}
}

// The job of a rollback shows its kind and its generation.
func TestRollbackJob(t *testing.T) {
	k := newKeeping(t, reindex.Config{}, nil)
	infos, err := k.Generations(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	job, started, err := k.StartWith(t.Context(), tenant, reindex.Options{Rollback: true})
	if err != nil || !started || !job.Options.Rollback {
		t.Fatalf("job %+v, started %v, error %v; want a new rollback", job, started, err)
	}
	for j, err := range k.Watch(t.Context(), tenant, job.ID) {
		if err != nil {
			t.Fatal(err)
		}
		job = j
	}
	shown := job.Generation == infos[1].Name && job.Options.Generation == infos[1].Name
	if job.Status != reindex.StatusSuccess || !shown || job.Report.Replaced != 100 {
		t.Errorf("job %+v, want a success to %s, which replaces 100 products", job, infos[1].Name)
	}
	made := map[string]string{}
	for _, info := range infos {
		made[info.Name] = info.Job
	}
	after, err := k.Generations(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range after {
		if info.Job == "" || info.Job == job.ID || info.Job != made[info.Name] {
			t.Errorf("generation %+v, want the job that made it, %q", info, made[info.Name])
		}
	}
}

func TestRollbackByName(t *testing.T) {
	k := newKeeping(t, reindex.Config{}, nil)
	if _, err := k.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	names := k.generations(t)
	for range 2 { // the second time it is live already
		if _, err := k.RunWith(t.Context(), tenant, reindex.Options{Rollback: true, Generation: names[2]}); err != nil {
			t.Fatal(err)
		}
		k.assertLive(t, reindextest.Products(100, "1"), "1")
	}
	_, err := k.RunWith(t.Context(), tenant, reindex.Options{Rollback: true, Generation: "gone"})
	failure, ok := errors.AsType[*reindex.RunError](err)
	if !ok || !errors.Is(err, reindex.ErrNoPrevious) || failure.MayBeLive || failure.Phase != reindex.PhaseBegin {
		t.Errorf("error %v, want ErrNoPrevious in the first phase, and that nothing may be live", err)
	}
	if !strings.HasPrefix(err.Error(), "rollback of tenant") {
		t.Errorf("error %v, want one that begins with what failed, a rollback", err)
	}
	jobs, _, err := k.Jobs(t.Context(), tenant, reindex.JobQuery{Limit: 1})
	want := "opening the previous index failed: " + reindex.ErrNoPrevious.Error()
	if err != nil || jobs[0].Message != want {
		t.Errorf("message %q, want %q; %v", jobs[0].Message, want, err)
	}
}

// If the index keeps no generations, a rollback is refused before there is a job.
func TestRollbackUnsupported(t *testing.T) {
	engine, err := reindex.New(reindextest.Slice(nil), neverKeeps{reindextest.NewMemory()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, failed := engine.Rollback(t.Context(), tenant)
	_, _, created := engine.Create(t.Context(), tenant, reindex.Options{Rollback: true})
	_, listed := engine.Generations(t.Context(), tenant)
	_, named := engine.RunWith(t.Context(), tenant, reindex.Options{Generation: "x"})
	for what, err := range map[string]error{
		"rollback": failed, "create": created, "generations": listed, "a named reindex": named,
	} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", what, err)
		}
	}
	if _, n, err := engine.Jobs(t.Context(), tenant, reindex.JobQuery{}); n != 0 || err != nil {
		t.Errorf("%d jobs, error %v; want none", n, err)
	}
	if _, err := engine.Generations(t.Context(), ""); !errors.Is(err, reindex.ErrTenant) {
		t.Errorf("generations of the empty tenant: error %v, want ErrTenant", err)
	}
}

// neverKeeps hides all capabilities of an index.
type neverKeeps struct{ ix reindex.Indexer }

func (n neverKeeps) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	return n.ix.Begin(ctx, tenant)
}

// Checks and rules are for new products. They do not apply to a rollback, whose generation was live before.
func TestRollbackIsNotJudged(t *testing.T) {
	k := newKeeping(t, reindex.Config{MaxRemoved: 1e-12, MaxChanged: 1e-12, Checks: []reindex.Check{{
		Name: "never", Func: func(context.Context, reindex.Candidate) error { return errors.New("no") },
	}}}, nil)
	report, err := k.Rollback(t.Context(), tenant)
	if err != nil || report.Difference != nil {
		t.Fatalf("difference %v, error %v; want neither", report.Difference, err)
	}
	k.assertLive(t, reindextest.Products(100, "1"), "1")
}

// A dry run of a rollback finds out what would change, and changes nothing.
func TestRollbackDryRun(t *testing.T) {
	k := newKeeping(t, reindex.Config{}, nil)
	before := k.generations(t)
	report, err := k.RunWith(t.Context(), tenant, reindex.Options{Rollback: true, DryRun: true, Difference: true})
	if err != nil {
		t.Fatal(err)
	}
	if d := report.Difference; d == nil || d.Changed != 100 || d.Added+d.Removed+d.Unchanged != 0 {
		t.Errorf("difference %+v, want 100 changed products", d)
	}
	k.assertLive(t, reindextest.Products(100, "2"), "2")
	if after := k.generations(t); !slices.Equal(after, before) {
		t.Errorf("generations %v, want those before, %v", after, before)
	}
}

// A request joins a running rollback only if it asks for the same rollback. A reindex does not join it.
func TestRollbackJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		k := newKeeping(t, reindex.Config{}, func(c reindextest.Call) reindextest.Fault {
			if c.Op == reindextest.OpSeal {
				<-hold
			}
			return reindextest.Fault{}
		})
		names := k.generations(t)
		job, _, err := k.StartWith(t.Context(), tenant, reindex.Options{Rollback: true})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for name, joins := range map[string]bool{"": true, names[1]: true, names[0]: false} {
			joined, started, err := k.StartWith(t.Context(), tenant, reindex.Options{Rollback: true, Generation: name})
			refused := errors.Is(err, reindex.ErrRunning)
			if started || joined.ID != job.ID || joins != (err == nil) || refused == joins {
				t.Errorf("rollback to %q: job %s, started %v, error %v; want job %s, joined: %v",
					name, joined.ID, started, err, job.ID, joins)
			}
		}
		if _, _, err := k.Start(t.Context(), tenant); !errors.Is(err, reindex.ErrRunning) {
			t.Errorf("a reindex during a rollback: error %v, want ErrRunning", err)
		}
		close(hold)
		synctest.Wait()
		k.assertLive(t, reindextest.Products(100, "1"), "1")
	})
}

// A cancelled rollback changes nothing, and its job says that it was cancelled.
func TestRollbackCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeping(t, reindex.Config{}, func(c reindextest.Call) reindextest.Fault {
			if c.Op == reindextest.OpSeal {
				return reindextest.Fault{Delay: time.Hour}
			}
			return reindextest.Fault{}
		})
		before := k.generations(t)
		job, _, err := k.StartWith(t.Context(), tenant, reindex.Options{Rollback: true})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := k.Cancel(t.Context(), tenant, job.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		job, err = k.Job(t.Context(), tenant, job.ID)
		if err != nil || job.Status != reindex.StatusFailure || job.Message != "the rollback was cancelled" {
			t.Errorf("job %+v, error %v; want a failure that says it was cancelled", job, err)
		}
		k.assertLive(t, reindextest.Products(100, "2"), "2")
		if after := k.generations(t); !slices.Equal(after, before) {
			t.Errorf("generations %v, want those before, %v", after, before)
		}
	})
}
