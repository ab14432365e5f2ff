package reindex

import (
	"errors"
	"fmt"
	"time"
)

// Sentinel errors for states. Match them with [errors.Is].
var (
	// ErrTenant: the tenant is not one that [CheckTenant] accepts.
	ErrTenant = errors.New("invalid tenant")

	// ErrRunning: a run of the tenant is in progress already; returned by Engine.Run.
	ErrRunning = errors.New("a reindex of this tenant is already running")

	// ErrShutdown: the engine was shut down and takes no more runs; also the cause of runs that Shutdown cancelled.
	ErrShutdown = errors.New("the engine is shut down")

	// ErrCancelled: the run was cancelled by Engine.Cancel.
	ErrCancelled = errors.New("the reindex was cancelled")

	// ErrJobNotFound: there is no job of that tenant and id, or it is so old that it was forgotten.
	ErrJobNotFound = errors.New("job not found")

	// ErrJobEnded: the job to be cancelled has ended already.
	ErrJobEnded = errors.New("job has ended")

	// ErrLeaseLost: the job store has given a job up, or could not be reached in time to renew the lease. The run ends.
	ErrLeaseLost = errors.New("the lease of the job was lost")

	// ErrFenced: an index refuses to publish a generation because a newer run of the tenant has begun. See [Fence].
	ErrFenced = errors.New("a newer reindex of the tenant has taken over")

	// ErrNoGeneration: there is no generation of that name that can be resumed; see [Resumer].
	ErrNoGeneration = errors.New("there is no such generation")

	// ErrCommitted: a generation that is to be resumed, or gone back to, is live already; see [Resumer] and [Rollbacker].
	ErrCommitted = errors.New("the generation is live already")

	// ErrNoPrevious: no generation is kept that a tenant could go back to, or none of that name; see [Rollbacker].
	ErrNoPrevious = errors.New("there is no such previous generation to go back to")

	// ErrNoLiveIndex: no index of the tenant is live, as it was never reindexed.
	ErrNoLiveIndex = errors.New("the tenant has no live index")

	// ErrDamaged: an index is damaged. A reindex of the tenant replaces it.
	ErrDamaged = errors.New("the index is damaged; reindex this tenant")

	// ErrAgain: an index has learned something of the products that a new generation has to know from its start. A Write
	// or a Flush that returns an error which matches it makes the engine discard the generation and read the source
	// again, up to 20 times in a run.
	ErrAgain = errors.New("the products have to be read once more")

	// ErrTooManyChanges: one call of Engine.Update has more bytes of changes than are kept (Config.ChangeBytes). None of
	// them was accepted: hand them on in several calls.
	ErrTooManyChanges = errors.New("too many changes in one call")

	// ErrChangesFull: a [ChangeLog] holds as many changes of a tenant that are not applied yet as it may. Nothing was
	// accepted: the same call can succeed once the live index has taken some.
	ErrChangesFull = errors.New("too many changes are waiting to be applied")

	// ErrChangesLost: a [ChangeLog] does not keep the changes after that position any more.
	ErrChangesLost = errors.New("the changes are no longer kept")

	// ErrClaimed: somebody else may write to the tenant's live index at the moment; see [ChangeLog].
	ErrClaimed = errors.New("the tenant's live index is claimed by another")

	// ErrClaimLost: the claim on the tenant's live index ran out, and another may have it; see [ChangeLog].
	ErrClaimLost = errors.New("the claim on the tenant's live index was lost")

	// ErrTooLarge: an index does not take a batch or a product of that size. See [Generation].
	ErrTooLarge = errors.New("too large for the index")

	// ErrRefused: an index refused a batch for its content, without naming the product that is to blame. See [Generation].
	ErrRefused = errors.New("refused by the index")
)

// Ends of messages that cannot say all.
const (
	seeLog  = "; the service's log has the details"
	notSure = "; whether the new index is live is not known"
)

// ItemError is the reason why one product was not indexed.
type ItemError struct {
	// ID is the product's id.
	ID string

	// Retryable: the same product can succeed later, without a change.
	Retryable bool

	// Err is the reason, in the index's words where it gave one. Callers of an API see its text, or the one of [Public].
	Err error
}

// Error names the product and the reason.
func (e ItemError) Error() string { return fmt.Sprintf("product %q: %v", e.ID, e.Err) }

// Unwrap returns the reason.
func (e ItemError) Unwrap() error { return e.Err }

// BatchError is returned by Generation.Write when some products of a batch failed. The products that it does not list
// were accepted.
type BatchError struct {
	// Items are the products that failed, each at most once.
	Items []ItemError

	// RetryAfter is the shortest time to wait before the retryable ones are sent again, as the server asked; 0 where it
	// did not.
	RetryAfter time.Duration
}

// Error returns how many products failed, and the first one's reason.
func (e *BatchError) Error() string {
	if len(e.Items) == 0 {
		return "no products failed"
	}
	return fmt.Sprintf("%d products failed, the first one: %v", len(e.Items), e.Items[0])
}

// byID returns the items by the ids of their products.
func (e *BatchError) byID() map[string]ItemError {
	items := make(map[string]ItemError, len(e.Items))
	for _, item := range e.Items {
		items[item.ID] = item
	}
	return items
}

// TemporaryError marks a failed call that can succeed when it is made again: a lost connection, an overloaded server.
type TemporaryError struct {
	// Err is what went wrong.
	Err error

	// RetryAfter is the shortest time to wait before the next try, as the server asked; 0 where it did not.
	RetryAfter time.Duration
}

// Error is the message of what went wrong.
func (e *TemporaryError) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong.
func (e *TemporaryError) Unwrap() error { return e.Err }

// Temporary returns err as a [*TemporaryError] without a time to wait, and nil for nil.
func Temporary(err error) error {
	if err == nil {
		return nil
	}
	return &TemporaryError{Err: err}
}
