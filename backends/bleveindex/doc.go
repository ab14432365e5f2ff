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
// One directory holds the indexes of any number of tenants. Only one [Index] at a time may have it open for writing:
//
//	lock                     held by the process that has the directory open
//	t-acme/                  one directory per tenant; names that are not plain are encoded, see tenantDir
//	t-acme/live              names the live generation, and its number of documents; replaced atomically
//	t-acme/g-…/              one bleve index per generation
//	t-acme/g-…/mark          whether the generation was ever live, and its number of documents
//
// A process that dies can leave generations that the file live does not name. [Open] and [Index.Reap] remove them. If
// the file live is lost, they remove no generation that may have been live.
//
// # Damage
//
// Before an index is opened, all of its files are read and its segments are compared with their checksums. That takes 8
// ms for the 118 MB of pcparts, a catalogue of 47,551 products, if the files are in memory, and otherwise as long as
// the disk needs to read them. If an index is damaged, only its own tenant gets an error, which matches
// [reindex.ErrDamaged], and a reindex replaces the index. The number of its documents is known without opening it, so
// the rule on shrinking still applies. A panic in bleve becomes an error.
//
// The list of segments, root.bolt, has no checksum. Its structure is checked, so that it can be read without a panic; a
// changed value in it is found only if bleve does not understand it, or the number of documents is wrong. An open index
// is checked again only if a search panics, so damage that happens while it is open can lead to wrong answers. A panic
// in a goroutine that bleve starts during a search ends the process, and so does a lack of memory.
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
// With Config.ReadOnly, a process can search a directory that another process reindexes. [Index.Backup] copies the live
// indexes to a directory that [Open] can open; a read-only process can also call it.
//
// # Mapping
//
// [NewMapping] describes how products are indexed if Config names no other mapping.
//
// # Capacity
//
// Writes are bleve's safe batches: an accepted batch is on the disk. While a generation is loaded, its segments are
// merged as far as queries need it after the switch. Once the index has not been changed for about a second, they are
// merged into fewer ones. While changes come, only small segments are merged. The disk holds both generations until the
// old one is removed.
package bleveindex
