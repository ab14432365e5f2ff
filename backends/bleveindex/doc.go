// Package bleveindex keeps product indexes in the host's own process and on its own disk, with bleve. It is a [reindex.Indexer]:
// every full reindex builds a new bleve index beside the live one and switches searches over in one step.
//
// # On disk
//
// One directory holds the indexes of any number of tenants, and belongs to one [Index] at a time:
//
//	lock                     held by the process that has the directory open
//	t-acme/                  one directory a tenant; names that are not plain are encoded, see tenantDir
//	t-acme/live              names the live generation; replaced atomically
//	t-acme/g-…/              one bleve index a generation
//
// A process that dies leaves at most generations that the file live does not name. [Open] and [Index.Reap] remove them.
//
// # Searching
//
// [Index.Search] takes a bleve search request and always answers from one complete generation. It neither waits nor fails while
// generations are switched: a search that is running keeps the generation it began with, which is closed and removed from the disk when
// its last search has ended.
//
// # Mapping
//
// [NewMapping] describes how products are indexed where Config names no other mapping.
//
// # Capacity
//
// Writes are bleve's safe batches: one that was accepted is on the disk. While a generation is loaded its segments are merged only as
// far as queries at the switch need it; the rest is left to bleve's background merger, which starts when the generation is sealed.
// While a generation is built, and until the old one is removed, the disk holds both.
package bleveindex
