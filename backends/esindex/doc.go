// Package esindex is a [reindex.Indexer] over Elasticsearch, 8.11 or later, and OpenSearch, 2.19 or later.
//
//	client, err := elastictransport.NewClient(elastictransport.WithURLs(address), elastictransport.WithDisableRetry())
//	index, err := esindex.New(client, nil)
//	engine, err := reindex.New(source, index, nil)
//
// If a server rejects a feature that it does not know, the [Index] leaves that feature out of its settings and mappings
// from then on. OpenSearch does not support "subobjects": see [DefaultMappings]. For OpenSearch, use an
// *elastictransport.Client, since an *elasticsearch.Client refuses to work with it.
//
// Searches of a tenant go to the alias <prefix>-<tenant> (see [Index.Alias]). Each run fills an index of its own beside
// the live one, <prefix>-<tenant>-<time>.<random>, which wildcards do not match, and then moves the alias in one atomic
// call.
//
// # The client
//
// New takes any [esapi.Transport], such as an *elasticsearch.Client or an *elastictransport.Client. Give the Index its
// own client:
//   - DisableRetry: true. The engine retries with growing delays and resends only the products that failed. The
//     client's own retries would multiply with those: 4 attempts of the client times 8 of the engine.
//   - a [net/http.Transport] with MaxIdleConnsPerHost of at least 8, or the engine's Workers if that is more; with Go's
//     default of 2, further workers open a new connection for each batch.
//   - ResponseHeaderTimeout of some minutes, so that a call to a server that has stopped answering fails.
//   - no compression on a fast network: it costs more than it saves.
//
// Other settings make runs slower, but do no harm.
//
// # Batches
//
// Requests hold up to 2 MiB of products, and up to 8 requests are made at the same time, unless the engine's Config
// asks for less (see [Index.Limits]). A server that answers with status 429, 503 or 413, or is slow, gets fewer or
// smaller requests: see "Adapting to the index" in the documentation of package reindex.
//
// # Aliases and templates of others
//
// An index is live if a run switched the tenant's alias to it. The alias alone does not make an index live, since a
// template can give the alias to every index with a matching name. Begin removes such aliases from the new index. At
// the switch the tenant's alias keeps its filter and its routing, and other aliases of the live index, including those
// of a template, move to the new index. An index with an alias that someone else added is never deleted.
//
// Begin fails if it finds a fault that would make the run fail later: a read-only live index, too few nodes for the
// shards or replicas, a missing privilege, or a template that rejects products or sends them through a pipeline. A run
// can replace a live index that is damaged.
//
// # Going back
//
// The last Config.KeepPrevious generations that were live are kept, for at most Config.KeepFor. [Index.Rollback] opens
// a kept generation, which accepts edits; its Commit moves the alias back. The index of each kept generation has an
// alias <prefix>-<tenant>-.kept…, which records when the index was replaced and how many products it held. Rollback
// refuses an index that has lost products since then. A generation is no longer kept once this alias is removed.
//
// # Changes of single products
//
// [Index.Update] sends upserts and deletions by _bulk to the live index, through its alias. It never creates an index,
// and deleting a missing product succeeds. Searches see the changes after the refresh_interval of the index, or after
// [Index.Settle]. A generation also gets the changes that were made while it was being filled.
//
// The alias must point to exactly one index, which must accept writes. It must not have an index_routing unless the
// index has one shard. The mark of an index, in the _meta of its mappings, holds the number of products at Seal,
// without later changes. That number is used only if the index itself cannot be counted; see [reindex.Sealed].
//
// # Privileges
//
// A user or an API key needs "manage", "index" and "read" on the indexes <prefix>-*, and no cluster privilege. With the
// cluster privilege "monitor", Begin also compares the replicas that the settings ask for with the number of nodes.
// Changes that delete products also need "delete". Searches need "read".
package esindex
