// Package fleet reindexes a tenant on any number of processes, over River (github.com/riverqueue/river) on PostgreSQL.
//
// A process triggers runs, works on them, or both; see [Role]. All processes have the same source and the same index. A
// run is a River job, and so is each of its parts. The process that works on the run opens a generation, splits the
// source, and watches the parts. Then it catches up, checks and switches over as package reindex does on one machine.
// Other processes load one part at a time: they read it by its name, write through [reindex.Joiner], and store its
// report in the transaction that completes the River job. Thus a part counts once, however often it is tried.
//
//	pool, err := pgxpool.New(ctx, "postgres://…")
//	f, err := fleet.New(ctx, pool, source, index, &fleet.Config{Lease: 30 * time.Second})
//	err = f.Work(ctx) // in a worker
//	handler, err := httpapi.New(f, auth, nil) // a Fleet is an httpapi.Engine
//
// # Who is alive
//
// A process that works on a run or on a part renews a lease in the database, whether it makes progress or not: a slow
// process is alive. A part whose lease has expired is loaded again by another process. A run whose lease has expired is
// taken over by another process, with a new fencing token. If the index is a [reindex.Resumer], no finished part is
// loaded again. A process that wakes up late is fenced: it can neither store a report nor publish a generation, and its
// writes are refused once the load is over.
//
// # The index
//
// Elasticsearch, OpenSearch (both esindex) and Meilisearch (meiliindex) can be joined and resumed. New refuses an index
// that is not a [reindex.Joiner], since only one process can write into it.
//
// # Parts
//
// The source names the parts ([reindex.Splitter]). A name means the same part in every process. A source that cannot be
// split is one part. A product in two parts is not noticed while they are loaded, since no process knows all ids. It is
// found when the generation is counted, and is reported as the same duplicate as without a fleet. If the bodies differ
// and [reindex.Config] allows that, the source is loaded once more, as one part.
//
// All parts show the same state of the data only if the source ensures it. Package sqlsource on PostgreSQL does so
// while the process that supervises the run is alive. Otherwise each part shows the state at the time at which it is
// read. The number that such a source announces is not compared with the number of products read, since it belongs to
// another state. Changes that come through [Fleet.Update] are in the index in every case.
//
// # Fairness
//
// Runs wait in a queue of their own. At most [Config.TenantParts] parts per tenant are in the queue or being loaded at
// the same time. The parts of small catalogues come first, so that they do not wait behind a large one.
// [Config.BytesInFlight] limits the bytes that all processes together send to the index.
//
// # Tables
//
// All processes that share the tables belong to the fleet. A job of an engine outside of the fleet that is in progress
// in the same tables is taken over. New creates the tables of River and of package jobsql, and the tables
// reindex_fleet_runs and reindex_fleet_parts.
package fleet
