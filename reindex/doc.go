// Package reindex rebuilds the whole search index of a tenant beside the live one, and switches searches over in one
// step.
//
// An [Engine] reads all products of a tenant from a [Source] and writes them through an [Indexer] into a new
// [Generation], which no search sees. Once the generation is known to be complete, it goes live atomically. A run that
// fails, is cancelled or dies leaves the live index exactly as it was.
//
//	Source ──▶ Engine: read → check → batch → write (retry, split) ──▶ Generation ──▶ seal → gate → commit
//
//	engine, err := reindex.New(source, index, &reindex.Config{Logger: slog.Default()})
//	job, started, err := engine.Start(ctx, "acme")
//	for job, err := range engine.Watch(ctx, "acme", job.ID) { … }
//	err = engine.Shutdown(ctx)
//
// # A run's life
//
// If Config.MaxRuns other runs are in progress, a run waits for its turn, in the order of arrival ([StatusPending]).
// When its turn comes ([StatusInProgress]), the engine opens a [Snapshot] of the source and asks it for the number of
// products ([Counter], [Estimator]). It asks the index to remove the leftovers of dead runs ([Reaper]), opens a
// generation, and fills it. One reader, or one per part of the source ([Splitter]), collects products into batches.
// Workers check the bodies, call Config.Transform, and write the batches. When every batch has been written
// ([StatusPublished]), the engine seals the generation, checks it against the rules below, and commits it
// ([StatusSuccess]). A run that does not get that far ends as [StatusFailure].
//
// # Promises
//
// Accounting: every product read ends as indexed, rejected (with its id, the reason and its place) or duplicate. If
// several products have the same id, the first one read is indexed, whatever the scheduling. The three numbers must add
// up to the number of products read, and the sealed generation must hold exactly the indexed products
// ([RuleAccounting]).
//
// The gate: a generation goes live only if
//   - the source ended without an error, and kept to the rules of [Snapshot];
//   - at most Config.MaxRejected products were rejected ([RuleRejected]);
//   - at most Config.MaxDuplicates products came again with another body ([RuleDuplicates]);
//   - something was indexed ([RuleEmpty]);
//   - the source yielded as many different products as it had announced ([RuleCount]);
//   - the number of documents did not shrink too much ([RuleShrunk]).
//
// A refusal is a [*GateError] with the rule and the numbers. If the documents of the live index cannot be counted, the
// gate stays closed.
//
// Bounded memory: a run holds one batch per reader and one per worker, and at most 24 bytes per id, whatever the size
// of the catalogue. A batch has at most Config.BatchBytes, ids included, or one larger product. A report lists at most
// Config.ReportItems rejections, with reasons of at most 1,000 bytes, and as many duplicates.
//
// Retry in one place: indexes try once and classify their errors (see [Writer]). The engine resends only products that
// failed and can succeed, waits as [Retry] says, splits batches that are too large, and isolates the one product that
// spoils a batch. It does not repeat a read that failed: a source that calls a server retries by itself, with Retry.Do.
//
// Control: the host is the program that embeds the engine. Every call of the host's code gets a context that ends when
// its result is no longer wanted. The context of a read also ends when a write has failed. A generation is discarded
// under a context of its own, limited by Config.CleanupTimeout; a switch-over that has begun gets the same time to
// complete. A panic, a call of runtime.Goexit or a nil pointer as an error in a Source, a Transform, an Indexer or a
// JobStore ends the run as a failure, not the program. The lease of a job is renewed until its run has truly ended. No
// goroutine outlives Engine.Shutdown, except those that are stuck in code that ignores its context; a [*StuckError]
// names these calls.
//
// Honest results: a job that ends as FAILURE has changed nothing, unless it says otherwise. If the answer to the
// switch-over was lost, the job and the error say that the new index may be live; see RunError.MayBeLive.
//
// One run per tenant: [Engine.Start] joins the run in progress, [Engine.Run] returns [ErrRunning].
//
// # Edits during a run
//
// [Engine.Update] changes single products in the live index ([Updater]). A change that it accepts during a run is also
// applied to the new generation ([Editor]), so that the switch-over undoes no edit. Before a run opens the source, it
// notes the position of the last change of the tenant. After the load it replays the changes accepted since then, only
// the last one of each product, until few are left. It seals the generation, counts it, and checks it against the gate.
// Then it holds the tenant's updates for the short time in which it replays the remaining changes and commits.
// Replaying a change that the source already had is harmless. The accounting includes the products that edits added and
// removed. A change that an index refuses is reported with its id and reason, and blocks nothing. A run does not go
// live ([RuleCurrent]) if its generation cannot be edited, or if too many changes came (Config.ChangeBytes).
//
// Changes are kept in memory, or in a [ChangeLog] that outlives the process (Config.Changes). With such a log, several
// processes can accept changes of a tenant, and one of them at a time applies them to the live index. Changes that a
// crash interrupts are applied again.
//
// # Adapting to the index
//
// Config and [Limits] set the largest size of a batch and the largest number of concurrent writes. A run begins with
// both, and keeps them for as long as the index accepts them. Otherwise both follow the rule by which TCP shares a
// network, additive increase and multiplicative decrease (RFC 5681):
//
//   - A [*TemporaryError], or items that can be retried (status 429 or 503), halve the number of concurrent writes. If
//     a single write is still too much, they halve the size of the batches. As in TCP, writes that were on their way at
//     the same time halve nothing more. After each round of successful writes the number grows by one; a number that
//     was too large is tried again after 16 rounds. Thus an index that accepts n concurrent writes gets n of them
//     nearly all the time, and refuses at most one write in 16 × n once n is found.
//   - A write that takes longer than [Limits].SlowWrite halves the size of the batches, down to 1/64 of the largest;
//     after that it halves the number of writes. After each round of writes that took at most half of SlowWrite,
//     batches grow by 1/64 of the largest.
//   - A batch that was refused with [ErrTooLarge], while all of its parts were accepted, limits the size of later
//     batches, so that they need no halving. A single product that is too large, or is refused with [ErrRefused],
//     changes nothing.
//
// [BatchWrite] reports the current size and number after each write.
//
// # Writing a Source or an Indexer
//
// Package reindextest has conformance tests for both, which an implementation runs against itself, and injects faults.
package reindex
