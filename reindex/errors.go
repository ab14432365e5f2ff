package reindex

import (
	"errors"
	"fmt"
	"time"
)

// Sentinel errors for states. Match them with [errors.Is].
var (
	// ErrTenant means that the name of the tenant is not valid; see [CheckTenant].
	ErrTenant = errors.New("invalid tenant")

	// ErrRunning means that a run of the tenant is in progress already. Engine.Run returns it.
	ErrRunning = errors.New("a reindex of this tenant is already running")

	// ErrShutdown means that the engine was shut down and accepts no more runs. It is also the cause of the cancellation
	// of runs that Shutdown ends.
	ErrShutdown = errors.New("the engine is shut down")

	// ErrCancelled means that the run was cancelled by Engine.Cancel.
	ErrCancelled = errors.New("the reindex was cancelled")

	// ErrJobNotFound means that the tenant has no job with that id, or that the job is so old that it was removed.
	ErrJobNotFound = errors.New("job not found")

	// ErrJobEnded means that a job that was to be cancelled has ended already.
	ErrJobEnded = errors.New("job has ended")

	// ErrLeaseLost means that the lease of a job expired, or that the job store could not be reached in time to renew it.
	// The run ends.
	ErrLeaseLost = errors.New("the lease of the job was lost")

	// ErrFenced means that an index refuses a call because a newer run of the tenant has begun, or because the load of the
	// generation is over. See [Fence] and [Joiner].
	ErrFenced = errors.New("a newer reindex of the tenant has taken over")

	// ErrNoGeneration means that no generation of that name can be resumed; see [Resumer].
	ErrNoGeneration = errors.New("there is no such generation")

	// ErrCommitted means that the generation of a resumption or a rollback is live already; see [Resumer] and
	// [Rollbacker].
	ErrCommitted = errors.New("the generation is live already")

	// ErrNoPrevious means that the index keeps no generation to which the tenant can go back, or none with that name; see
	// [Rollbacker].
	ErrNoPrevious = errors.New("there is no such previous generation to go back to")

	// ErrNoLiveIndex means that the tenant has no live index, since it was never reindexed.
	ErrNoLiveIndex = errors.New("the tenant has no live index")

	// ErrDamaged means that an index is damaged. A reindex of the tenant replaces it.
	ErrDamaged = errors.New("the index is damaged; reindex this tenant")

	// ErrAgain means that an index has found out something about the products that a generation has to know from its
	// start. If a Write or a Flush returns an error that matches it, the engine discards the generation and reads the
	// source again, up to 20 times in a run.
	ErrAgain = errors.New("the products have to be read once more")

	// ErrTooManyChanges means that the changes in one call of Engine.Update have more bytes than Config.ChangeBytes
	// allows. None of them was accepted: pass them in several calls.
	ErrTooManyChanges = errors.New("too many changes in one call")

	// ErrChangesFull means that a [ChangeLog] is full of changes of the tenant that are not applied yet. No change was
	// accepted. The same call can succeed once the live index has some of these changes.
	ErrChangesFull = errors.New("too many changes are waiting to be applied")

	// ErrChangesLost means that a [ChangeLog] no longer keeps all changes after a position.
	ErrChangesLost = errors.New("the changes are no longer kept")

	// ErrClaimed means that another holder has the claim on the tenant's live index; see [ChangeLog].
	ErrClaimed = errors.New("the tenant's live index is claimed by another")

	// ErrClaimLost means that the claim on the tenant's live index expired, and that another holder may have it; see
	// [ChangeLog].
	ErrClaimLost = errors.New("the claim on the tenant's live index was lost")

	// ErrTooLarge means that a batch or a product is too large for the index. See [Writer].
	ErrTooLarge = errors.New("too large for the index")

	// ErrRefused means that the index refused a batch for its content, without naming the product that caused it. See
	// [Writer].
	ErrRefused = errors.New("refused by the index")
)

// Ends of messages that leave something out.
const (
	seeLog  = "; the service's log has the details"
	notSure = "; it is not known whether the new index is live"
)

// ItemError is the reason why one product was not indexed.
type ItemError struct {
	// ID is the product's id.
	ID string

	// Retryable reports whether the same product can succeed later, without a change.
	Retryable bool

	// Err is the reason, in the words of the index if it gave one. Callers of an API see its text, or the text of
	// [Public].
	Err error
}

// Error names the product and the reason.
func (e ItemError) Error() string { return fmt.Sprintf("product %q: %v", e.ID, e.Err) }

// Unwrap returns the reason.
func (e ItemError) Unwrap() error { return e.Err }

// BatchError is the error of Writer.Write if some products of a batch failed. The index accepted all others.
type BatchError struct {
	// Items lists the products that failed, each at most once.
	Items []ItemError

	// RetryAfter is the time that the server asked to wait before the retryable items are sent again; 0 if it did not ask.
	RetryAfter time.Duration
}

// Error returns the number of products that failed, and the first reason.
func (e *BatchError) Error() string {
	switch len(e.Items) {
	case 0:
		return "no products failed"
	case 1:
		return fmt.Sprintf("1 product failed: %v", e.Items[0])
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

// TemporaryError marks a failed call that can succeed if it is repeated, for example after a lost connection or on an
// overloaded server.
type TemporaryError struct {
	// Err is the error of the call.
	Err error

	// RetryAfter is the time that the server asked to wait before the next try; 0 if it did not ask.
	RetryAfter time.Duration
}

// Error returns the message of Err.
func (e *TemporaryError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *TemporaryError) Unwrap() error { return e.Err }

// Temporary wraps err in a [*TemporaryError] without a RetryAfter. It returns nil if err is nil.
func Temporary(err error) error {
	if err == nil {
		return nil
	}
	return &TemporaryError{Err: err}
}
