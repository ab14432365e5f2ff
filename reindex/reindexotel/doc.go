// Package reindexotel reports the runs of a [reindex.Engine] to OpenTelemetry as spans and metrics, and adds the ids of
// traces to log records.
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
// A run is a trace of its own, because it can outlive the request that triggered it by hours. The root span "reindex"
// links to the span of that request. The children of the root span are the spans of the phases, such as "reindex load".
// The span of the load has a child "reindex write" for each batch that is written. The status of a failed span is the
// error. Each span has the tenant and the job as attributes.
//
// # Metrics
//
// Durations are in seconds and sizes in bytes. The attribute reindex.entity_type is the type of the entities. The
// attribute error.type is the kind of a failure; there are few kinds. The metrics have no attribute for the tenant,
// because there can be many tenants, unless Config.TenantAttribute is set.
//
//   - reindex.runs: the number of ended runs. The attribute reindex.outcome is success, failure or cancelled, and
//     reindex.mode is full, dry_run or rollback.
//   - reindex.run.duration: the duration of ended runs, including the wait for their turn. The attribute error.type is
//     the phase in which a run failed, "cancelled" or "shutdown", and reindex.mode is as above.
//   - reindex.run.active: the number of unfinished runs. The attribute reindex.status is PENDING, IN_PROGRESS or
//     PUBLISHED.
//   - reindex.run.last_success: the time of the last run that made a new index live, in seconds since 1970. Dry runs
//     and rollbacks do not count.
//   - reindex.phase.duration: the duration of phases. The attribute reindex.phase is the name of the phase.
//   - reindex.products: the number of products of ended runs. The attribute reindex.outcome is indexed, rejected or
//     duplicate.
//   - reindex.changes: the number of changes that ended runs carried into new indexes. The attribute reindex.outcome is
//     applied or refused.
//   - reindex.updates.held: the time for which updates waited during a switch-over.
//   - reindex.write.duration: the duration of calls of Write.
//   - reindex.write.products, reindex.write.size: the number of products that calls of Write wrote, and the sum of the
//     lengths of their ids and bodies. They are counted during the run.
//   - reindex.write.retries: the number of calls of Write that sent products again.
//   - reindex.write.concurrency, reindex.write.batch_limit: the number of calls of Write that a run may make at the
//     same time, and the largest size of a batch. The engine adapts both to the index.
package reindexotel
