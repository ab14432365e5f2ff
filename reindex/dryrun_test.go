package reindex_test

import (
	"errors"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

var dryRun = reindex.Options{DryRun: true}

func TestDryRunChangesNothing(t *testing.T) {
	b := newBench(t, reindextest.Slice(reindextest.Products(120, "new")), nil, nil)
	job, started, err := b.StartWith(t.Context(), tenant, dryRun)
	if err != nil || !started || !job.Options.DryRun {
		t.Fatalf("job %+v, started %v, error %v; want a dry run that was started", job, started, err)
	}
	job = ended(t, b.Engine, job)
	if job.Status != reindex.StatusSuccess || !job.Options.DryRun || job.Report.Indexed != 120 ||
		job.Report.Replaced != 100 {
		t.Errorf("the dry run ended as %+v, want SUCCESS with 120 products indexed and 100 live before", job)
	}
	b.assertOldLive(t)
}

func TestDryRunMeetsTheGate(t *testing.T) {
	b := newBench(t, reindextest.Slice(reindextest.Products(20, "new")), nil, nil)
	_, err := b.RunWith(t.Context(), tenant, dryRun)
	if gate, ok := errors.AsType[*reindex.GateError](err); !ok || gate.Rule != reindex.RuleShrunk {
		t.Errorf("error %v, want one of the rule on shrinking", err)
	}
	b.assertOldLive(t)
}

func TestDryRunAndReindexDoNotJoin(t *testing.T) {
	for _, running := range []reindex.Options{{}, dryRun} {
		t.Run(running.String(), func(t *testing.T) {
			src := newGated(100)
			b := newBench(t, src, nil, nil)
			job, _, err := b.StartWith(t.Context(), tenant, running)
			if err != nil {
				t.Fatal(err)
			}
			if same, started, err := b.StartWith(t.Context(), tenant, running); err != nil || started || same.ID != job.ID {
				t.Errorf("the same options: got job %s, started %v, error %v, want the running job %s",
					same.ID, started, err, job.ID)
			}
			other := reindex.Options{DryRun: !running.DryRun}
			met, started, err := b.StartWith(t.Context(), tenant, other)
			if !errors.Is(err, reindex.ErrRunning) || started || met.ID != job.ID {
				t.Errorf("%v: job %s, started %v, error %v; want ErrRunning, job %s", other, met.ID, started, err, job.ID)
			}
			close(src.gate)
			ended(t, b.Engine, job)
		})
	}
}
