package reindex

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"
)

// Phase is a part of a run's life.
type Phase string

// The phases of a run, in order.
const (
	PhasePending Phase = "pending"
	PhaseBegin   Phase = "begin"
	PhaseRead    Phase = "read"
	PhaseWrite   Phase = "write"
	PhaseSeal    Phase = "seal"
	PhaseCheck   Phase = "check"
	PhaseCommit  Phase = "commit"
)

// RunError is what Engine.Run returns when a run fails. Match its cause with [errors.Is] and [errors.As].
type RunError struct {
	// Tenant and Job identify the run.
	Tenant, Job string
	// Phase in which it ended.
	Phase Phase
	// Err is the cause: a [*GateError], [ErrCancelled], [ErrShutdown], a [*PanicError], or what the Source or the Indexer returned.
	Err error

	stopped bool // the run's context had ended
}

// Error names tenant, job, phase and cause.
func (e *RunError) Error() string {
	return fmt.Sprintf("reindex of tenant %s, job %s: %s: %v", e.Tenant, e.Job, e.Phase, e.Err)
}

// Unwrap returns the cause.
func (e *RunError) Unwrap() error { return e.Err }

// phaseError carries the phase of an error up to where the run ends.
type phaseError struct {
	phase Phase
	err   error
}

func (e *phaseError) Error() string { return string(e.phase) + ": " + e.err.Error() }
func (e *phaseError) Unwrap() error { return e.err }

func inPhase(phase Phase, err error) error {
	if err == nil {
		return nil
	}
	return &phaseError{phase, err}
}

// run is one run of one tenant.
type run struct {
	*Engine
	progress

	id, tenant string
	started    time.Time
	cancel     context.CancelCauseFunc
	turn       *turn
	log        *slog.Logger
	storing    sync.Mutex // held while the job is written to the store
	snap       Snapshot
}

// rebuild is the whole life of a run but for its record.
func (r *run) rebuild(ctx context.Context) error {
	if err := r.turn.wait(ctx); err != nil {
		return inPhase(PhasePending, err)
	}
	r.enter(ctx, StatusInProgress)
	r.change(func(j *Job) { j.Report.Durations.Pending = time.Since(r.started) })
	parts, err := r.ask(ctx)
	if r.snap != nil {
		defer func() { _ = r.snap.Close() }()
	}
	if err != nil {
		return inPhase(PhaseRead, err)
	}
	if len(parts) > 0 {
		err = r.build(ctx, parts)
		if !errors.Is(err, errOverlap) {
			return err
		}
		r.log.WarnContext(ctx, "partitions overlap, reading again in one sequence")
		r.change(func(j *Job) {
			j.Report = Report{Expected: j.Report.Expected, Replaced: -1, Durations: j.Report.Durations}
		})
	}
	return r.build(ctx, nil)
}

// ask lets the source count and partition its products, where it can.
func (r *run) ask(ctx context.Context) (parts []string, err error) {
	err = guard(func() (err error) {
		if r.snap, err = r.src.Open(ctx, r.tenant); err != nil {
			return err
		}
		if err := r.count(ctx); err != nil {
			return err
		}
		parts, err = r.split(ctx)
		return err
	})
	return parts, err
}

// count asks the source how many products to expect, or else the index how many there are.
func (r *run) count(ctx context.Context) error {
	if counter, ok := As[Counter](r.snap); ok {
		n, err := counter.Count(ctx)
		if err == nil {
			r.change(func(j *Job) { j.Expected, j.Report.Expected = n, n })
			return nil
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("counting the source's products: %w", err)
		}
	}
	if live, ok := As[DocCounter](r.ix); ok {
		if n, err := live.DocCount(ctx, r.tenant); err == nil {
			r.change(func(j *Job) { j.Expected, j.Estimated = n, true })
		}
	}
	return nil
}

// split returns the parts to read at the same time; none if the source is to be read in one.
func (r *run) split(ctx context.Context) ([]string, error) {
	splitter, ok := As[Splitter](r.snap)
	if !ok || r.cfg.Readers == 1 {
		return nil, nil
	}
	parts, err := splitter.Split(ctx, r.cfg.Readers)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("splitting the source: %w", err)
	}
	return parts, nil
}

// build fills a generation from the partitions, or from the whole source where there are none, checks it, and makes it live.
func (r *run) build(ctx context.Context, parts []string) error {
	gen, err := r.begin(ctx)
	if err != nil {
		return inPhase(PhaseBegin, err)
	}
	defer r.abort(ctx, gen)

	p := newPump(r, gen, len(parts) > 0)
	seqs := []iter.Seq2[Product, error]{r.products(ctx)}
	if len(parts) > 0 {
		splitter, _ := As[Splitter](r.snap)
		seqs = nil
		for _, name := range parts {
			seqs = append(seqs, splitter.Part(ctx, name))
		}
	}
	err = r.timed(func(d *Durations) *time.Duration { return &d.Load }, func() error { return p.fill(ctx, seqs) })
	if err != nil {
		return err
	}
	r.enter(ctx, StatusPublished)
	sealed, err := r.seal(ctx, p)
	if err != nil {
		return inPhase(PhaseSeal, err)
	}
	job := r.now()
	if err := r.cfg.gate(&job.Report, sealed); err != nil {
		return inPhase(PhaseCheck, err)
	}
	if err := r.holdLease(ctx); err != nil {
		return inPhase(PhaseCheck, err)
	}
	return inPhase(PhaseCommit, r.commit(ctx, gen))
}

// products reads the source in the sequence's own goroutine, so that a panic of Products itself is caught there, too.
func (r *run) products(ctx context.Context) iter.Seq2[Product, error] {
	return func(yield func(Product, error) bool) {
		r.snap.Products(ctx)(yield)
	}
}

// begin removes what dead runs have left and opens a generation.
func (r *run) begin(ctx context.Context) (gen Generation, err error) {
	err = r.timed(func(d *Durations) *time.Duration { return &d.Begin }, func() error {
		r.reap(ctx)
		return r.cfg.Retry.do(ctx, func() (err error) {
			gen, err = r.ix.Begin(ctx, r.tenant)
			return err
		})
	})
	return gen, err
}

func (r *run) reap(ctx context.Context) {
	reaper, ok := As[Reaper](r.ix)
	if !ok {
		return
	}
	switch n, err := reaper.Reap(ctx, r.tenant); {
	case err != nil:
		r.log.WarnContext(ctx, "removing the leftovers of dead runs failed", "error", err)
	case n > 0:
		r.log.InfoContext(ctx, "removed the leftovers of dead runs", "generations", n)
	}
}

// seal waits for the writes to land and moves what the index refused late from indexed to rejected.
func (r *run) seal(ctx context.Context, p *pump) (sealed Sealed, err error) {
	var late []ItemError
	err = r.timed(func(d *Durations) *time.Duration { return &d.Seal }, func() error {
		err := r.cfg.Retry.do(ctx, func() (err error) {
			late, err = p.gen.Flush(ctx)
			return err
		})
		if err != nil {
			return err
		}
		return r.cfg.Retry.do(ctx, func() (err error) {
			sealed, err = p.gen.Seal(ctx)
			return err
		})
	})
	if err != nil {
		return sealed, err
	}
	failed := make(map[string]struct{}, len(late))
	var rejections []Rejection
	for _, item := range late {
		if _, twice := failed[item.ID]; twice || !p.seen.has(item.ID) {
			return sealed, fmt.Errorf("the index reported product %q as failed, which was not written, or twice: a defect of the Indexer", item.ID)
		}
		failed[item.ID] = struct{}{}
		rejections = append(rejections, Rejection{ID: item.ID, Reason: item.Err.Error()})
	}
	r.change(func(j *Job) {
		j.Report.Indexed -= int64(len(rejections))
		j.Report.Replaced = sealed.Live
	})
	p.rejected(int64(len(rejections)), rejections...)
	return sealed, nil
}

// commit makes the generation live. Once it has begun, the end of ctx stops it only after CleanupTimeout: a switch-over cut off in the
// middle would leave it unknown what is live.
func (r *run) commit(ctx context.Context, gen Generation) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	commitCtx, cancel := lingering(ctx, r.cfg.CleanupTimeout)
	defer cancel()
	return r.timed(func(d *Durations) *time.Duration { return &d.Commit }, func() error {
		return r.cfg.Retry.do(commitCtx, func() error { return gen.Commit(commitCtx) })
	})
}

// abort discards the generation unless it is live. It has a context of its own: it runs also, and above all, when ctx has ended.
func (r *run) abort(ctx context.Context, gen Generation) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.CleanupTimeout)
	defer cancel()
	if err := guard(func() error { return gen.Abort(ctx) }); err != nil {
		r.log.WarnContext(ctx, "discarding the generation failed, a later run removes it", "error", err)
	}
}

// timed calls f, whose panic becomes an error, and adds the time it took to one of the durations.
func (r *run) timed(field func(*Durations) *time.Duration, f func() error) error {
	start := time.Now()
	err := guard(f)
	took := time.Since(start)
	r.change(func(j *Job) { *field(&j.Report.Durations) += took })
	return err
}

// lingering returns a context that ends a while after ctx does.
func lingering(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	timer := make(chan *time.Timer, 1)
	stop := context.AfterFunc(ctx, func() {
		timer <- time.AfterFunc(while, func() { cancel(context.Cause(ctx)) })
	})
	return later, func() {
		if !stop() {
			(<-timer).Stop()
		}
		cancel(nil)
	}
}
