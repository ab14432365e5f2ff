package reindex

import (
	"context"
	"errors"
	"fmt"
)

// Loader loads the products of a run in parts, in other processes. Each of these calls Engine.LoadPart for one part at
// a time. The engine does the rest of the run: it opens and closes the source and the generation, applies the gate,
// replays edits, switches over, and keeps the record.
//
// If such a run is stopped because its lease was lost, or because the engine is shut down, it leaves its generation and
// its job as they are. Another process takes them over with Engine.Resume.
type Loader interface {
	// Split returns the largest number of parts into which to split a source of about expected products; expected is -1 if
	// their number is not known.
	Split(expected int64) int

	// Load returns once every part was loaded, with the sum of their reports. An error that matches [ErrAgain] makes the
	// engine begin again; any other error ends the run. If some parts of the generation were loaded before, Load loads the
	// others.
	Load(ctx context.Context, load Load) (Report, error)

	// Overlap returns the products that came in more than one part. Such a product counts once in each part. The engine
	// calls Overlap if a generation does not hold as many products as were counted as indexed.
	Overlap(ctx context.Context, load Load) (Overlap, error)

	// Holds reports which of the ids the parts hold, by the hashes in [PartReport].
	Holds(ctx context.Context, load Load, ids []string) (map[string]bool, error)
}

// Overlap describes the products that came in more than one part of a run. A product with the same body in each part is
// harmless. If the bodies differ, the run fails with [RuleDuplicates]. If Config.MaxDuplicates allows that many, the
// run begins again instead, with the whole source as one part.
type Overlap struct {
	// Duplicates is the number of repetitions of such products. Conflicts is the number of repetitions whose body was not
	// the same, or could not be compared.
	Duplicates, Conflicts int64
	// IDs holds the ids of some of them.
	IDs []string
}

// Load describes the work of a [Loader].
type Load struct {
	// Job is the job of the run, with its fencing token.
	Job Job
	// Generation is the name of the generation to join.
	Generation string
	// Parts holds the names of the source's parts, in the order of [Splitter]. It is empty if the source is read as a
	// whole.
	Parts []string
	// Snapshot is the snapshot of the run.
	Snapshot Snapshot
	// Report is called with the sum of the reports so far, which becomes the progress of the job. It returns an error once
	// the run can no longer succeed.
	Report func(sum Report) error
}

// Part is one part of a run that is loaded by another process.
type Part struct {
	// Job identifies the run.
	Job JobInfo
	// Fence is the run's token; see [Fence].
	Fence int64
	// Generation is the name of the generation to join.
	Generation string
	// Name is the name of the source's part. It is empty for the whole source.
	Name string
}

// PartReport accounts for one part.
type PartReport struct {
	// Report holds the numbers of this part alone.
	Report Report
	// IDs holds the sorted hashes of the ids of all products that were not rejected, 8 bytes each. They are the same in
	// every process; see [HashID].
	IDs []uint64
}

// LoadPart loads one part of a run of this engine's source into a generation that another process has begun, and
// returns when all products of the part have landed. After each batch it calls progress, unless that is nil, with the
// report so far. It does so from several goroutines.
//
// The error matches [ErrFenced] if the generation accepts no more writes, and [errors.ErrUnsupported] if the index
// cannot be joined. It is a [*GateError] if this part alone keeps the run from succeeding. A part that is the whole
// source must yield as many products as its own snapshot announces; see [RuleCount].
func (e *Engine) LoadPart(ctx context.Context, part Part, progress func(Report)) (PartReport, error) {
	if part.Fence > 0 {
		ctx = WithFence(ctx, part.Fence)
	}
	p := partLoad{cfg: &e.cfg, src: e.src, ix: e.ix, sizes: e.sizes, share: e.streams.share, part: part}
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

// PartBytes returns the largest number of bytes of products that one LoadPart holds in memory on their way to the
// index.
func (e *Engine) PartBytes() int { return e.sizes.workers * e.sizes.bytes }

// partLoad loads one part.
type partLoad struct {
	cfg   *Config
	src   Source
	ix    Indexer
	sizes sizes
	share *share
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
			return report, fmt.Errorf("part %q: the source cannot be split into parts: %w", l.part.Name, errors.ErrUnsupported)
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
	pump := newPump(l.cfg, l.sizes, l.share, t, writer, false)
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
