package reindex

import "time"

// Report accounts for one run. In every run that succeeds, Read = Indexed + Rejected + Duplicates. In a run that
// failed, products whose outcome is not known are counted only in Read.
type Report struct {
	// Read is the number of products that the source yielded.
	Read int64
	// Indexed is the number of products that the index accepted.
	Indexed int64
	// Rejected is the number of products that cannot be indexed.
	Rejected int64
	// Duplicates is the number of products whose id had been read before. The first one read is indexed.
	Duplicates int64
	// Conflicts is the number of duplicates whose body differs from the one that was read first. See Config.MaxDuplicates.
	Conflicts int64
	// Expected is the number that the source announced through [Counter]; -1 if it announced none.
	Expected int64
	// Replaced is the number of documents in the index that was live before; -1 if there was none or the run did not get
	// that far.
	Replaced int64
	// Ignored is the number of different fields that the index stores but does not search, because it has reached its
	// limit of fields; -1 if that is not known.
	Ignored int64

	// Bytes is the sum of the lengths of the bodies read, in bytes.
	Bytes int64
	// Batches is the number of calls of Writer.Write, including those that failed.
	Batches int64
	// Retries is the number of those calls that sent products again.
	Retries int64

	// ChangesApplied is the number of changes that were applied to the new generation. Each replay applies only the last
	// change of a product.
	ChangesApplied int64
	// ChangesRefused is the number of changes that the generation refused.
	ChangesRefused int64
	// Added and Removed are the numbers of products that these changes added to the generation and removed from it. A run
	// with a [Loader] counts them once it is live, so a product that was added and removed again is in neither.
	Added, Removed int64

	// Rejections lists rejected products, at most Config.ReportItems, in the order in which they became known.
	Rejections []Rejection
	// DuplicateIDs lists the ids of duplicates, at most Config.ReportItems, in the order in which they were read.
	DuplicateIDs []string

	// Difference describes how the new index differs from the live one. It is nil unless it was requested
	// (Options.Difference, Config.MaxRemoved, Config.MaxChanged) and the run got that far. It is never modified.
	Difference *Difference

	// Durations holds the lengths of the phases.
	Durations Durations
}

// Rejection is a product that was not indexed, with the reason.
type Rejection struct {
	// ID is the product's id.
	ID string
	// Reason says why the product was not indexed, in the words of the index if the index refused it, cut to 1,000 bytes.
	// Callers of an API see it.
	Reason string
	// Where is the product's place in the source, if it is known; see [Locator] and [RecordError].
	Where string
}

// Durations are the lengths of a run's phases. A phase that the run did not reach is 0.
type Durations struct {
	// Pending is how long the run waited for its turn.
	Pending time.Duration
	// Open covers opening, counting and splitting the source.
	Open time.Duration
	// Begin covers the removal of leftovers and the opening of the generation.
	Begin time.Duration
	// Load covers reading and writing, from the first product to the last batch.
	Load time.Duration
	// Seal is the wait until every write had landed.
	Seal time.Duration
	// CatchUp covers the replay of changes into the generation, before and after it was sealed.
	CatchUp time.Duration
	// Held is the time for which updates of the tenant had to wait for the switch-over.
	Held time.Duration
	// Check covers the gate, including the comparison of both indexes if there was one.
	Check time.Duration
	// Commit is the switch-over, including Held.
	Commit time.Duration
	// Total is the whole run, including Pending.
	Total time.Duration
}
