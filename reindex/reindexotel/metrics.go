package reindexotel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"productindex/reindex"
)

// The keys of attributes. OpenTelemetry's semantic conventions define error.type.
const (
	errorTypeKey  = attribute.Key("error.type")
	entityTypeKey = attribute.Key("reindex.entity_type")
	phaseKey      = attribute.Key("reindex.phase")
	statusKey     = attribute.Key("reindex.status")
	outcomeKey    = attribute.Key("reindex.outcome")
	modeKey       = attribute.Key("reindex.mode")
)

func entityType(of string) attribute.KeyValue { return entityTypeKey.String(of) }

// metrics holds the instruments.
type metrics struct {
	run, phase, held, write metric.Float64Histogram
	active                  metric.Int64UpDownCounter
	success                 metric.Float64Gauge
	runs, products, changes metric.Int64Counter
	written, bytes, retries metric.Int64Counter
	concurrency, batchLimit metric.Int64Gauge
}

// longBounds and shortBounds are the boundaries of the buckets for durations, in seconds.
var (
	longBounds  = []float64{0.1, 1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 14400, 28800}
	shortBounds = []float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
)

func newMetrics(meter metric.Meter) (*metrics, error) {
	var errs []error
	seconds := func(name, text string, bounds []float64) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(text),
			metric.WithExplicitBucketBoundaries(bounds...))
		errs = append(errs, err)
		return h
	}
	counter := func(name, unit, text string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(text))
		errs = append(errs, err)
		return c
	}
	gauge := func(name, unit, text string) metric.Int64Gauge {
		g, err := meter.Int64Gauge(name, metric.WithUnit(unit), metric.WithDescription(text))
		errs = append(errs, err)
		return g
	}
	active, err := meter.Int64UpDownCounter("reindex.run.active", metric.WithUnit("{run}"),
		metric.WithDescription("Runs that have not ended."))
	errs = append(errs, err)
	success, err := meter.Float64Gauge("reindex.run.last_success", metric.WithUnit("s"),
		metric.WithDescription("Time of the last reindex that went live, since 1970."))
	errs = append(errs, err)
	return &metrics{
		run:      seconds("reindex.run.duration", "Duration of runs.", longBounds),
		phase:    seconds("reindex.phase.duration", "Duration of the phases of runs.", longBounds),
		held:     seconds("reindex.updates.held", "Time for which updates waited during a switch-over.", shortBounds),
		write:    seconds("reindex.write.duration", "Duration of calls of Write.", shortBounds),
		runs:     counter("reindex.runs", "{run}", "Ended runs, by outcome."),
		active:   active,
		success:  success,
		products: counter("reindex.products", "{product}", "Products of ended runs, by outcome."),
		changes:  counter("reindex.changes", "{change}", "Changes carried into new indexes, by outcome."),
		written:  counter("reindex.write.products", "{product}", "Products that calls of Write wrote."),
		bytes: counter("reindex.write.size", "By",
			"Lengths of the ids and bodies that calls of Write wrote."),
		retries:     counter("reindex.write.retries", "{call}", "Calls of Write that sent products again."),
		concurrency: gauge("reindex.write.concurrency", "{call}", "Calls of Write that a run may make at the same time."),
		batchLimit:  gauge("reindex.write.batch_limit", "By", "Largest size of a batch of a run."),
	}, errors.Join(errs...)
}

// with adds the common attributes to those of a measurement.
type with func(more ...attribute.KeyValue) metric.MeasurementOption

// started adds 0 to the counters of a run, so that each exists before the run ends. A query for the growth of a counter
// misses the first step of a counter that it has not seen before.
func (m *metrics) started(ctx context.Context, with with) {
	for _, outcome := range []string{"success", "failure", cancelled} {
		for _, mode := range []string{modeFull, modeDryRun, modeRollback} {
			m.runs.Add(ctx, 0, with(outcomeKey.String(outcome), modeKey.String(mode)))
		}
	}
	for _, outcome := range []string{"indexed", "rejected", "duplicate"} {
		m.products.Add(ctx, 0, with(outcomeKey.String(outcome)))
	}
	for _, outcome := range []string{"applied", "refused"} {
		m.changes.Add(ctx, 0, with(outcomeKey.String(outcome)))
	}
	m.retries.Add(ctx, 0, with())
}

// The modes of runs.
const (
	modeFull     = "full"
	modeDryRun   = "dry_run"
	modeRollback = "rollback"
)

func modeOf(o reindex.Options) string {
	switch {
	case o.DryRun: // a rollback can also be a dry run
		return modeDryRun
	case o.Rollback:
		return modeRollback
	}
	return modeFull
}

// cancelled is the outcome of a run that was cancelled, and the type of its error.
const cancelled = "cancelled"

// outcome returns the outcome of a run that ended with err.
func outcome(err error) string {
	switch {
	case err == nil:
		return "success"
	case errors.Is(err, reindex.ErrCancelled):
		return cancelled
	}
	return "failure"
}

// ended records an ended run.
func (m *metrics) ended(ctx context.Context, job *reindex.Job, err error, with with) {
	r, mode := &job.Report, modeOf(job.Options)
	m.runs.Add(ctx, 1, with(outcomeKey.String(outcome(err)), modeKey.String(mode)))
	m.run.Record(ctx, r.Durations.Total.Seconds(), with(append(failure(err), modeKey.String(mode))...))
	if job.Status == reindex.StatusSuccess && mode == modeFull {
		m.success.Record(ctx, float64(job.Modified.UnixMilli())/1000, with())
	}
	if job.Status == reindex.StatusSuccess && mode != modeDryRun {
		m.held.Record(ctx, r.Durations.Held.Seconds(), with())
	}
	count := func(c metric.Int64Counter, outcome string, n int64) { c.Add(ctx, n, with(outcomeKey.String(outcome))) }
	count(m.products, "indexed", r.Indexed)
	count(m.products, "rejected", r.Rejected)
	count(m.products, "duplicate", r.Duplicates)
	count(m.changes, "applied", r.ChangesApplied)
	count(m.changes, "refused", r.ChangesRefused)
}

// wrote records a call of Write.
func (m *metrics) wrote(ctx context.Context, w reindex.BatchWrite, failure []attribute.KeyValue, with with) {
	m.write.Record(ctx, w.Duration.Seconds(), with(failure...))
	m.concurrency.Record(ctx, int64(w.InFlight), with())
	m.batchLimit.Record(ctx, int64(w.MaxBytes), with())
	if w.Attempt > 1 {
		m.retries.Add(ctx, 1, with())
	}
	if w.Err == nil {
		m.written.Add(ctx, int64(w.Docs), with())
		m.bytes.Add(ctx, int64(w.Bytes), with())
	}
}

// end ends a span. If err is not nil, it becomes the status of the span.
func end(span trace.Span, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
		span.SetAttributes(failure(err)...)
	}
	span.End()
}
