// Package fleet reindexes a tenant on any number of processes, over River (github.com/riverqueue/river) on PostgreSQL.
//
// A process triggers runs, works on them, or both; see [Role]. All of them have the same source and the same index. A
// run is a job of River's, and so is each part of it: the process that works on the run opens a generation, splits the
// source, and watches, catches up, checks and switches over as package reindex does on one machine. Other processes
// load a part each: they read it by its name, write through [reindex.Joiner], and store its report in the transaction
// that completes River's job. So a part counts once, however often it is tried.
//
//	pool, err := pgxpool.New(ctx, "postgres://…")
//	f, err := fleet.New(ctx, pool, source, index, &fleet.Config{Lease: 30 * time.Second})
//	err = f.Work(ctx) // in a worker
//	handler, err := httpapi.New(f, auth, nil) // a Fleet is an httpapi.Engine
//
// # Who is alive
//
// Whoever works on a run or on a part renews a lease in the database, whether it makes progress or not: a slow one is
// alive. A part whose lease has run out is loaded again by another process. A run whose lease has run out is taken over
// by another process, with a new fencing token, and no finished part is loaded again if the index is a
// [reindex.Resumer]. Whoever wakes up late meets a fence: it stores no report, publishes nothing, and what it writes is
// refused once the load is over.
//
// # What the index has to be
//
// Elasticsearch and OpenSearch (esindex) can be joined and resumed. An index that is not a [reindex.Joiner] is one
// process's own: New refuses it.
//
// # Parts
//
// Parts are those of the source ([reindex.Splitter]), by names that mean the same to every process. A source that
// cannot be split is one part. A product in two parts is not noticed while they are loaded, as no process knows all
// ids: it shows when the generation is counted, and is then the duplicate that it is without a fleet. If the bodies
// differ and [reindex.Config] allows that, the source is loaded once more, as one part.
//
// Parts are of one state of the data as far as the source sees to it: package sqlsource on PostgreSQL does while the
// process lives that looks after the run. After that each part is the state of the moment in which it is read, and so
// is a source in one part. The number that such a source announces is not compared with all that was read, as it is of
// another moment. Changes that come through [Fleet.Update] are in the index whichever state a part has.
//
// # Fairness
//
// Runs wait in a queue of their own. Of one tenant's parts, at most [Config.TenantParts] are in the queue or under way
// at the same time, and those of small catalogues come first: they do not wait behind a large one.
// [Config.BytesInFlight] limits what all processes together send to the index.
//
// # Tables
//
// All processes that share the tables belong to the fleet: a job of an engine without one that is under way in them is
// taken over. New makes River's tables, those of package jobsql, and reindex_fleet_runs and reindex_fleet_parts.
package fleet
