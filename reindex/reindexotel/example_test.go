package reindexotel_test

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"productindex/reindex"
	"productindex/reindex/reindexotel"
	"productindex/reindex/reindextest"
)

// The program creates the providers that its exporters need. It passes them to New, or sets them as the global ones of
// package otel.
func ExampleNew() {
	reader := metric.NewManualReader()
	trace, err := reindexotel.New(&reindexotel.Config{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		fmt.Println(err)
		return
	}
	engine, err := reindex.New(reindextest.Slice(reindextest.Products(10, "1")), reindextest.NewMemory(), &reindex.Config{
		Trace:  trace,
		Logger: slog.New(reindexotel.Logs(slog.DiscardHandler)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := engine.Run(context.Background(), "acme"); err != nil {
		fmt.Println(err)
	}

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		fmt.Println(err)
	}
	for _, m := range collected.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "reindex.products" {
			for _, point := range sum.DataPoints {
				if outcome, _ := point.Attributes.Value("reindex.outcome"); outcome.AsString() == "indexed" {
					fmt.Println(m.Name, point.Value)
				}
			}
		}
	}
	// Output: reindex.products 10
}
