// Package fleet spreads the reindex of a tenant over any number of processes. Its queue is River
// (github.com/riverqueue/river) on PostgreSQL.
//
// A process triggers runs, works on them, or both; see [Role]. All processes have the same source and the same index. A
// run is a River job, and so is each of its parts. The process that works on the run opens a generation, splits the
// source, and watches the parts. After that it catches up, checks and switches over as package reindex does on one
// machine. The processes that load a part read it by its name, write through [reindex.Joiner], and store the report of
// the part in the transaction that completes its River job. Thus a part counts once, however often it is attempted.
//
//	pool, err := pgxpool.New(ctx, "postgres://…")
//	f, err := fleet.New(ctx, pool, source, index, &fleet.Config{Lease: 30 * time.Second})
//	err = f.Work(ctx) // in a worker
//	handler, err := httpapi.New(f, auth, nil) // a Fleet is an httpapi.Engine
//
// # Leases
//
// A process that works on a run or on a part renews a lease in the database, even if it makes no progress: a slow
// process is alive. If the lease of a part expires, another process loads the part again. If the lease of a run
// expires, another process takes the run over with a new fencing token. If the index is a [reindex.Resumer], that
// process does not load finished parts again. A process that wakes up late is fenced: it can neither store a report nor
// publish a generation, and the index refuses its writes after the load.
//
// # The index
//
// Package esindex (Elasticsearch, OpenSearch) and package meiliindex (Meilisearch) implement [reindex.Joiner] and
// [reindex.Resumer]. New refuses an index that is not a Joiner, because only one process can write into it.
//
// # Parts
//
// The source names the parts (see [reindex.Splitter]). A name means the same part in every process. A source that is
// not a Splitter is one part. No process knows all ids, so a product that is in two parts is not noticed while they are
// loaded. The run finds it when it counts the generation, and reports the same duplicate as an engine without a fleet.
// If the bodies differ and [reindex.Config] allows duplicates, the source is loaded again as one part.
//
// Whether all parts show the same state of the data depends on the source. Package sqlsource on PostgreSQL ensures it
// while the process that supervises the run is alive. With other sources each part shows the state at the time at which
// it is read. The number of products that such a source announces belongs to another state, so it is not compared with
// the number of products read. Changes that come through [Fleet.Update] are in the index in every case.
//
// # Fairness
//
// Runs wait in a queue of their own. At most [Config.TenantParts] parts per tenant are in the queue or being loaded at
// the same time. The parts of small catalogues come first, so that they do not wait behind a large one.
// [Config.BytesInFlight] limits the bytes that all processes together send to the index.
//
// # Tables
//
// All processes that share the tables belong to the fleet. The fleet also takes over unfinished jobs of engines outside
// of the fleet that use the same tables. New creates the tables of River and of package jobsql, and the tables
// reindex_fleet_runs and reindex_fleet_parts.
package fleet
