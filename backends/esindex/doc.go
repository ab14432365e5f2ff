// Package esindex is a [reindex.Indexer] over Elasticsearch 8.
//
// Searches of a tenant go to the alias <prefix>-<tenant> (see [Index.Alias]). Each run fills an index of its own beside the live one,
// <prefix>-<tenant>-<time>.<random>, which wildcards do not find, and then moves the alias in one atomic call.
//
// # The client
//
// New takes any [esapi.Transport], such as an *elasticsearch.Client or an *elastictransport.Client. Give the Index a client of its own:
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
// Requests hold up to 2 MiB of products, and up to 8 are made at the same time, where the engine's Config does not ask for less (see
// [Index.Limits]). A server that answers with status 429, 503 or 413, or takes long, gets fewer or smaller ones: see "Adapting to the
// index" in the documentation of package reindex.
//
// # Privileges
//
// A user or an API key needs "manage", "index" and "read" on the indexes <prefix>-*, and no cluster privilege. Searches need "read".
package esindex
