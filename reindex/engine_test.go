package reindex_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tenant = "acme"

// bench is an engine with an index in memory, in which 100 old products of the tenant are live.
type bench struct {
	*reindex.Engine

	index *reindextest.Memory
}

func newBench(
	t *testing.T, src reindex.Source, cfg *reindex.Config, fault func(reindextest.Call) reindextest.Fault,
) bench {
	t.Helper()
	index := reindextest.NewMemory()
	publish(t, index, reindextest.Products(100, "old"))
	var ix reindex.Indexer = index
	if fault != nil {
		ix = reindextest.NewFaulty(index, fault)
	}
	if cfg == nil {
		cfg = &reindex.Config{}
	}
	if cfg.Retry == (reindex.Retry{}) {
		cfg.Retry = reindex.Retry{Attempts: 4, MinDelay: time.Microsecond}
	}
	engine, err := reindex.New(src, ix, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return bench{engine, index}
}

func publish(t *testing.T, ix reindex.Indexer, products []reindex.Product) {
	t.Helper()
	gen, err := ix.Begin(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(gen.Write(t.Context(), products), gen.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// assertLive checks that exactly the given products are live, all with the given rev, and that no generation is open.
func (b bench) assertLive(t *testing.T, products []reindex.Product, rev string) {
	t.Helper()
	found, err := b.index.Search(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, p := range products {
		want[p.ID] = rev
	}
	if !maps.Equal(found, want) {
		t.Errorf("%d documents are live, want %d of rev %s", len(found), len(want), rev)
	}
	if n := b.index.Open(); n != 0 {
		t.Errorf("%d generations are open, want none", n)
	}
}

func (b bench) assertOldLive(t *testing.T) {
	t.Helper()
	b.assertLive(t, reindextest.Products(100, "old"), "old")
}

// faultAt returns the fault for calls of one operation, and no fault for others.
func faultAt(op reindextest.Op, fault reindextest.Fault) func(reindextest.Call) reindextest.Fault {
	return func(c reindextest.Call) reindextest.Fault {
		if c.Op == op {
			return fault
		}
		return reindextest.Fault{}
	}
}

// lastJob returns the tenant's newest job.
func (b bench) lastJob(t *testing.T) reindex.Job {
	t.Helper()
	jobs, _, err := b.Jobs(t.Context(), tenant, reindex.JobQuery{Limit: 1})
	if err != nil || len(jobs) == 0 {
		t.Fatalf("no job: %v", err)
	}
	return jobs[0]
}

// then is a source that yields products and then calls after.
func then(products []reindex.Product, after func(yield func(reindex.Product, error) bool)) reindex.SourceFunc {
	return func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			for _, p := range products {
				if !yield(p, nil) {
					return
				}
			}
			after(yield)
		}
	}
}

var errSource = errors.New("dial tcp 10.1.2.3: password authentication failed")

var errIndex = errors.New("disk full on host 10.1.2.3")

func TestRunSucceeds(t *testing.T) {
	products := reindextest.Products(10_000, "new")
	b := newBench(t, reindextest.Slice(products), nil, nil)
	report, err := b.Run(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	b.assertLive(t, products, "new")
	var bytes int64
	for _, p := range products {
		bytes += int64(len(p.Body))
	}
	d := report.Durations
	if d.Total <= 0 || d.Load <= 0 || d.Total < d.Load+d.Begin+d.Seal+d.Commit {
		t.Errorf("the durations %+v add up to more than Total, or are missing", d)
	}
	report.Durations = reindex.Durations{}
	want := reindex.Report{Read: 10_000, Indexed: 10_000, Expected: 10_000, Replaced: 100, Bytes: bytes, Batches: 10}
	if fmt.Sprint(report) != fmt.Sprint(want) {
		t.Errorf("report %+v, want %+v", report, want)
	}
	job := b.lastJob(t)
	if job.Status != reindex.StatusSuccess || job.Processed != 10_000 || job.Expected != 10_000 || job.Message != "" {
		t.Errorf("job %+v, want SUCCESS with 10,000 products and no message", job)
	}
}

// A failure of a run leaves the live index as it was.
func TestRunFails(t *testing.T) {
	many := reindextest.Products(10_000, "new")
	broken := slices.Clone(many)
	broken[5000].Body = json.RawMessage(`{"id":`)
	announced := func(n int64, products []reindex.Product) reindex.Source {
		return counted{reindextest.Slice(products), n, nil}
	}
	fails := func(op reindextest.Op, err error) func(reindextest.Call) reindextest.Fault {
		return faultAt(op, reindextest.Fault{Err: err})
	}

	for _, test := range []struct {
		name    string
		src     reindex.Source
		cfg     reindex.Config
		fault   func(reindextest.Call) reindextest.Fault
		phase   reindex.Phase
		rule    reindex.Rule // of the GateError
		is      error
		message string // a part of the job's message
	}{
		{
			name:  "source fails at product 10,000",
			src:   then(many[:9999], func(yield func(reindex.Product, error) bool) { yield(reindex.Product{}, errSource) }),
			phase: reindex.PhaseRead, is: errSource, message: "reading the products failed; the service's log",
		},
		{
			name: "source ends early", src: announced(10_200, many), phase: reindex.PhaseCheck, rule: reindex.RuleCount,
			message: "announced 10200 products and yielded 10000 different products, at least 10200",
		},
		{
			name: "source yields nothing", src: reindextest.Slice(nil), phase: reindex.PhaseCheck, rule: reindex.RuleEmpty,
			message: "0 products were read",
		},
		{
			name: "everything is rejected", src: reindextest.Slice([]reindex.Product{{ID: "a", Body: json.RawMessage(`[]`)}}),
			cfg:   reindex.Config{MaxRejected: -1, AllowEmpty: true},
			phase: reindex.PhaseCheck, rule: reindex.RuleEmpty, message: "1 product was read and none was indexed",
		},
		{
			name: "one bad product", src: reindextest.Slice(broken), phase: reindex.PhaseCheck, rule: reindex.RuleRejected,
			message: "1 product was rejected, at most 0",
		},
		{
			name: "catalogue shrank", src: reindextest.Slice(many[:49]), phase: reindex.PhaseCheck, rule: reindex.RuleShrunk,
			message: "holds 49 documents and the live one 100, at least 50",
		},
		{
			name: "counting fails", src: counted{reindextest.Slice(many), 0, errSource}, phase: reindex.PhaseOpen,
			is: errSource,
		},
		{
			name: "begin fails", src: reindextest.Slice(many), fault: fails(reindextest.OpBegin, errIndex),
			phase: reindex.PhaseBegin, is: errIndex, message: "opening a new index failed",
		},
		{
			name: "write fails", src: reindextest.Slice(many), fault: fails(reindextest.OpWrite, errIndex),
			phase: reindex.PhaseWrite, is: errIndex, message: "writing to the new index failed",
		},
		{
			name: "seal fails", src: reindextest.Slice(many), fault: fails(reindextest.OpSeal, errIndex),
			phase: reindex.PhaseSeal, is: errIndex, message: "completing the new index failed",
		},
		{
			name: "commit fails", src: reindextest.Slice(many), fault: fails(reindextest.OpCommit, errIndex),
			phase: reindex.PhaseCommit, is: errIndex, message: "switching over to the new index failed",
		},
		{
			name: "write keeps failing for a while", src: reindextest.Slice(many),
			fault: fails(reindextest.OpWrite, reindex.Temporary(errIndex)), phase: reindex.PhaseWrite, is: errIndex,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, test.src, &test.cfg, test.fault)
			report, err := b.Run(t.Context(), tenant)
			failed, ok := errors.AsType[*reindex.RunError](err)
			if !ok || failed.Phase != test.phase || failed.Tenant != tenant || failed.Job == "" {
				t.Fatalf("error %#v, want a RunError of phase %s", err, test.phase)
			}
			if gate, ok := errors.AsType[*reindex.GateError](err); test.rule != "" && (!ok || gate.Rule != test.rule) {
				t.Errorf("error %v, want rule %s", err, test.rule)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v, want %v in it", err, test.is)
			}
			b.assertOldLive(t)
			job := b.lastJob(t)
			if job.Status != reindex.StatusFailure || !strings.Contains(job.Message, test.message) ||
				strings.Contains(job.Message, "10.1.2.3") {
				t.Errorf("job is %s with message %q, want one with %q and no host", job.Status, job.Message, test.message)
			}
			if fmt.Sprint(job.Report) != fmt.Sprint(report) {
				t.Errorf("the job has the report %+v, want that of the run, %+v", job.Report, report)
			}
			// The tenant is free for the next run.
			if _, err := b.Run(t.Context(), tenant); errors.Is(err, reindex.ErrRunning) {
				t.Errorf("the next run: error %v, want the tenant to be free", err)
			}
		})
	}
}

// counted is a source that announces n products, whatever it yields. Its Count may fail or panic.
type counted struct {
	reindextest.Slice

	n   int64
	err error
}

func (c counted) Open(context.Context, string) (reindex.Snapshot, error) { return c, nil }

func (c counted) Count(context.Context) (int64, error) {
	if c.n == -7 {
		panic(errSource)
	}
	return c.n, c.err
}

// The settings of the gate allow these generations to go live.
func TestGateSettings(t *testing.T) {
	few := reindextest.Products(40, "new")
	withBad := append(slices.Clone(few), reindex.Product{ID: "bad", Body: json.RawMessage(`"x"`)})
	for _, test := range []struct {
		name string
		src  reindex.Source
		cfg  reindex.Config
		want []reindex.Product
	}{
		{"MinFraction just reached", reindextest.Slice(few), reindex.Config{MinFraction: 0.4}, few},
		{"MinFraction off", reindextest.Slice(few[:1]), reindex.Config{MinFraction: -1}, few[:1]},
		{"AllowEmpty", reindextest.Slice(nil), reindex.Config{AllowEmpty: true, MinFraction: -1}, nil},
		{"MaxRejected just reached", reindextest.Slice(withBad), reindex.Config{MaxRejected: 1, MinFraction: -1}, few},
		{"MaxRejected off", reindextest.Slice(withBad), reindex.Config{MaxRejected: -1, MinFraction: -1}, few},
		{
			"CountMargin just reached", counted{reindextest.Slice(few), 50, nil},
			reindex.Config{CountMargin: 0.2, MinFraction: -1}, few,
		},
		{
			"CountMargin off", counted{reindextest.Slice(few), 1000, nil}, reindex.Config{CountMargin: -1, MinFraction: -1},
			few,
		},
		{"more than announced", counted{reindextest.Slice(few), 10, nil}, reindex.Config{MinFraction: -1}, few},
		{
			"count unsupported", counted{reindextest.Slice(few), 0, fmt.Errorf("gzip: %w", errors.ErrUnsupported)},
			reindex.Config{MinFraction: -1}, few,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, test.src, &test.cfg, nil)
			if _, err := b.Run(t.Context(), tenant); err != nil {
				t.Fatal(err)
			}
			b.assertLive(t, test.want, "new")
		})
	}
}

// The index gets each body as one line.
func TestBodiesBecomeOneLine(t *testing.T) {
	body := "{\r\n \"name\" : \"a b\",\n \"rev\": \"new\"\n}"
	b := newBench(t, reindextest.Slice([]reindex.Product{{ID: "a", Body: json.RawMessage(body)}}),
		&reindex.Config{MinFraction: -1}, nil)
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	if got := string(b.index.Documents(tenant)["a"]); got != `{"name":"a b","rev":"new"}` {
		t.Errorf("the indexed body is %q, want one line without white space outside of strings", got)
	}
}

func TestTransform(t *testing.T) {
	products := reindextest.Products(1000, "old")
	cfg := &reindex.Config{MaxRejected: 2, BatchBytes: 4096,
		Transform: func(_ context.Context, name string, p reindex.Product) (json.RawMessage, error) {
			switch p.ID {
			case "p3":
				return nil, errors.New("no price")
			case "p4":
				return json.RawMessage(`{"broken`), nil
			}
			return json.RawMessage(fmt.Sprintf(`{"rev":"new","tenant":%q,"padding":%q}`, name, strings.Repeat("x", 500))), nil
		}}
	b := newBench(t, reindextest.Slice(products), cfg, func(c reindextest.Call) reindextest.Fault {
		if c.Op == reindextest.OpWrite {
			n := 0
			for _, p := range c.Batch {
				n += len(p.Body)
			}
			if n > 4096 {
				return reindextest.Fault{Err: fmt.Errorf("batch of %d bytes", n)}
			}
		}
		return reindextest.Fault{}
	})
	report, err := b.Run(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	b.assertLive(t, slices.Concat(products[:3], products[5:]), "new")
	slices.SortFunc(report.Rejections, func(a, b reindex.Rejection) int { return strings.Compare(a.ID, b.ID) })
	r := report.Rejections
	if len(r) != 2 || r[0].Reason != "transform: no price" || !strings.Contains(r[1].Reason, "after the transform") {
		t.Errorf("rejections %v, want one by the transform and one after it", r)
	}
}

func TestTrace(t *testing.T) {
	var (
		statuses []reindex.Status
		writes   = make(chan reindex.BatchWrite, 100)
		ended    []error
	)
	cfg := &reindex.Config{BatchDocs: 300, Trace: &reindex.Trace{
		JobChanged: func(_ context.Context, j reindex.Job, _ reindex.Status) { statuses = append(statuses, j.Status) },
		WriteEnded: func(_ context.Context, _ reindex.JobInfo, w reindex.BatchWrite) { writes <- w },
		JobEnded:   func(_ context.Context, _ reindex.Job, err error) { ended = append(ended, err) },
	}}
	b := newBench(t, reindextest.Slice(reindextest.Products(1000, "new")), cfg, nil)
	if _, err := b.Run(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	want := []reindex.Status{
		reindex.StatusPending, reindex.StatusInProgress, reindex.StatusPublished, reindex.StatusSuccess,
	}
	if !slices.Equal(statuses, want) || len(ended) != 1 || ended[0] != nil {
		t.Errorf("traced the statuses %v and the ends %v, want %v and one without an error", statuses, ended, want)
	}
	close(writes)
	docs := 0
	for w := range writes {
		docs += w.Docs
		if w.Attempt != 1 || w.Bytes == 0 || w.Err != nil {
			t.Errorf("traced the write %+v, want a first attempt without an error", w)
		}
	}
	if docs != 1000 {
		t.Errorf("traced %d products, want 1000", docs)
	}
}
