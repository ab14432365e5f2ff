package reindex

import (
	"context"
	"errors"
	"fmt"
)

// Loader loads the products of a run elsewhere: in parts, by other processes. Each of these calls Engine.LoadPart for
// one part at a time. Everything else of the run stays with the engine: it opens and closes the source and the
// generation, applies the gate, carries edits over, switches, and keeps the record.
//
// A run of an engine with a Loader that is stopped because its lease was lost, or because the engine is shut down,
// leaves its generation and its job as they are, for the process that takes them over with Engine.Resume.
type Loader interface {
	// Split returns the largest number of parts to split a source of so many products into; expected is -1 if their number
	// is not known.
	Split(expected int64) int

	// Load returns once every part was loaded, with the sum of their reports. Any error ends the run; one that matches
	// [ErrAgain] begins it again. For a generation that it has begun to load before, it loads the rest.
	Load(ctx context.Context, load Load) (Report, error)

	// Overlap returns the products that came in more than one part. The engine calls it if a generation does not hold as
	// many products as were counted as indexed, since such a product counts once in each part.
	Overlap(ctx context.Context, load Load) (Overlap, error)

	// Holds returns those of the ids that the parts hold, by the hashes in [PartReport].
	Holds(ctx context.Context, load Load, ids []string) (map[string]bool, error)
}

// Overlap is the products that came in more than one part of a run. The same product in two parts does no harm. If the
// bodies differ, the run fails by [RuleDuplicates], or begins again with the whole source as one part if
// Config.MaxDuplicates allows so many.
type Overlap struct {
	// Duplicates is how often such products came beyond the first time, and Conflicts how many of these times their
	// bodies were not the same, or could not be compared.
	Duplicates, Conflicts int64
	// IDs are those of some of them.
	IDs []string
}

// Load describes the work of a [Loader].
type Load struct {
	// Job is the run's, with its fencing token.
	Job Job
	// Generation is the name to join.
	Generation string
	// Parts are the names of the source's parts, in the order of [Splitter]; none if the source is to be read in one.
	Parts []string
	// Snapshot is the run's own.
	Snapshot Snapshot
	// Report takes the sum of the reports so far, which shows as the job's progress. It returns an error once the run
	// cannot succeed any more.
	Report func(sum Report) error
}

// Part is one part of a run that a process loads for the one that runs it.
type Part struct {
	// Job identifies the run.
	Job JobInfo
	// Fence is the run's token; see [Fence].
	Fence int64
	// Generation is the name to join.
	Generation string
	// Name is that of the source's part; empty for all of its products.
	Name string
}

// PartReport accounts for one part.
type PartReport struct {
	// Report has the numbers of the part alone.
	Report Report
	// IDs are hashes of the ids of the products that were not rejected, 8 bytes each, sorted. They are the same in every
	// process; see [HashID].
	IDs []uint64
}

// LoadPart loads one part of a run of this engine's source into a generation that another process has begun, and
// returns when all of it has landed. After each batch it calls progress, if that is not nil, with the report so far,
// from several goroutines.
//
// The error matches [ErrFenced] if the generation takes no more, [errors.ErrUnsupported] if the index cannot be joined,
// and is a [*GateError] if the part alone keeps the run from succeeding. A part that is the whole source has to have as
// many products as its own snapshot announces; see [RuleCount].
func (e *Engine) LoadPart(ctx context.Context, part Part, progress func(Report)) (PartReport, error) {
	if part.Fence > 0 {
		ctx = WithFence(ctx, part.Fence)
	}
	p := partLoad{cfg: &e.cfg, src: e.src, ix: e.ix, sizes: e.sizes, part: part}
	var report PartReport
	err := contain(func() (err error) {
		report, err = p.load(ctx, progress)
		return err
	})
	if phase, ok := errors.AsType[*phaseError](err); ok {
		err = phase.err
	}
	return report, err
}

// PartBytes returns the largest number of bytes of products that LoadPart has on their way to the index at the same
// time.
func (e *Engine) PartBytes() int { return e.sizes.workers * e.sizes.bytes }

// partLoad loads one part.
type partLoad struct {
	cfg   *Config
	src   Source
	ix    Indexer
	sizes sizes
	part  Part
}

func (l *partLoad) load(ctx context.Context, progress func(Report)) (report PartReport, err error) {
	writer, err := l.join(ctx)
	if err != nil {
		return report, err
	}
	snap, err := l.src.Open(ctx, l.part.Job.Tenant)
	if err != nil {
		return report, err
	}
	defer func() {
		if closing := contain(snap.Close); closing != nil && err == nil {
			err = fmt.Errorf("closing the source: %w", closing)
		}
	}()
	var names []string
	if l.part.Name != "" {
		if _, ok := As[Splitter](snap); !ok {
			return report, fmt.Errorf("part %q: the source has no parts: %w", l.part.Name, errors.ErrUnsupported)
		}
		names = []string{l.part.Name}
	}
	record := newRecord(l.cfg, Job{
		ID: l.part.Job.ID, Tenant: l.part.Job.Tenant, EntityType: l.part.Job.EntityType, Report: Report{Expected: -1},
	})
	if len(names) == 0 {
		if _, err := announced(ctx, snap, record); err != nil {
			return report, err
		}
	}
	if progress != nil {
		record.watch = func(j Job) { progress(j.Report) }
	}
	t := newTally(l.cfg, record)
	t.hashes = &idHashes{}
	pump := newPump(l.cfg, l.sizes, t, writer, false)
	if err := pump.fill(ctx, sequences(snap, names)); err != nil {
		return report, err
	}
	late, err := retried(ctx, l.cfg.Retry, writer.Flush)
	if err == nil {
		err = t.refusedLate(late)
	}
	if err == nil {
		err = pump.misused()
	}
	done := record.now().Report
	if err == nil {
		err = l.cfg.checkCount(&done, Sealed{})
	}
	return PartReport{Report: done, IDs: t.hashes.sorted()}, err
}

func (l *partLoad) join(ctx context.Context) (w Writer, err error) {
	joiner, ok := As[Joiner](l.ix)
	if !ok {
		return nil, fmt.Errorf("joining generation %s: %w", l.part.Generation, errors.ErrUnsupported)
	}
	return retried(ctx, l.cfg.Retry, func(ctx context.Context) (Writer, error) {
		return joiner.Join(ctx, l.part.Job.Tenant, l.part.Generation)
	})
}
