package reindexotel

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// Logs returns a handler that passes all records on to h. To each record that is logged with the context of a span, it
// adds the attributes trace_id and span_id. If the logger has a group, these attributes are in the group.
func Logs(h slog.Handler) slog.Handler { return logs{h} }

type logs struct{ next slog.Handler }

func (l logs) Enabled(ctx context.Context, level slog.Level) bool { return l.next.Enabled(ctx, level) }

func (l logs) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return l.next.Handle(ctx, r)
}

func (l logs) WithAttrs(attrs []slog.Attr) slog.Handler { return logs{l.next.WithAttrs(attrs)} }

func (l logs) WithGroup(name string) slog.Handler { return logs{l.next.WithGroup(name)} }
