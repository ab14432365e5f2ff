// Package bleveindex is a [reindex.Indexer] over bleve: it keeps the indexes in the host's own process and on its disk.
// Each run builds a new bleve index beside the live one and switches searches to it in one step.
//
//	index, err := bleveindex.Open("index", nil)
//	engine, err := reindex.New(source, index, nil)
//	...
//	result, err := index.Search(ctx, "acme", bleve.NewSearchRequest(bleveindex.Query("wool socks", nil)))
//
// # On disk
//
// One directory holds the indexes of any number of tenants. Only one [Index] at a time may have it open for writing:
//
//	lock                     held by the process that has opened the directory
//	t-acme/                  one directory per tenant; a name with characters other than a-z, 0-9, - and _ is encoded
//	t-acme/live              the name of the live generation and its number of documents; replaced atomically
//	t-acme/g-…/              one bleve index per generation
//	t-acme/g-…/mark          whether the generation was ever live, and its number of documents
//
// A process that dies can leave generations that the file live does not name. [Open] and [Index.Reap] remove them. If
// the file live is lost, they do not remove any generation that may have been live.
//
// # Damage
//
// Before an index is opened, all of its files are read and its segments are compared with their checksums. For the 118
// MB of pcparts, a catalogue of 47,551 products, that takes 8 ms if the files are in memory, and otherwise as long as
// the disk needs to read them. If an index is damaged, only calls for its tenant return an error, which matches
// [reindex.ErrDamaged], and a reindex replaces the index. The number of documents of the damaged index is stored beside
// it, so the engine's MinFraction still guards against a new index that is much smaller. A panic in bleve becomes an
// error.
//
// The list of segments, root.bolt, has no checksum. Its structure is checked, so that reading it cannot panic. A
// changed value in it is detected only if bleve cannot parse it or the number of documents is wrong. An open index is
// checked again only if a search panics, so damage to an open index can lead to wrong answers. A panic in a goroutine
// that bleve starts during a search ends the process, and so does a lack of memory.
//
// # Searching
//
// [Index.Search] takes a bleve search request and always answers from one complete generation. It neither waits nor
// fails during a switch: a running search keeps the generation that it began with. A replaced generation is closed and
// removed from the disk when its last search has ended.
//
// # Tenants
//
// [Index.Tenants] lists the tenants, and [Index.DeleteTenant] removes one. A tenant's index is opened by its first
// search and closed after Config.IdleTimeout without a search. While open it uses about two files and three goroutines.
//
// # Other processes
//
// With Config.ReadOnly, a process can search a directory that another process reindexes. [Index.Backup] copies the live
// indexes to a directory that [Open] can open; a read-only process can also call it.
//
// # Mapping
//
// By default products are indexed as [NewMapping] describes.
//
// # Capacity
//
// When a call of Write or Update returns, its batch is on the disk. During a load, segments are merged into a few
// dozen, so that searches are fast right after the switch. While an index is being changed, only small segments are
// merged. About a second after the last change, the segments are merged into fewer ones. The disk holds both
// generations until the old one is removed.
package bleveindex
