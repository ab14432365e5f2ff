// Package reindexotel reports the runs of a [reindex.Engine] to OpenTelemetry: as spans, as metrics, and as the ids of
// traces in log records.
//
//	trace, err := reindexotel.New(nil) // the global providers of package otel
//	if err != nil {
//		return err
//	}
//	engine, err := reindex.New(source, index, &reindex.Config{
//		Trace:  trace,
//		Logger: slog.New(reindexotel.Logs(slog.NewJSONHandler(os.Stderr, nil))),
//	})
//
// # Spans
//
// A run is a trace of its own, as it can outlive the request that triggered it by hours. Its root span "reindex" is
// linked to the span of that request. Below it is a span per phase, such as "reindex load", and below that of the load
// one per batch that is written, "reindex write". A failed span has the error as its status. The spans bear the tenant
// and the job.
//
// # Metrics
//
// Durations are in seconds, sizes in bytes. The attribute reindex.entity_type is the type of the entities, error.type
// the kind of a failure, one of few. No metric bears the tenant, as there can be many, unless Config.TenantAttribute is
// set.
//
//   - reindex.runs: the runs that have ended; reindex.outcome is success, failure or cancelled, reindex.mode is full,
//     dry_run or rollback.
//   - reindex.run.duration: how long they took, the wait for their turn included; error.type is the phase in which a
//     run failed, "cancelled" or "shutdown", reindex.mode as above.
//   - reindex.run.active: the runs that have not ended; reindex.status is PENDING, IN_PROGRESS or PUBLISHED.
//   - reindex.run.last_success: when a run last made a new index live, in seconds since 1970. Dry runs and rollbacks do
//     not count.
//   - reindex.phase.duration: how long phases took; reindex.phase names one.
//   - reindex.products: the products of runs that have ended; reindex.outcome is indexed, rejected or duplicate.
//   - reindex.changes: the changes carried into new indexes, of runs that have ended; reindex.outcome is applied or
//     refused.
//   - reindex.updates.held: how long updates waited for a switch-over.
//   - reindex.write.duration: how long calls of Write took.
//   - reindex.write.products, reindex.write.size: what calls of Write took to the index, as they go on, and the sum of
//     the lengths of ids and bodies.
//   - reindex.write.retries: calls that sent products again.
//   - reindex.write.concurrency, reindex.write.batch_limit: how many calls of a run may be made at the same time and
//     how large batches may be, as the engine adapts to the index.
package reindexotel
