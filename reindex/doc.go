// Package reindex rebuilds a tenant's whole search index beside the live one and switches over in one step.
//
// An [Engine] reads every product of a tenant from a [Source] and writes them through an [Indexer] into a new [Generation], which no
// search sees. When the generation is known to be complete, it goes live atomically. A run that fails, is cancelled or dies leaves the
// live index exactly as it was.
//
//	Source ──▶ Engine: read → check → batch → write (retry, split) ──▶ Generation ──▶ seal → gate → commit
//
// # A run's life
//
// A run waits for its turn ([StatusPending]) where Config.MaxRuns others are in progress, in the order of arrival. Then
// ([StatusInProgress]) the engine asks the index to remove what dead runs have left ([Reaper]), asks the source how many products to
// expect ([Counter]), opens a generation, and fills it. Readers (one, or one a partition: [Partitioner]) turn the source into batches;
// workers check the bodies, call Config.Transform, and write. When every batch has been handed over ([StatusPublished]), the engine
// seals the generation, checks it against the rules below, and commits it ([StatusSuccess]). Anything else ends as [StatusFailure].
//
// # What is promised
//
// Accounting: every product read ends as indexed, rejected (with its id and the reason) or duplicate. Of several products of one id the
// first one read counts, whatever the scheduling. The sums must match what the sealed generation holds ([RuleAccounting]).
//
// The gate: a generation goes live only if the source ended without an error, no more than Config.MaxRejected products were rejected
// ([RuleRejected]), something was indexed ([RuleEmpty]), the source yielded what it announced ([RuleCount]), and the number of documents
// did not collapse ([RuleShrunk]). A refusal is a [*GateError] with the rule and the numbers.
//
// Bounded memory: one batch a reader and one a worker, each of at most Config.BatchBytes or one larger product, and at most 24 bytes
// an id, whatever the catalogue's size.
//
// Retry in one place: indexes and sources try once and classify what went wrong (see [Generation]). The engine resends only what failed
// and can succeed, waits as [Retry] says, splits what is too large, and isolates the one product that spoils a batch.
//
// Cancellation: every call gets a context that ends when the run is to stop. Discarding a generation has a context of its own,
// limited by Config.CleanupTimeout; a switch-over that has begun gets as long to end well. No goroutine outlives Engine.Shutdown. A
// panic of a Source, a Transform or an Indexer ends the run as a failure, not the program.
//
// One run a tenant: [Engine.Start] joins the run in progress, [Engine.Run] returns [ErrRunning].
//
// # Adapting to the index
//
// Config and [Limits] say how large batches are and how many are written at the same time, at the most. A run begins with that, and an
// index that takes it gets it to the end. Otherwise both follow the rule by which TCP shares a network, additive increase and
// multiplicative decrease (RFC 5681):
//
//   - A [*TemporaryError], or items that are to be sent again (status 429 or 503), halve the number of writes at the same time; one at a
//     time that is still too much halves the batches. As in TCP, what was on its way at the same time halves nothing more. Success makes
//     the number grow by one a round; the number that was too much is tried again after 16 rounds. An index that takes n writes at the
//     same time so gets n nearly all the time, and refuses no more than one in 16 × n of them once n is found.
//   - A write that takes longer than [Limits].SlowWrite halves the batches, and the number of writes once batches are at their smallest,
//     1/64 of the largest. Rounds of quick ones, of up to half that time, make batches grow by as much.
//   - A batch that was refused with [ErrTooLarge], while all of its parts were accepted, caps the batches after it: their size is found
//     by halving once, not for each batch anew. A single product that is too large, or refused with [ErrRefused], changes nothing.
//
// [BatchWrite] tells what became of both after each write.
//
// # Writing a Source or an Indexer
//
// Package reindextest holds the promises of both as tests that an implementation runs against itself, and faults to inject.
package reindex
