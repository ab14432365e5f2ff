// Package reindex rebuilds a tenant's whole search index beside the live one and switches over in one step.
//
// An [Engine] reads every product of a tenant from a [Source] and writes them through an [Indexer] into a new
// [Generation], which no search sees. When the generation is known to be complete, it goes live atomically. A run that
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
// A run waits for its turn ([StatusPending]) if Config.MaxRuns others are in progress, in the order of arrival. Then
// ([StatusInProgress]) the engine opens a [Snapshot] of the source and asks it how many products to expect ([Counter],
// [Estimator]), asks the index to remove what dead runs have left ([Reaper]), opens a generation, and fills it. Readers
// (one, or one a part: [Splitter]) turn the source into batches; workers check the bodies, call Config.Transform, and
// write. When every batch has been handed over ([StatusPublished]), the engine seals the generation, checks it against
// the rules below, and commits it ([StatusSuccess]). Anything else ends as [StatusFailure].
//
// # What is promised
//
// Accounting: every product read ends as indexed, rejected (with its id, the reason and its place) or duplicate. Of
// several products of one id the first one read counts, whatever the scheduling. The sums must match what the sealed
// generation holds ([RuleAccounting]).
//
// The gate: a generation goes live only if the source ended without an error and kept to the rules of a sequence, no
// more than Config.MaxRejected products were rejected ([RuleRejected]) and no more than Config.MaxDuplicates came twice
// with different bodies ([RuleDuplicates]), something was indexed ([RuleEmpty]), as many different products came as
// were announced ([RuleCount]), and the number of documents did not collapse ([RuleShrunk]). A refusal is a
// [*GateError] with the rule and the numbers. A live index that cannot be counted does not count as an
// empty one: it closes the gate.
//
// Bounded memory: one batch a reader and one a worker, each of at most Config.BatchBytes, ids included, or one larger
// product, and at most 24 bytes per id, whatever the catalogue's size. Reports list at most Config.ReportItems, with
// reasons of at most 1,000 bytes.
//
// Retry in one place: indexes try once and classify what went wrong (see [Writer]). The engine resends only what failed
// and can succeed, waits as [Retry] says, splits batches that are too large, and isolates the one product that spoils a
// batch. It does not read a source twice: a source that calls a server tries again by itself, with Retry.Do.
//
// Control: every call of a host's code gets a context that ends when its result is no longer wanted; that of a read
// ends also when a write has failed. Discarding a generation has a context of its own, limited by
// Config.CleanupTimeout; a switch-over that has begun gets as long to end well. A panic, runtime.Goexit or a nil
// pointer as an error in a Source, a Transform, an Indexer or a JobStore ends the run as a failure, not the program.
// The lease of a job is renewed until its run has truly ended. No goroutine outlives Engine.Shutdown but those that are
// stuck in code that ignores its context, and a [*StuckError] names these.
//
// True words: a job says FAILURE, and that nothing has changed, only if that is known. If the answer to the switch-over
// was lost, the job and the error say that the new index may be live, whatever ended the run: see RunError.MayBeLive.
//
// One run per tenant: [Engine.Start] joins the run in progress, [Engine.Run] returns [ErrRunning].
//
// # Edits during a run
//
// [Engine.Update] changes single products in the live index ([Updater]). A change that it accepts while a run goes on
// is also carried into the new generation ([Editor]), so that a switch-over undoes no edit: a run notes where the
// tenant's changes stand before it opens the source, loads, replays the changes accepted since, the last one of each
// product, until little is left, seals, counts, passes the gate, and then holds the tenant's updates for the short time
// in which it replays the rest and commits. To replay too much is harmless. The accounting includes the products that
// edits added and removed. A change that an index refuses is reported with its id and reason, and holds nothing up. A
// run whose generation cannot be edited, or for which too many changes came (Config.ChangeBytes), does not go live
// ([RuleCurrent]).
//
// Changes are kept in memory, or in a [ChangeLog] that outlives the process (Config.Changes): then several processes
// can accept changes of a tenant, one of them at a time carries them into the live index, and what a crash interrupts
// is carried out again.
//
// # Adapting to the index
//
// Config and [Limits] say how large batches are and how many are written at the same time, at the most. A run begins
// with that, and an index that takes it gets it to the end. Otherwise both follow the rule by which TCP shares a
// network, additive increase and multiplicative decrease (RFC 5681):
//
//   - A [*TemporaryError], or items that are to be sent again (status 429 or 503), halve the number of writes at the
//     same time; one at a time that is still too much halves the batches. As in TCP, writes that were on their way at
//     the same time halve nothing more. Success makes the number grow by one a round; the number that was too much is
//     tried again after 16 rounds. An index that takes n writes at the same time so gets n nearly all the time, and
//     refuses no more than one in 16 × n of them once n is found.
//   - A write that takes longer than [Limits].SlowWrite halves the batches, and the number of writes once batches are
//     at their smallest, 1/64 of the largest. Rounds of quick ones, of up to half that time, make batches grow by as
//     much.
//   - A batch that was refused with [ErrTooLarge], while all of its parts were accepted, caps the batches after it:
//     their size is found by halving once, not for each batch anew. A single product that is too large, or refused with
//     [ErrRefused], changes nothing.
//
// [BatchWrite] has what became of both after each write.
//
// # Writing a Source or an Indexer
//
// Package reindextest holds the promises of both as tests that an implementation runs against itself, and faults to
// inject.
package reindex
