// Package bleveindex keeps product indexes in the host's own process and on its own disk, with bleve. It is a
// [reindex.Indexer]: every full reindex builds a new bleve index beside the live one and switches searches over in one
// step.
//
//	index, err := bleveindex.Open("index", nil)
//	engine, err := reindex.New(source, index, nil)
//	...
//	result, err := index.Search(ctx, "acme", bleve.NewSearchRequest(bleveindex.Query("wool socks", nil)))
//
// # On disk
//
// One directory holds the indexes of any number of tenants, and belongs to one [Index] at a time, but for those that
// are read-only:
//
//	lock                     held by the process that has the directory open
//	t-acme/                  one directory per tenant; names that are not plain are encoded, see tenantDir
//	t-acme/live              names the live generation, and its number of documents; replaced atomically
//	t-acme/g-…/              one bleve index per generation
//	t-acme/g-…/mark          whether the generation was ever live, and its number of documents
//
// A process that dies leaves at most generations that the file live does not name. [Open] and [Index.Reap] remove them.
// If the file live is lost they remove nothing that may have been live.
//
// # Damage
//
// Before an index is opened all of its files are read, and its segments compared with their checksums: 8 ms for the 118
// MB of pcparts, a catalogue of 47,551 products, if they are in memory, and the time that the disk takes for them if
// they are not. An index that is damaged is an error that matches [reindex.ErrDamaged], for its own tenant alone, and a
// reindex replaces it; that it must not shrink too much also holds for it, since its number of documents is known
// without opening it. A panic in bleve is an error.
//
// The list of segments, root.bolt, has no checksum. Its structure is checked, so that it can be read without a panic; a
// changed value in it is found only if bleve does not understand it, or the number of documents is wrong. An index is
// not compared again while it is open, unless a search panics; then damage can give wrong answers. A panic in a
// goroutine that bleve starts during a search, and memory that bleve asks for and does not get, end the process.
//
// # Searching
//
// [Index.Search] takes a bleve search request and always answers from one complete generation. It neither waits nor
// fails while generations are switched: a search that is running keeps the generation it began with, which is closed
// and removed from the disk when its last search has ended.
//
// # Tenants
//
// [Index.Tenants] lists the tenants, and [Index.DeleteTenant] removes one. A tenant's index is open from its first
// search on, with about two files and three goroutines, until nobody has searched it for Config.IdleTimeout.
//
// # Other processes
//
// A second process searches a directory that another one reindexes with Config.ReadOnly. [Index.Backup] copies the
// live indexes to a directory that [Open] opens, also from a process that is read-only.
//
// # Mapping
//
// [NewMapping] describes how products are indexed if Config names no other mapping.
//
// # Capacity
//
// Writes are bleve's safe batches: one that was accepted is on the disk. While a generation is loaded its segments are
// merged as far as queries at the switch need it, and into fewer once the index has not been changed for about a second.
// While changes come, small segments are merged with each other. While a generation is built, and until the old one is
// removed, the disk holds both.
package bleveindex
