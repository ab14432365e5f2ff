package reindex_test

import (
	"context"
	"errors"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// elsewhere is a Loader that loads the whole source as one part.
type elsewhere struct {
	worker  *reindex.Engine
	loading chan reindex.Load // if not nil, it receives the load, and Load waits for the end of its context
	add     int64             // added to the numbers of products that the part reports
	began   reindex.Job       // the job at the beginning of the load
	overlap reindex.Overlap   // the overlap of the parts
}

func (l *elsewhere) Split(int64) int { return 1 }

func (l *elsewhere) Overlap(context.Context, reindex.Load) (reindex.Overlap, error) {
	return l.overlap, nil
}

func (l *elsewhere) Holds(context.Context, reindex.Load, []string) (map[string]bool, error) {
	return nil, errors.ErrUnsupported
}

func (l *elsewhere) Load(ctx context.Context, load reindex.Load) (reindex.Report, error) {
	l.began = load.Job
	if l.loading != nil {
		if err := load.Report(reindex.Report{Read: 40, Indexed: 40}); err != nil {
			return reindex.Report{}, err
		}
		l.loading <- load
		<-ctx.Done()
		return reindex.Report{}, context.Cause(ctx)
	}
	info := reindex.JobInfo{ID: load.Job.ID, Tenant: load.Job.Tenant, EntityType: load.Job.EntityType}
	part, err := l.worker.LoadPart(ctx, reindex.Part{Job: info, Fence: load.Job.Fence, Generation: load.Generation}, nil)
	part.Report.Indexed += l.add
	part.Report.Read += l.add
	return part.Report, err
}

func newElsewhere(t *testing.T, ix reindex.Indexer, jobs reindex.JobStore, l *elsewhere) *reindex.Engine {
	t.Helper()
	src := reindextest.Slice(reindextest.Products(50, "1"))
	worker, err := reindex.New(src, ix, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.worker = worker
	engine, err := reindex.New(src, ix, &reindex.Config{Jobs: jobs, Loader: l})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// A run whose engine is shut down leaves its job and its generation to the engine that takes them over. The counters
// continue from their values. If the generation has gone live meanwhile, the run succeeds.
func TestRunIsHandedOver(t *testing.T) {
	ix, jobs := reindextest.NewMemory(), reindex.NewJobs(0)
	first := &elsewhere{loading: make(chan reindex.Load)}
	engine := newElsewhere(t, ix, jobs, first)
	if _, _, err := engine.Start(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	load := <-first.loading
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := engine.Shutdown(over); !errors.Is(err, context.Canceled) {
		t.Fatalf("shutdown: error %v, want context.Canceled", err)
	}
	job, err := jobs.Get(t.Context(), "acme", load.Job.ID)
	if err != nil || job.Status.Ended() || ix.Open() != 1 {
		t.Fatalf("after the shutdown the job is %s (%v), %d generations are open; want an unfinished one, and 1",
			job.Status, err, ix.Open())
	}
	job.Fence = 2
	job.Processed, job.Report.Read, job.Report.Indexed = 40, 40, 40
	next := &elsewhere{}
	second := newElsewhere(t, ix, jobs, next)
	report, err := second.Resume(t.Context(), job, load.Generation)
	if err != nil || report.Indexed != 50 || next.began.Processed != 40 {
		t.Fatalf("Resume: got error %v, %d indexed, from %d processed, want 50 from 40",
			err, report.Indexed, next.began.Processed)
	}
	if n := len(ix.Documents("acme")); n != 50 || ix.Open() != 0 {
		t.Fatalf("%d products are live and %d generations open, want 50 and 0", n, ix.Open())
	}
	again, _, err := second.Create(t.Context(), "acme", reindex.Options{})
	if err != nil {
		t.Fatal(err)
	}
	again.Fence = 3
	if _, err := second.Resume(t.Context(), again, load.Generation); err != nil {
		t.Fatalf("Resume with a generation that is live already: %v", err)
	}
	if job, err := second.Job(t.Context(), "acme", again.ID); err != nil || job.Status != reindex.StatusSuccess {
		t.Errorf("the job is %s (%v), want SUCCESS", job.Status, err)
	}
}

// If a run is cancelled, its generation is discarded with the products that were loaded elsewhere.
func TestCancelOfALoadElsewhere(t *testing.T) {
	ix := reindextest.NewMemory()
	l := &elsewhere{loading: make(chan reindex.Load)}
	engine := newElsewhere(t, ix, reindex.NewJobs(0), l)
	job, _, err := engine.Start(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	<-l.loading
	if err := engine.Cancel(t.Context(), "acme", job.ID); err != nil {
		t.Fatal(err)
	}
	for j, err := range engine.Watch(t.Context(), "acme", job.ID) {
		if job = j; err != nil {
			t.Fatal(err)
		}
	}
	if job.Message != reindex.ErrCancelled.Error() || ix.Open() != 0 {
		t.Errorf("the job's message is %q, and %d generations are open, want a cancelled job and none",
			job.Message, ix.Open())
	}
}

// The parts and the generation must have the same number of products, unless some products came in two parts.
func TestLoadElsewhereIsAccountedFor(t *testing.T) {
	for _, test := range []struct {
		add     int64
		overlap reindex.Overlap
		rule    reindex.Rule // the rule that is broken, or ""
	}{
		{1, reindex.Overlap{}, reindex.RuleAccounting},
		{2, reindex.Overlap{Duplicates: 1}, reindex.RuleAccounting},
		{2, reindex.Overlap{Duplicates: 2, Conflicts: 1, IDs: []string{"a", "b"}}, reindex.RuleDuplicates},
		{2, reindex.Overlap{Duplicates: 2, IDs: []string{"a", "b"}}, ""},
	} {
		ix := reindextest.NewMemory()
		engine := newElsewhere(t, ix, nil, &elsewhere{add: test.add, overlap: test.overlap})
		report, err := engine.Run(t.Context(), "acme")
		gate, failed := errors.AsType[*reindex.GateError](err)
		if failed != (test.rule != "") || failed && gate.Rule != test.rule || !failed && err != nil {
			t.Errorf("%+v: got %v, want an error of the rule %q", test, err, test.rule)
		}
		if live := ix.Documents("acme") != nil; live == failed {
			t.Errorf("%+v: the generation is live: %v, want %v", test, live, !failed)
		}
		if !failed && (report.Indexed != 50 || report.Duplicates != 2 || len(report.DuplicateIDs) != 2) {
			t.Errorf("%+v: the report is %+v, want 50 indexed and 2 duplicates, listed", test, report)
		}
	}
}

// cutOff is a source that announces more products than it has.
type cutOff struct{ reindex.Source }

func (s cutOff) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	snap, err := s.Source.Open(ctx, tenant)
	return cutOffSnapshot{snap}, err
}

type cutOffSnapshot struct{ reindex.Snapshot }

func (cutOffSnapshot) Count(context.Context) (int64, error) { return 51, nil }

// The products of a part that is the whole source are compared with the number that its own snapshot announces, not
// with that of the run.
func TestLoadPartCounts(t *testing.T) {
	ix := reindextest.NewMemory()
	src := reindextest.Slice(reindextest.Products(50, "1"))
	l := &elsewhere{}
	newElsewhere(t, ix, nil, l)
	engine, err := reindex.New(cutOff{src}, ix, &reindex.Config{Loader: l})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Run(t.Context(), "acme"); err != nil {
		t.Errorf("a part with as many products as its snapshot announces: got %v", err)
	}
	if l.worker, err = reindex.New(cutOff{src}, ix, nil); err != nil {
		t.Fatal(err)
	}
	gate, ok := errors.AsType[*reindex.GateError](func() error { _, err := engine.Run(t.Context(), "acme"); return err }())
	if !ok || gate.Rule != reindex.RuleCount {
		t.Errorf("a part that is cut off: got %v, want the rule on the announced number", gate)
	}
}

// If the index cannot make the comparison that a job asks for, the job is not created.
func TestCreateChecksOptions(t *testing.T) {
	ix := struct {
		reindex.Indexer
		reindex.Joiner
	}{}
	ix.Indexer, ix.Joiner = reindextest.NewMemory(), reindextest.NewMemory()
	jobs := reindex.NewJobs(0)
	engine := newElsewhere(t, ix, jobs, &elsewhere{})
	_, created, err := engine.Create(t.Context(), "acme", reindex.Options{Difference: true})
	_, total, _ := jobs.List(t.Context(), "acme", reindex.JobQuery{})
	if created || total != 0 || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("created %v, %d jobs, error %v, want none and ErrUnsupported", created, total, err)
	}
}

// A part is refused if its generation is live already.
func TestLoadPartIsFenced(t *testing.T) {
	ix := reindextest.NewMemory()
	l := &elsewhere{}
	engine := newElsewhere(t, ix, nil, l)
	if _, err := engine.Run(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	part := reindex.Part{Job: reindex.JobInfo{ID: "x", Tenant: "acme"}, Generation: "generation-1"}
	if _, err := l.worker.LoadPart(t.Context(), part, nil); !errors.Is(err, reindex.ErrFenced) {
		t.Errorf("got %v, want ErrFenced", err)
	}
}
