// Package esindex is a [reindex.Indexer] over Elasticsearch, 8.11 or later, and OpenSearch, 2.19 or later.
//
//	client, err := elastictransport.NewClient(elastictransport.WithURLs(address), elastictransport.WithDisableRetry())
//	index, err := esindex.New(client, nil)
//	engine, err := reindex.New(source, index, nil)
//
// An [Index] learns from refusals which features a server lacks, and leaves these out of its settings and mappings.
// OpenSearch does not support "subobjects": see [DefaultMappings]. Use an *elastictransport.Client for it, since an
// *elasticsearch.Client refuses OpenSearch.
//
// Searches of a tenant go to the alias <prefix>-<tenant> (see [Index.Alias]). Each run fills an index of its own beside
// the live one, <prefix>-<tenant>-<time>.<random>, which wildcards do not match, and then moves the alias in one atomic
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
// Requests hold up to 2 MiB of products, and up to 8 requests are made at the same time, unless the engine's Config
// asks for less (see [Index.Limits]). A server that answers with status 429, 503 or 413, or is slow, gets fewer or
// smaller requests: see "Adapting to the index" in the documentation of package reindex.
//
// # What others do to the indexes
//
// An index counts as live if a run switched to it. The alias alone is not enough, since a template can give an alias to
// every index with a matching name. Begin removes such aliases from the new index. At the switch the alias keeps its
// filter and its routing. Other aliases of the live index move to the new one, also those of a template. An index with
// an alias of someone else is never deleted.
//
// Begin fails for every fault that can be found before a load: a read-only live index, no room for shards or replicas,
// a missing privilege, or a template that rejects products or sends them through a pipeline. A broken live index does
// not keep a run from replacing it.
//
// # Going back
//
// The last Config.KeepPrevious generations that were live are kept, for at most Config.KeepFor. [Index.Rollback] opens
// a kept generation, which accepts edits; its Commit moves the alias back. Each kept index has an alias
// <prefix>-<tenant>-.kept…, which records when the index was replaced and how many products it held. An index that has
// lost products since then is refused. An index whose alias was removed is no longer kept.
//
// # Changes of single products
//
// [Index.Update] sends upserts and deletions by _bulk to the live index, through its alias. It never creates an index,
// and deleting a missing product succeeds. Searches see the changes after the refresh_interval of the index, or after
// [Index.Settle]. A generation also gets the changes that were made while it was being filled.
//
// The alias must stand for one index that accepts writes, and must not have an index_routing unless the index has one
// shard. The mark of an index holds the number of products at its sealing, without later changes. That number is used
// only if the index itself cannot be counted; see [reindex.Sealed].
//
// # Privileges
//
// A user or an API key needs "manage", "index" and "read" on the indexes <prefix>-*, and no cluster privilege; with
// "monitor" Begin also compares the replicas that the settings ask for with the number of nodes. Changes that delete
// products also need "delete". Searches need "read".
package esindex
