package reindex

import "time"

// Report accounts for one run. Read = Indexed + Rejected + Duplicates in every run that succeeds; in a run that failed,
// products that were still under way are in Read alone.
type Report struct {
	// Read is the number of products that the source yielded.
	Read int64
	// Indexed is the number of products that the index accepted.
	Indexed int64
	// Rejected is the number of products that cannot be indexed.
	Rejected int64
	// Duplicates is the number of products whose id had been read before; the first one read counts.
	Duplicates int64
	// Conflicts is the number of duplicates whose body is not the one that was read first. See Config.MaxDuplicates.
	Conflicts int64
	// Expected is what the source announced through [Counter]; -1 where it announces nothing.
	Expected int64
	// Replaced is the number of documents in the index that was live before; -1 if there was none or the run did not
	// get so far.
	Replaced int64
	// Ignored is the number of different fields that the index keeps but does not search, as it has as many fields as it
	// may have; -1 if that is not known.
	Ignored int64

	// Bytes is the sum of the lengths of the bodies read, in bytes.
	Bytes int64
	// Batches is the number of calls of Generation.Write, those that failed included.
	Batches int64
	// Retries is the number of those calls that sent products again.
	Retries int64

	// ChangesApplied is the number of changes that were carried into the new generation, of each product's the last one,
	// each time.
	ChangesApplied int64
	// ChangesRefused is the number of changes that it did not take.
	ChangesRefused int64
	// Added and Removed are by how many products these changes made the generation larger and smaller. A run with a
	// [Loader] counts them once it is live: a product that was added and removed again is in neither.
	Added, Removed int64

	// Rejections are the rejected products, up to Config.ReportItems of them, in the order in which they became known.
	Rejections []Rejection
	// DuplicateIDs are the ids of duplicates, up to Config.ReportItems of them, in the order in which they were read.
	DuplicateIDs []string

	// Difference is how the new index differs from the live one; nil unless it was asked for (Options.Difference,
	// Config.MaxRemoved, Config.MaxChanged) and the run got so far. It is never changed.
	Difference *Difference

	// Durations is where the time went.
	Durations Durations
}

// Rejection names a product that was not indexed, and why.
type Rejection struct {
	// ID is the product's id.
	ID string
	// Reason is the reason, in the index's words if it was the index, cut to 1,000 bytes. Callers of an API see it.
	Reason string
	// Where is the product's place in the source, if that is known; see [Locator] and [RecordError].
	Where string
}

// Durations are the lengths of a run's phases. A phase that the run did not reach is 0.
type Durations struct {
	// Pending is how long the run waited for its turn.
	Pending time.Duration
	// Open covers the opening of the source, with what it announces.
	Open time.Duration
	// Begin covers the opening of the generation, the removal of leftovers before it included.
	Begin time.Duration
	// Load covers reading and writing, from the first product to the last batch.
	Load time.Duration
	// Seal is the wait until everything had landed.
	Seal time.Duration
	// CatchUp is what carrying changes into the generation took, before and after it was sealed.
	CatchUp time.Duration
	// Held is for how long updates of the tenant had to wait for the switch-over.
	Held time.Duration
	// Check is what the gate took, with the comparison of both indexes if there was one.
	Check time.Duration
	// Commit is the switch-over, Held included.
	Commit time.Duration
	// Total is the whole run, Pending included.
	Total time.Duration
}
