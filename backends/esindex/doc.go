// Package esindex is a [reindex.Indexer] over Elasticsearch, 8.11 or later, and OpenSearch, 2.19 or later.
//
//	client, err := elastictransport.NewClient(elastictransport.WithURLs(address), elastictransport.WithDisableRetry())
//	index, err := esindex.New(client, nil)
//	engine, err := reindex.New(source, index, nil)
//
// It learns from refusals which features a server lacks, and leaves these out of its own settings and mappings.
// OpenSearch does not know "subobjects": see [DefaultMappings]. It is reached through an *elastictransport.Client;
// an *elasticsearch.Client refuses it.
//
// Searches of a tenant go to the alias <prefix>-<tenant> (see [Index.Alias]). Each run fills an index of its own beside
// the live one, <prefix>-<tenant>-<time>.<random>, which wildcards do not find, and then moves the alias in one atomic
// call.
//
// # The client
//
// New takes any [esapi.Transport], such as an *elasticsearch.Client or an *elastictransport.Client. Give the Index its
// own client:
//   - DisableRetry: true. The engine retries, waits in between, and resends only what failed. The client's own retries would multiply
//     with those: 4 tries of the client times 8 of the engine.
//   - an [net/http.Transport] with MaxIdleConnsPerHost of at least 8, or the engine's Workers; Go's default of 2 makes further workers open a
//     new connection for each batch.
//   - ResponseHeaderTimeout of some minutes, so that a server that died without a word is noticed.
//   - no compression on a fast network: it costs more than it saves.
//
// Nothing breaks with other settings.
//
// # Batches
//
// Requests hold up to 2 MiB of products, and up to 8 are made at the same time, where the engine's Config does not ask
// for less (see [Index.Limits]). A server that answers with status 429, 503 or 413, or takes long, gets fewer or
// smaller ones: see "Adapting to the index" in the documentation of package reindex.
//
// # What others do to the indexes
//
// An index counts as live if it was switched to, not because it bears the alias: a template gives an alias to every
// index whose name matches. Begin removes such aliases from the new index. At the switch the alias keeps its filter and
// its routing, and the further aliases of the live index move along, also those of a template. No index that bears an
// alias of someone else is deleted.
//
// Begin fails for all that can be known before a load: a live index that is read-only, no room for shards or replicas,
// a missing privilege, a template that rejects products or sends them through a pipeline. A live index that is broken
// does not keep a run from replacing it.
//
// # Going back
//
// Config.KeepPrevious generations that were live are kept, for Config.KeepFor at the most. [Index.Rollback] opens one of
// them, takes edits into it and moves the alias back. An alias <prefix>-<tenant>-.kept… notes with each when it was
// replaced and how many products it held: one that has lost some since is refused. Who takes that alias away gives the
// index up.
//
// # Changes of single products
//
// [Index.Update] sends upserts and deletions by _bulk to the live index, through its alias: none of it makes an index,
// and a deletion of a missing product succeeds. Searches see them after the index's refresh_interval, or
// after [Index.Settle]. A generation takes those that were made while it was filled, and shows them from the switch on.
//
// The alias has to stand for one index and to take writes, without an index_routing unless the index has one shard. The
// number of products in the mark of an index is that at its sealing: changes made since do not correct it. It counts
// only if the index itself cannot be counted, see [reindex.Sealed].
//
// # Privileges
//
// A user or an API key needs "manage", "index" and "read" on the indexes <prefix>-*, and no cluster privilege; with
// "monitor" Begin also compares the replicas that the settings ask for with the number of nodes. Changes that delete
// products also need "delete". Searches need "read".
package esindex
