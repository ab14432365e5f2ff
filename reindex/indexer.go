package reindex

import (
	"context"
	"time"
)

// Indexer is a search index that can be rebuilt beside the live one. It is safe for concurrent use by several tenants;
// the engine has at most one generation per tenant open at a time. Tenants are any strings that [CheckTenant] accepts,
// and an Indexer keeps them apart whatever characters they contain.
type Indexer interface {
	// Begin opens a new, empty generation that no search sees. ctx bounds the call, not the generation.
	Begin(ctx context.Context, tenant string) (Generation, error)
}

// Writer adds products to a generation. It is safe for concurrent use.
//
// Every method tries once and classifies its error; the engine retries. An error of Write is one of
//   - [*BatchError]: some products failed, and all others were accepted;
//   - an error that matches [ErrTooLarge] or [ErrRefused]: nothing was accepted, but smaller batches may be. The engine
//     splits the batch; a single product is rejected with this reason;
//   - [*TemporaryError]: it is not known whether a product was accepted, and the same call can succeed later;
//   - any other error, which ends the run.
//
// The engine repeats a call of Flush that failed with a [*TemporaryError].
type Writer interface {
	// Write adds products. It is idempotent by id: a product that is written twice is there once, with the body of the
	// later call. Write does not retain the batch after it returns.
	Write(ctx context.Context, batch []Product) error

	// Flush waits until the batches of this writer have landed, and returns the products that the index refused after
	// Write had returned. Each call returns all of these so far, each product once.
	Flush(ctx context.Context) ([]ItemError, error)
}

// Generation is a new, complete copy of a tenant's products that is being built. After Begin the engine calls Write
// from several goroutines, then Flush, Seal, Commit and Abort one after the other. Every run ends with Abort, whether
// or not Commit succeeded.
//
// The engine repeats a call of Begin, Flush, Seal or Commit that failed with a [*TemporaryError]. Any other error ends
// the run. Capabilities of a generation are found through [As].
type Generation interface {
	Writer

	// Name returns the generation's name in the index, which is unique within the tenant. Logs show it.
	Name() string

	// Seal makes the writes durable, and returns the numbers of products in the generation and in the live index. The
	// engine calls no Write after it.
	Seal(ctx context.Context) (Sealed, error)

	// Commit atomically makes the sealed generation the one that searches see. Updates wait for it, so work that takes
	// longer than the switch, such as removing the previous generation, is left to Abort. A [*TemporaryError] means that
	// the switch was certainly not made. After any other error the generation may be live; in that case Abort keeps it.
	Commit(ctx context.Context) error

	// Abort discards the generation. If the generation is live, Abort returns nil and removes at most the generation that
	// it has replaced. It may be called twice.
	Abort(ctx context.Context) error
}

// Sealed describes a generation after every write has landed, and the index that it would replace.
type Sealed struct {
	// Documents is the number of products in this generation.
	Documents int64

	// Live is the number of products in the live index; -1 if it is known that no index is live.
	Live int64

	// LiveErr says why Live is not known although an index is or may be live; nil if Live is known. If it is set, the
	// generation goes live only if Config.MinFraction is negative.
	LiveErr error

	// Ignored is the number of different fields that the index stores but does not search, because it has reached its
	// limit of fields; -1 if that is not known.
	Ignored int64
}

// Limits states how much an [Indexer] accepts at once. These are also the sizes that the index works best with, and the
// defaults of the engine. Zero means no limit, unless the field says otherwise.
type Limits struct {
	// MaxDocs is the largest number of products in one Write.
	MaxDocs int

	// MaxBytes is the largest sum of the lengths of the ids and bodies in one Write, in bytes. A larger product is tried
	// in a batch of its own.
	MaxBytes int

	// MaxInFlight is the largest number of concurrent calls of Write.
	MaxInFlight int

	// MaxUpdates is the largest number of concurrent calls of [Updater].Update per tenant. No two of them have a product
	// in common. Zero means one: many indexes apply changes faster in one large call than in several.
	MaxUpdates int

	// SlowWrite is how long a Write may take before the engine makes batches smaller, and then fewer. Zero: 10 s, well
	// below the minute after which proxies commonly give up. Negative: the engine ignores how long a Write takes.
	SlowWrite time.Duration
}

// Limiter is an optional capability of an [Indexer]: it returns the sizes that the index works best with. They cap the
// sizes in Config, and are the defaults of these. Without it, the engine uses Config and its defaults alone.
type Limiter interface {
	Limits() Limits
}

// Reaper is an optional capability of an [Indexer]: it removes the generations that dead runs of a tenant have left
// behind, and returns their number. It never touches a live index, or a generation of a run that is alive. The engine
// calls it at the start of each run; an error is logged and the run goes on. Without it, leftovers stay until someone
// removes them.
type Reaper interface {
	Reap(ctx context.Context, tenant string) (int, error)
}

// Joiner is an optional capability of an [Indexer]: it lets other processes write into a generation. Without it, or if
// Join returns an error that matches [errors.ErrUnsupported], only the process that has begun a generation can write
// into it.
type Joiner interface {
	// Join returns a writer into a generation of the tenant, by its [Generation.Name]. ctx bounds the call, not the
	// writer. The writer's Flush returns only products that this writer has written.
	//
	// The load of a generation is over once the generation's own Flush has been called. After that nothing is accepted
	// from joined writers, so that a worker that was paused can neither undo a later change nor write to the live index.
	// Join and Write then return an error that matches [ErrFenced]. They also do so if the generation is live or was
	// discarded, and if its run has a greater token than the one in ctx (see [Fence]).
	Join(ctx context.Context, tenant, generation string) (Writer, error)
}

// Resumer is an optional capability of an [Indexer]: it lets another process continue the generation of a dead run.
// Without it, or if Resume returns an error that matches [errors.ErrUnsupported], the run begins again.
type Resumer interface {
	// Resume takes over a generation of the tenant by its [Generation.Name]. The token in ctx is greater than that of the
	// run that has begun the generation (see [Fence]). The products in it stay, and joined writers go on. In the process
	// that had the generation before, Commit fails with an error that matches [ErrFenced], and Abort does nothing.
	//
	// The error matches [ErrCommitted] if the generation is live, [ErrNoGeneration] if it does not exist, and [ErrFenced]
	// if its token is not smaller than the one in ctx.
	Resume(ctx context.Context, tenant, generation string) (Generation, error)
}

// Leaver is an optional capability of a [Generation]: Leave ends the work of this process on the generation, and keeps
// the generation for the process that resumes it. The engine calls it instead of Abort if another process is to take
// the run over.
type Leaver interface {
	Leave(ctx context.Context) error
}

// DocCounter is an optional capability of an [Indexer]: it returns the number of documents of a tenant that searches
// see, or an error that matches [ErrNoLiveIndex] if there is no live index. The engine uses the number as an estimate
// if the source announces none. Any other error means that the number is not known.
type DocCounter interface {
	DocCount(ctx context.Context, tenant string) (int64, error)
}
