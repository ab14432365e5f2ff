package reindexotel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"productindex/reindex"
)

// scope is the name under which spans and metrics are reported.
const scope = "productindex/reindex"

// Config configures [New]. The zero value of each field stands for its default.
type Config struct {
	// TracerProvider provides the tracer. Default: the global one of package otel.
	TracerProvider trace.TracerProvider
	// MeterProvider provides the meter. Default: the global one of package otel.
	MeterProvider metric.MeterProvider
	// TenantAttribute adds the attribute reindex.tenant to every metric, so that each has time series per tenant.
	TenantAttribute bool
}

// New returns a Trace that reports the runs of an engine, as the documentation of the package describes. Several
// engines may share it. A nil cfg means the defaults. New returns an error if the MeterProvider cannot create an
// instrument.
func New(cfg *Config) (*reindex.Trace, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	if c.MeterProvider == nil {
		c.MeterProvider = otel.GetMeterProvider()
	}
	m, err := newMetrics(c.MeterProvider.Meter(scope))
	if err != nil {
		return nil, fmt.Errorf("reindexotel: creating the instruments: %w", err)
	}
	o := &observer{metrics: m, tracer: c.TracerProvider.Tracer(scope), byTenant: c.TenantAttribute}
	return &reindex.Trace{
		JobStarted: o.jobStarted, JobChanged: o.jobChanged, JobEnded: o.jobEnded,
		PhaseStarted: o.phaseStarted, PhaseEnded: o.phaseEnded,
		WriteStarted: o.writeStarted, WriteEnded: o.writeEnded,
	}, nil
}

// observer implements the functions of a Trace.
type observer struct {
	metrics  *metrics
	tracer   trace.Tracer
	byTenant bool
}

// startKey is the key of the start time of a phase in its context.
type startKey struct{}

// ofJob returns the attributes of a job's spans.
func ofJob(of reindex.JobInfo) trace.SpanStartOption {
	return trace.WithAttributes(
		attribute.String("reindex.tenant", of.Tenant), attribute.String("reindex.job", of.ID), entityType(of.EntityType))
}

func info(job reindex.Job) reindex.JobInfo {
	return reindex.JobInfo{ID: job.ID, Tenant: job.Tenant, EntityType: job.EntityType}
}

// start starts a span. The second function of each pair ends it.
func (o *observer) start(ctx context.Context, name string, options ...trace.SpanStartOption) context.Context {
	ctx, _ = o.tracer.Start(ctx, name, options...) //nolint:spancheck // ended elsewhere
	return ctx
}

func (o *observer) jobStarted(ctx context.Context, job reindex.Job) context.Context {
	o.metrics.started(ctx, o.of(info(job)))
	return o.start(ctx, "reindex", trace.WithNewRoot(), trace.WithLinks(trace.LinkFromContext(ctx)), ofJob(info(job)))
}

func (o *observer) jobChanged(ctx context.Context, job reindex.Job, before reindex.Status) {
	active := func(status reindex.Status, n int64) {
		if status != "" && !status.Ended() {
			o.metrics.active.Add(ctx, n, o.with(info(job), statusKey.String(string(status))))
		}
	}
	active(before, -1)
	active(job.Status, 1)
}

func (o *observer) jobEnded(ctx context.Context, job reindex.Job, err error) {
	o.metrics.ended(ctx, &job, err, o.of(info(job)))
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(
		attribute.Int64("reindex.products.read", job.Report.Read),
		attribute.Int64("reindex.products.indexed", job.Report.Indexed),
		attribute.Int64("reindex.products.rejected", job.Report.Rejected))
	end(span, err)
}

func (o *observer) phaseStarted(ctx context.Context, of reindex.JobInfo, phase reindex.Phase) context.Context {
	ctx = o.start(ctx, "reindex "+string(phase), ofJob(of), trace.WithAttributes(phaseKey.String(string(phase))))
	return context.WithValue(ctx, startKey{}, time.Now())
}

func (o *observer) phaseEnded(ctx context.Context, of reindex.JobInfo, phase reindex.Phase, err error) {
	if start, ok := ctx.Value(startKey{}).(time.Time); ok {
		o.metrics.phase.Record(ctx, time.Since(start).Seconds(),
			o.with(of, append(failure(err), phaseKey.String(string(phase)))...))
	}
	end(trace.SpanFromContext(ctx), err)
}

func (o *observer) writeStarted(ctx context.Context, of reindex.JobInfo, w reindex.BatchWrite) context.Context {
	return o.start(ctx, "reindex write", trace.WithSpanKind(trace.SpanKindClient), ofJob(of), trace.WithAttributes(
		attribute.Int("reindex.batch.products", w.Docs), attribute.Int("reindex.batch.size", w.Bytes),
		attribute.Int("reindex.batch.attempt", w.Attempt)))
}

func (o *observer) writeEnded(ctx context.Context, of reindex.JobInfo, w reindex.BatchWrite) {
	o.metrics.wrote(ctx, w, failure(w.Err), o.of(of))
	end(trace.SpanFromContext(ctx), w.Err)
}

// of returns a function that adds the attributes of a job to those of a measurement.
func (o *observer) of(of reindex.JobInfo) with {
	return func(more ...attribute.KeyValue) metric.MeasurementOption { return o.with(of, more...) }
}

// with returns the attributes of a measurement: more and those of the job.
func (o *observer) with(of reindex.JobInfo, more ...attribute.KeyValue) metric.MeasurementOption {
	all := append(more, entityType(of.EntityType)) //nolint:gocritic // more belongs to this call
	if o.byTenant {
		all = append(all, attribute.String("reindex.tenant", of.Tenant))
	}
	return metric.WithAttributes(all...)
}

// failure returns the attribute error.type for err, or no attribute if err is nil. Its values are the names of the
// phases and a few more.
func failure(err error) []attribute.KeyValue {
	if err == nil {
		return nil
	}
	run, isRun := errors.AsType[*reindex.RunError](err)
	kind := "other"
	switch {
	case errors.Is(err, reindex.ErrCancelled):
		kind = cancelled
	case errors.Is(err, reindex.ErrShutdown):
		kind = "shutdown"
	case isRun:
		kind = string(run.Phase)
	case errors.As(err, new(*reindex.BatchError)):
		kind = "products"
	case errors.Is(err, reindex.ErrTooLarge):
		kind = "too large"
	case errors.Is(err, reindex.ErrRefused):
		kind = "refused"
	case errors.As(err, new(*reindex.TemporaryError)):
		kind = "temporary"
	}
	return []attribute.KeyValue{errorTypeKey.String(kind)}
}
