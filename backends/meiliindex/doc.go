// Package meiliindex keeps product indexes on a Meilisearch server, version 1.18 or later. An [Index] is a
// [reindex.Indexer]: every full reindex fills a new index beside the live one, and swaps the two in one task.
//
// # The client
//
// [New] takes a client of meilisearch-go. Switch its retries off: the engine retries, and the client reports the answer
// to its last retry as a failure. The client can also compress requests, which helps if the server is far away:
//
//	client := meilisearch.New("https://search.example.com", meilisearch.WithAPIKey(key), meilisearch.DisableRetries(),
//		meilisearch.WithContentEncoding(meilisearch.GzipEncoding, meilisearch.BestSpeed))
//
// The key needs the actions indexes.create, indexes.get, indexes.delete, indexes.swap, documents.add, settings.update,
// stats.get, tasks.get and tasks.cancel, settings.get if Config.Settings is nil, documents.delete if products are
// deleted by [reindex.Engine.Update], and documents.get for the difference to the live index. With the action version,
// an older server is detected at once. A key for every index ("*") can read the task of a swap. With a key for the
// pattern of Config.Prefix, the outcome of a swap is read from the indexes.
//
// # On the server
//
// Searches use the index that [Index.LiveUID] names. A reindex fills another index, whose uid begins with the prefix
// and a hyphen. When the two are swapped, the old index gets that uid and is deleted. Until then the disk of the server
// holds both.
//
// Runs that have a fencing token (see [reindex.Fence]), as with jobs in PostgreSQL, leave one more index per tenant: an
// empty mark, whose uid contains the greatest token so far. The swap renames the mark in the same task. A newer run
// deletes the mark of an older one, which then cannot publish. If tokens start again from 1, because the job store was
// lost, delete the mark.
//
// # Many processes
//
// Other processes write into the generation of a run that has a fencing token ([Index.Join]), and take it over
// ([Index.Resume]). Its index gets another name when the load ends, so that late writes do not reach it. The server
// creates another index for late writes, which the late process or the tenant's next run deletes.
//
// # Going back
//
// With Config.KeepPrevious, the index that was live is kept under the uid of the index that replaced it. The uid then
// also contains the time of the replacement and the number of documents. [Index.Rollback] opens a kept index, which
// accepts edits; its Commit swaps it with the live one. An index that has lost documents is refused. The name of a
// generation is the time at which its index was created, which does not change with its uid.
//
// # Documents
//
// A product's body becomes a document as it is, with one more attribute at its end: Config.KeyAttribute, the primary
// key, which holds [Key] of the product's id. Thus any id is possible. A product that has such an attribute itself is
// rejected.
//
// # Single products
//
// [Index.Update] changes the live index. Changes that arrive together become one task of upserts and one of deletions,
// since the server processes a few large tasks faster than many small ones. An update takes as long as its tasks. These
// wait for all earlier tasks of the server, so a task of a large reindex delays an update.
//
// # Capacity
//
// Meilisearch indexes a few large tasks faster than many small ones. By default a task has up to 48 MiB of products
// (Config.BatchBytes), so that most catalogues are one or two tasks. One bad document makes its whole task fail, and
// sometimes other tasks with it. Therefore the payload of a task is kept until the task is known to have succeeded. A
// run holds at most (MaxTasks + 2) × BatchBytes: the payloads of MaxTasks tasks, the batch that is written and the
// batch that is read. The documents of a task that failed are sent again without the bad ones, which are found by
// halving.
package meiliindex
