// Package meiliindex keeps product indexes on a Meilisearch server, version 1.18 or later. It is a [reindex.Indexer]:
// every full reindex fills an index of its own beside the live one and swaps the two in one task.
//
// # The client
//
// [New] takes a client of meilisearch-go. Its retries have to be switched off: the engine retries, and the client
// reports an answer that comes with the last of its retries as a failure. Compression is also the client's, and pays
// when the server is not near:
//
//	client := meilisearch.New("https://search.example.com", meilisearch.WithAPIKey(key), meilisearch.DisableRetries(),
//		meilisearch.WithContentEncoding(meilisearch.GzipEncoding, meilisearch.BestSpeed))
//
// The key needs the actions indexes.create, indexes.get, indexes.delete, indexes.swap, documents.add, settings.update,
// stats.get, tasks.get and tasks.cancel, settings.get if Config.Settings is nil, documents.delete if products are
// deleted by [reindex.Engine.Update], and documents.get for the difference to the live index. With version an older
// server is found at once. A key for every index ("*") sees the task of a swap. One for the pattern of Config.Prefix
// also works, and learns from the indexes how the swap ended.
//
// # On the server
//
// Searches use the index that [Index.LiveUID] names. While a reindex runs there is another one, whose uid begins with
// the prefix and a hyphen; the old index gets that name when the two are swapped, and is deleted. While
// both are there, the server's disk holds both.
//
// Runs that have a fencing token (see [reindex.Fence]), as with jobs in PostgreSQL, leave one more index per tenant: a
// mark, empty, whose uid bears the greatest token so far. The swap renames the mark in the same task, so that a run
// whose mark a newer one has deleted cannot publish. If the tokens start again from 1, because the store of the jobs
// was lost, delete the mark.
//
// # Many processes
//
// Other processes write into the generation of a run that has a fencing token ([Index.Join]), and take it over
// ([Index.Resume]). Its index gets another name when the load ends, so that what they send late is not in it. The
// server makes an index of that, which the late process or the tenant's next run deletes.
//
// # Going back
//
// With Config.KeepPrevious the index that was live is kept under the uid of the one that replaced it, which then also
// says when that was and how many documents it held. [Index.Rollback] opens such an index, takes edits into it and
// swaps it with the live one; one that has lost documents is refused. A generation's name is the time at which its
// index was created, which stays the same whatever its uid is.
//
// # Documents
//
// A product's body becomes a document as it is, with one more attribute at its end: Config.KeyAttribute, the primary
// key, which holds [Key] of the product's id. Any id is possible that way. A product that has such an attribute itself
// is rejected.
//
// # Single products
//
// [Index.Update] changes the live index. Changes that come together become one task of upserts and one of deletions, as
// the server works on few large tasks faster than on many small ones. An update takes as long as its tasks, which wait
// behind all others of the server: a task of a large reindex delays it.
//
// # Capacity
//
// Meilisearch indexes a few large tasks faster than many small ones, and the first task, which it works on alone, is
// the better the larger it is. By default a task has up to Config.BatchBytes of products, 48 MiB, so that most
// catalogues are one or two tasks. One bad document fails all of its task, and now and then all tasks beside it;
// therefore what a task carries is kept until the task is known to have succeeded. A run holds at most (MaxTasks + 2) ×
// BatchBytes: the payloads of MaxTasks tasks, the batch that is written and the batch that is read. The documents
// of a task that failed are sent again without the bad ones, which are found by halving.
package meiliindex
