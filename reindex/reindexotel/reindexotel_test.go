package reindexotel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/reindex/reindexotel"
	"productindex/reindex/reindextest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// observed is an engine with its recorded spans, metrics and log records.
type observed struct {
	engine *reindex.Engine
	tracer trace.TracerProvider
	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
	log    *bytes.Buffer
}

func observe(t *testing.T, src reindex.Source, tenantAttribute bool) *observed {
	t.Helper()
	o := &observed{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader(), log: &bytes.Buffer{}}
	o.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(o.spans))
	hooks, err := reindexotel.New(&reindexotel.Config{
		TracerProvider: o.tracer, MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(o.reader)),
		TenantAttribute: tenantAttribute,
	})
	if err != nil {
		t.Fatal(err)
	}
	index := reindextest.NewMemory()
	index.KeepPrevious = 1
	o.engine, err = reindex.New(src, index, &reindex.Config{
		Trace: hooks, MaxRejected: -1, BatchDocs: 10, Logger: slog.New(reindexotel.Logs(slog.NewJSONHandler(o.log, nil))),
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// run reindexes a tenant in the span of a request, and returns the context of that span.
func (o *observed) run(t *testing.T, tenant string) (trace.SpanContext, error) {
	t.Helper()
	ctx, request := o.tracer.Tracer("test").Start(t.Context(), "request")
	_, err := o.engine.Run(ctx, tenant)
	request.End()
	return request.SpanContext(), err
}

// span returns the first ended span with a name.
func (o *observed) span(t *testing.T, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	spans := o.spans.Ended()
	i := slices.IndexFunc(spans, func(s sdktrace.ReadOnlySpan) bool { return s.Name() == name })
	if i < 0 {
		t.Fatalf("no span %q has ended", name)
	}
	return spans[i]
}

func products(n int) reindextest.Slice {
	return append(reindextest.Slice(reindextest.Products(n, "a")), reindex.Product{ID: "bad", Body: json.RawMessage("{")})
}

var errBroken = errors.New("broken")

func broken(context.Context, string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) { yield(reindex.Product{}, errBroken) }
}

// A run is a trace of its own that links to the request, with a span per phase and per batch.
func TestSpans(t *testing.T) {
	o := observe(t, products(25), false)
	request, err := o.run(t, "acme")
	if err != nil {
		t.Fatal(err)
	}
	root := o.span(t, "reindex")
	if root.SpanContext().TraceID() == request.TraceID() || root.Parent().IsValid() {
		t.Error("the run is not the root of a trace of its own")
	}
	if links := root.Links(); len(links) != 1 || links[0].SpanContext.SpanID() != request.SpanID() {
		t.Errorf("the run has the links %v, want one to the request", links)
	}
	want := []attribute.KeyValue{
		attribute.String("reindex.tenant", "acme"), attribute.Int64("reindex.products.rejected", 1),
	}
	for _, kv := range want {
		if !slices.Contains(root.Attributes(), kv) {
			t.Errorf("the run has the attributes %v, want also %v", root.Attributes(), kv)
		}
	}
	load := o.span(t, "reindex load")
	if load.Parent().SpanID() != root.SpanContext().SpanID() {
		t.Error("the load is not a child of the run")
	}
	if write := o.span(t, "reindex write"); write.Parent().SpanID() != load.SpanContext().SpanID() {
		t.Error("a write is not a child of the load")
	}
	for _, name := range []string{"reindex pending", "reindex open", "reindex begin", "reindex seal", "reindex commit"} {
		o.span(t, name)
	}
	if started, ended := len(o.spans.Started()), len(o.spans.Ended()); started != ended {
		t.Errorf("%d spans were started and %d have ended, want all of them", started, ended)
	}
}

// The spans of the run and of the failed phase have an error status. The other spans do not.
func TestSpansOfFailure(t *testing.T) {
	o := observe(t, reindex.SourceFunc(broken), false)
	if _, err := o.run(t, "acme"); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	for _, name := range []string{"reindex", "reindex load"} {
		span := o.span(t, name)
		if span.Status().Code != codes.Error || len(span.Events()) == 0 {
			t.Errorf("span %q has status %v and events %v, want an error and an event", name, span.Status(), span.Events())
		}
	}
	if got := o.span(t, "reindex begin").Status().Code; got != codes.Unset {
		t.Errorf("the phase that succeeded has status %v, want none", got)
	}
}

// points returns the values of a metric by their attributes. The value of a histogram is its count, that of a counter
// its sum, and that of a gauge its last value.
func (o *observed) points(t *testing.T, name string) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := o.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	encode := func(set attribute.Set) string { return set.Encoded(attribute.DefaultEncoder()) }
	for _, m := range all.ScopeMetrics[0].Metrics {
		if m.Name != name {
			continue
		}
		switch data := m.Data.(type) {
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				got[encode(p.Attributes)] = float64(p.Count)
			}
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				got[encode(p.Attributes)] = float64(p.Value)
			}
		case metricdata.Gauge[int64]:
			for _, p := range data.DataPoints {
				got[encode(p.Attributes)] = float64(p.Value)
			}
		case metricdata.Gauge[float64]:
			for _, p := range data.DataPoints {
				got[encode(p.Attributes)] = p.Value
			}
		}
	}
	return got
}

// The metrics of runs of two tenants are the sums of both, without an attribute for the tenant.
func TestMetrics(t *testing.T) {
	o := observe(t, products(25), false)
	for _, tenant := range []string{"acme", "beta"} {
		if _, err := o.run(t, tenant); err != nil {
			t.Fatal(err)
		}
	}
	const of = "reindex.entity_type=PRODUCT"
	for _, want := range []struct {
		name, attributes string
		value            float64
	}{
		{"reindex.runs", of + ",reindex.mode=full,reindex.outcome=success", 2},
		{"reindex.runs", of + ",reindex.mode=full,reindex.outcome=failure", 0},
		{"reindex.runs", of + ",reindex.mode=rollback,reindex.outcome=success", 0},
		{"reindex.run.duration", of + ",reindex.mode=full", 2},
		{"reindex.phase.duration", of + ",reindex.phase=load", 2},
		{"reindex.updates.held", of, 2},
		{"reindex.products", of + ",reindex.outcome=indexed", 50},
		{"reindex.products", of + ",reindex.outcome=rejected", 2},
		{"reindex.products", of + ",reindex.outcome=duplicate", 0},
		{"reindex.changes", of + ",reindex.outcome=applied", 0},
		{"reindex.write.products", of, 50},
		{"reindex.write.duration", of, 6},
		{"reindex.run.active", of + ",reindex.status=PENDING", 0},
		{"reindex.run.active", of + ",reindex.status=IN_PROGRESS", 0},
		{"reindex.run.active", of + ",reindex.status=PUBLISHED", 0},
	} {
		points := o.points(t, want.name)
		if got, ok := points[want.attributes]; !ok || got != want.value {
			t.Errorf("%s{%s} is %v, want %v; all points are %v", want.name, want.attributes, got, want.value, points)
		}
	}
	for _, name := range []string{
		"reindex.run.last_success", "reindex.write.concurrency", "reindex.write.batch_limit", "reindex.write.size",
	} {
		if got := o.points(t, name)[of]; got <= 0 {
			t.Errorf("%s is %v, want a positive number", name, got)
		}
	}
}

// A failed run is counted with the phase in which it failed, and is not the last success.
func TestMetricsOfFailure(t *testing.T) {
	o := observe(t, reindex.SourceFunc(broken), false)
	if _, err := o.run(t, "acme"); err == nil {
		t.Fatal("the run succeeded")
	}
	const read = "error.type=read,reindex.entity_type=PRODUCT,reindex.mode=full"
	if got := o.points(t, "reindex.run.duration"); got[read] != 1 {
		t.Errorf("reindex.run.duration is %v, want one run with the attributes", got)
	}
	const failed = "reindex.entity_type=PRODUCT,reindex.mode=full,reindex.outcome=failure"
	if got := o.points(t, "reindex.runs")[failed]; got != 1 {
		t.Errorf("got %v failed runs, want 1", got)
	}
	if got := o.points(t, "reindex.run.last_success"); len(got) != 0 {
		t.Errorf("reindex.run.last_success is %v, want none", got)
	}
}

// A dry run and a rollback are counted with their modes, and neither is the last success.
func TestMetricsOfModes(t *testing.T) {
	o := observe(t, products(3), false)
	for range 2 {
		if _, err := o.run(t, "acme"); err != nil {
			t.Fatal(err)
		}
	}
	last := o.points(t, "reindex.run.last_success")
	for mode, options := range map[string]reindex.Options{"dry_run": {DryRun: true}, "rollback": {Rollback: true}} {
		if _, err := o.engine.RunWith(t.Context(), "acme", options); err != nil {
			t.Fatal(err)
		}
		of := "reindex.entity_type=PRODUCT,reindex.mode=" + mode + ",reindex.outcome=success"
		if got := o.points(t, "reindex.runs"); got[of] != 1 {
			t.Errorf("the runs are %v, want one of mode %s", got, mode)
		}
	}
	if got := o.points(t, "reindex.run.last_success"); !maps.Equal(got, last) {
		t.Errorf("the last success is %v, want %v, that of the full run", got, last)
	}
}

// The tenant is an attribute of metrics only if the host sets TenantAttribute.
func TestTenantAttribute(t *testing.T) {
	o := observe(t, products(3), true)
	if _, err := o.run(t, "acme"); err != nil {
		t.Fatal(err)
	}
	const full = "reindex.entity_type=PRODUCT,reindex.mode=full,reindex.tenant=acme"
	if got := o.points(t, "reindex.run.duration"); got[full] != 1 {
		t.Errorf("reindex.run.duration is %v, want one run with the attributes", got)
	}
}

// A log record of a run has the ids of the run's trace.
func TestLogs(t *testing.T) {
	o := observe(t, products(3), false)
	if _, err := o.run(t, "acme"); err != nil {
		t.Fatal(err)
	}
	want := o.span(t, "reindex").SpanContext().TraceID().String()
	found := false
	for line := range bytes.Lines(o.log.Bytes()) {
		var record struct {
			TraceID string `json:"trace_id"`
			SpanID  string `json:"span_id"`
		}
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatal(err)
		}
		found = found || record.TraceID == want && record.SpanID != ""
	}
	if !found {
		t.Errorf("no record has the trace id of the run, %s:\n%s", want, o.log)
	}
}
