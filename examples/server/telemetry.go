package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"productindex/reindex"
	"productindex/reindex/reindexotel"
)

// telemetry has the metrics at /metrics. If the variables of OpenTelemetry (OTEL_EXPORTER_OTLP_ENDPOINT,
// OTEL_TRACES_EXPORTER, …) are set, it also exports metrics and spans.
type telemetry struct {
	trace   *reindex.Trace
	metrics http.Handler
	close   func(ctx context.Context) error
}

func openTelemetry(ctx context.Context) (*telemetry, error) {
	what, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithFromEnv(), resource.WithSchemaURL(""))
	if err != nil {
		return nil, fmt.Errorf("reading the OpenTelemetry resource from the environment: %w", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	pulled, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	if err != nil {
		return nil, fmt.Errorf("creating the Prometheus exporter: %w", err)
	}
	metrics := []sdkmetric.Option{sdkmetric.WithResource(what), sdkmetric.WithReader(pulled)}
	if exported("METRICS") {
		pushed, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return nil, fmt.Errorf("creating the metrics exporter: %w", err)
		}
		metrics = append(metrics, sdkmetric.WithReader(pushed))
	}
	spans := []sdktrace.TracerProviderOption{sdktrace.WithResource(what)}
	if exported("TRACES") {
		exporter, err := autoexport.NewSpanExporter(ctx)
		if err != nil {
			return nil, fmt.Errorf("creating the span exporter: %w", err)
		}
		spans = append(spans, sdktrace.WithBatcher(exporter))
	}
	tracer, meter := sdktrace.NewTracerProvider(spans...), sdkmetric.NewMeterProvider(metrics...)
	trace, err := reindexotel.New(&reindexotel.Config{TracerProvider: tracer, MeterProvider: meter})
	if err != nil {
		return nil, err
	}
	return &telemetry{
		trace:   trace,
		metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		close:   func(ctx context.Context) error { return errors.Join(tracer.Shutdown(ctx), meter.Shutdown(ctx)) },
	}, nil
}

// traced puts the caller's trace, from the header traceparent, into the context of a request. Runs are linked to it,
// and log records have its id.
func traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// exported reports whether the environment configures an exporter for a kind of signals. Without this check
// OpenTelemetry would export to this machine by default, where usually no collector runs.
func exported(kind string) bool {
	for _, name := range []string{
		"OTEL_" + kind + "_EXPORTER", "OTEL_EXPORTER_OTLP_" + kind + "_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT",
	} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return false
}
