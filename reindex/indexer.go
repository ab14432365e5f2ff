package reindex

import (
	"context"
	"time"
)

// Indexer is a search index that can be rebuilt beside the live one. It is safe for concurrent use by several tenants;
// the engine has at most one generation of a tenant open at a time. Tenants are any strings that [CheckTenant] accepts,
// and an Indexer keeps them apart whatever they hold.
type Indexer interface {
	// Begin opens a new, empty generation that no search sees. ctx bounds the call, not the generation.
	Begin(ctx context.Context, tenant string) (Generation, error)
}

// Writer adds products to a generation. It is safe for concurrent use.
//
// Every method tries once and classifies what went wrong; the engine retries. An error of Write is one of
//   - [*BatchError]: some items failed, the others have been accepted;
//   - one that matches [ErrTooLarge] or [ErrRefused]: nothing was accepted, smaller batches may be. The engine splits
//     the batch, down to a single product, which it then rejects with this reason;
//   - [*TemporaryError]: nothing is known to be accepted, and the same call can succeed later;
//   - any other error: nothing that the engine does can help. It ends the run.
//
// A call of Flush that failed with a [*TemporaryError] is made again.
type Writer interface {
	// Write adds products. It is idempotent by id (a product written twice is there once, with the body of the later
	// call), and keeps nothing of the batch after it has returned.
	Write(ctx context.Context, batch []Product) error

	// Flush waits until the batches of this writer have landed, and returns the products that the index refused after
	// Write had returned, each once: all of those so far, again at each call.
	Flush(ctx context.Context) ([]ItemError, error)
}

// Generation is one complete copy of a tenant's products in the making. The engine calls Begin, then Write from several
// goroutines, then Flush, Seal, Commit and Abort one after the other. Abort is called at the end of every run, also
// after a failed Commit.
//
// Of Begin, Flush, Seal and Commit, a call that failed with a [*TemporaryError] is made again; any other error ends the
// run. Capabilities of a generation are found through [As].
type Generation interface {
	Writer

	// Name is the generation's name in the index, unique within the tenant: what logs call it.
	Name() string

	// Seal makes the writes durable, and returns the numbers of products in the generation and in the live index. No Write
	// follows it.
	Seal(ctx context.Context) (Sealed, error)

	// Commit makes the sealed generation the one that searches see, atomically. Updates wait for it: what takes longer
	// than the switch, such as removing the one before, is left to Abort. A [*TemporaryError] means that it certainly was
	// not applied; with any other error the generation may be live, and Abort leaves it be if it is.
	Commit(ctx context.Context) error

	// Abort discards the generation. After a Commit that was applied it returns nil, and removes at most what the
	// generation has replaced. It may be called twice.
	Abort(ctx context.Context) error
}

// Sealed is what a generation holds once every write has landed, and what it would replace.
type Sealed struct {
	// Documents is the number of products in this generation.
	Documents int64

	// Live is the number of products in the index that is live now; -1 if it is known that none is.
	Live int64

	// LiveErr is the reason why Live is not known, although an index is live, or may be; nil if Live is known. A
	// generation that may replace more than it holds goes live only if Config.MinFraction is negative.
	LiveErr error

	// Ignored is the number of different fields of products that the index keeps but does not search, as it has as many
	// fields as it may have; -1 if that is not known.
	Ignored int64
}

// Limits is what an [Indexer] takes at once, and works best with where no more is asked for. Zero means that it does
// not mind.
type Limits struct {
	// MaxDocs is the largest number of products in one Write.
	MaxDocs int

	// MaxBytes is the largest sum of the lengths of the ids and bodies in one Write, in bytes. A single larger product is
	// still tried, alone.
	MaxBytes int

	// MaxInFlight is the largest number of concurrent calls of Write.
	MaxInFlight int

	// SlowWrite is how long a Write may take before batches get smaller, and fewer at the same time. Zero: 10 s, which
	// leaves room below the minute after which proxies commonly give up. Negative: the time that a Write takes says
	// nothing about the size of its batch.
	SlowWrite time.Duration
}

// Limiter is an optional capability of an [Indexer]: the sizes it works best with. They cap what Config asks for, and
// are the sizes of batches where it asks for nothing. Without it the engine uses Config and its defaults alone.
type Limiter interface {
	Limits() Limits
}

// Reaper is an optional capability of an [Indexer]: it removes what runs that died have left of a tenant, and returns
// how many generations that were. It never touches a live index or a generation of a living run. The engine calls it at
// the start of each run; an error is logged and the run goes on. Without it leftovers stay until someone removes them.
type Reaper interface {
	Reap(ctx context.Context, tenant string) (int, error)
}

// Joiner is an optional capability of an [Indexer]: a process other than the one that has begun a generation
// writes into it as well. Without
// it, or if Join returns an error that matches [errors.ErrUnsupported], only that process can.
type Joiner interface {
	// Join returns a writer into a generation of the tenant, by its [Generation.Name]. ctx bounds the call, not the
	// writer. Its Flush speaks of what it has written alone.
	//
	// Once Flush of the generation itself was called, which is when its load is over, nothing that a joined writer sends
	// is accepted: a worker that was paused cannot undo a change that came since, nor write to the live index. Join and
	// Write return an error that matches [ErrFenced] then, and if the generation has gone live, was discarded, or is that
	// of a run with a greater token than the one in ctx (see [Fence]).
	Join(ctx context.Context, tenant, generation string) (Writer, error)
}

// Resumer is an optional capability of an [Indexer]: a generation that the process of a dead run has begun is continued
// by another one. Without it, or if Resume returns an error that matches [errors.ErrUnsupported], a run that died
// begins again.
type Resumer interface {
	// Resume takes a generation of the tenant over, by its [Generation.Name], with the token in ctx, which is greater than
	// that of the run that has begun it (see [Fence]). The products written stay, and writers that have joined go on. The
	// Commit of the process that had the generation before fails with an error that matches [ErrFenced], and its Abort
	// does nothing.
	//
	// The error matches [ErrCommitted] if the generation is live, [ErrNoGeneration] if it is gone or never was, and
	// [ErrFenced] if it has a greater token, or the same one.
	Resume(ctx context.Context, tenant, generation string) (Generation, error)
}

// Leaver is an optional capability of a [Generation]: Leave ends what this process does for it, which stays as it is
// for the process that resumes it. The engine calls it in the place of Abort.
type Leaver interface {
	Leave(ctx context.Context) error
}

// DocCounter is an optional capability of an [Indexer]: it returns how many documents of a tenant searches see now, or
// an error that matches [ErrNoLiveIndex] if none are served. The engine takes the number for an estimate of what to
// expect from a source that announces nothing. Any other error means that the number is not known.
type DocCounter interface {
	DocCount(ctx context.Context, tenant string) (int64, error)
}
