// Package meiliindex is a [reindex.Indexer] over Meilisearch, 1.18 or later. Each run of an [Index] fills a new index
// beside the live one, and swaps the two in one task.
//
//	client := meilisearch.New("https://search.example.com", meilisearch.WithAPIKey(key), meilisearch.DisableRetries())
//	index, err := meiliindex.New(client, nil)
//	engine, err := reindex.New(source, index, nil)
//
// # The client
//
// [New] takes a client of meilisearch-go. Disable its retries: the engine retries, and the client reports the answer to
// its last retry as a failure. If the server is far away, let the client compress requests with
// [meilisearch.WithContentEncoding].
//
// The API key needs the actions indexes.create, indexes.get, indexes.delete, indexes.swap, documents.add,
// settings.update, stats.get, tasks.get and tasks.cancel. It also needs settings.get if Config.Settings is nil,
// documents.delete if [reindex.Engine.Update] deletes products, and documents.get for the difference from the live
// index. With the action version, Begin detects a server that is too old. A key for all indexes ("*") can read the task
// of a swap. With a key for the pattern of Config.Prefix, an Index reads the outcome of a swap from the indexes
// instead.
//
// # On the server
//
// Searches use the index that [Index.LiveUID] names. A run fills another index, whose uid begins with the prefix and a
// hyphen. The swap exchanges the uids of the two indexes, and the replaced index is then deleted. Until then the disk
// of the server holds both.
//
// A run with a fencing token (see [reindex.Fence]), such as a job in PostgreSQL, leaves one more index per tenant: the
// mark, which is empty and whose uid contains the greatest token so far. The swap renames the mark in the same task. A
// newer run deletes the mark of an older one, whose swap then fails. If tokens start again from 1, because the job
// store was lost, delete the mark.
//
// # Many processes
//
// Other processes can write to the generation of a run with a fencing token ([Index.Join]), and take it over
// ([Index.Resume]). The uid of its index changes when the load ends, so that late writes do not reach it. The server
// creates another index for late writes, which the late process or the tenant's next run deletes.
//
// # Going back
//
// With Config.KeepPrevious, the replaced index is kept under the former uid of the index that replaced it. That uid
// also contains the time of the replacement and the number of documents. [Index.Rollback] opens a kept generation,
// which accepts edits; its Commit swaps it with the live one. Rollback refuses an index that has lost documents. The
// name of a generation is the creation time of its index, which does not change with the uid.
//
// # Documents
//
// A document is the body of a product with one more attribute at its end: Config.KeyAttribute, the primary key, which
// holds the [Key] of the product's id. So any product id is possible. A product that already has this attribute is
// rejected.
//
// # Single products
//
// [Index.Update] changes the live index. The changes of one call become one task of upserts and one of deletions, since
// the server processes a few large tasks faster than many small ones. An update returns when its tasks have ended. They
// wait for all earlier tasks of the server, so a task of a large reindex delays an update. The reverse also holds: a
// task of few products can take the server nearly as long as one of thousands, so frequent updates delay a reindex.
//
// # Capacity
//
// Meilisearch indexes a few large tasks faster than many small ones. By default a task has up to 48 MiB of products
// (Config.BatchBytes), so most catalogues need one or two tasks. One bad document makes its whole task fail, and
// sometimes other tasks with it. So a run keeps the payload of a task in memory until the task has succeeded. A run
// holds at most (MaxTasks + 2) × BatchBytes: the payloads of MaxTasks tasks, the batch being written and the batch
// being read. After a failed task, the run finds the bad documents by bisection and sends the others again.
package meiliindex
