package reindex

import (
	"context"
	"slices"
	"time"
)

// ChangeLog keeps the accepted changes of each tenant in order, until nobody needs them any more. [NewChanges] makes
// one in memory; package jobsql keeps one in a database, which outlives the process and which several processes share.
//
// The log of a tenant is a row of entries at positions 1, 2, 3 and so on. Three things move along it: the head, which
// is the last position that was given; the applied position, up to which the live index is current; and pins, each of
// which keeps what comes after it. The log makes no decisions: the engine decides which changes are carried where, and
// when.
//
// A ChangeLog is safe for concurrent use. Tenants are any strings that [CheckTenant] accepts. Every call tries once; an
// error that passes is a [*TemporaryError]. A call whose answer got lost can be made again: what that does beyond the
// first time is said with each method, and is harmless.
//
// # One applier
//
// Whoever writes to the live index of a tenant, be it an applier or a run that switches over, holds the tenant's claim.
// A claim has a fence, which grows with each holder, and it runs out unless it is renewed within Lease. A holder that
// finds its claim lost may have written an older state over a newer one, or put a generation live that lacks changes
// which its successor has applied: a log cannot stop a write that is on its way. So it calls Rewind with the position
// that its write was based on, and everything after that is carried out again, by whoever holds the claim. For that, a
// log that gives the claim of a holder away which has not released it keeps the entries after the applied position of
// that moment for a while longer.
type ChangeLog interface {
	Claims

	// Append adds changes, all or none, at the next positions, and returns the last one. When it returns, After finds
	// them, in every process: no position becomes visible after a greater one. Made again it adds them again.
	//
	// An error that matches [ErrChangesFull] means that the log holds as much as it may that is not applied yet. Before
	// that, entries that are applied are given up although a pin needs them: the live index comes before a run.
	Append(ctx context.Context, tenant string, changes []Change) (last int64, err error)

	// After returns the entries after a position, in order: at most docs of them, with at most so many bytes of ids and
	// bodies, but at least one if there is any, and how many are left behind them. An error that matches [ErrChangesLost]
	// means that entries after the position are no longer kept.
	After(
		ctx context.Context, tenant string, position int64, docs, bytes int,
	) (entries []ChangeEntry, left int64, err error)

	// State returns where the tenant's log stands; that of a tenant without changes is zero.
	State(ctx context.Context, tenant string) (ChangeState, error)

	// Pin makes the log keep what comes after a position, under a name, until Unpin or, if lasting is not zero, until so
	// much time has passed. A negative position stands for the head: every change that is accepted later comes after it.
	// It returns the position that is pinned. A name that is there already keeps its position, and lasts anew: that is how
	// a pin is renewed. A run has a pin; so can a kept generation, at the position up to which it is current.
	Pin(ctx context.Context, tenant, name string, position int64, lasting time.Duration) (int64, error)

	// Unpin removes a pin. It is not an error if there is none.
	Unpin(ctx context.Context, tenant, name string) error

	// Pins returns the positions of the pins that have not run out, by their names.
	Pins(ctx context.Context, tenant string) (map[string]int64, error)

	// Applied notes that the live index is current up to a position, and which of the changes it has refused, for State.
	// The holder of the claim with that fence says so, after it has carried out what came after from, the applied position
	// that it got with its claim. If Rewind has set that back meanwhile, it stays there. Applied forgets what neither the
	// live index nor a pin needs. Made again it notes each refused change once. An error that matches [ErrClaimLost] means
	// that the claim has another fence by now, or was released, and nothing was noted.
	Applied(ctx context.Context, tenant string, fence, from, position int64, refused []RefusedChange) error

	// Rewind sets the applied position back to an earlier one, whoever holds the claim; a later one changes nothing. An
	// error that matches [ErrChangesLost] means that entries after it are no longer kept: only a reindex makes the index
	// current then.
	Rewind(ctx context.Context, tenant string, position int64) error

	// Pending returns tenants whose applied position is behind the head, in any order.
	Pending(ctx context.Context) ([]string, error)
}

// Claims are who may write to the live indexes of tenants; see [ChangeLog].
type Claims interface {
	// Lease is how long a claim lasts after it was made or renewed. Zero means that the log is one process's own, ends
	// with it, and never gives a claim away: Engine.Update then waits until the live index has the changes, and otherwise
	// until the log has them.
	Lease() time.Duration

	// Claim makes holder the one that may write to the tenant's live index, or renews its claim and returns the same
	// fence; also one that has run out, unless another has had it since. It also returns the applied position. An error
	// that matches [ErrClaimed] means that another holds it. If an urgent holder asks in vain, others that are not urgent
	// get the claim only after it, or after a Lease.
	Claim(ctx context.Context, tenant, holder string, urgent bool) (fence, applied int64, err error)

	// Release gives a claim back. It is not an error if it is not that holder's any more.
	Release(ctx context.Context, tenant string, fence int64) error
}

// ChangeEntry is a change at its position in a tenant's log.
type ChangeEntry struct {
	// Position counts from 1.
	Position int64
	// Change is the change that was accepted.
	Change Change
}

// ChangeState is where the log of a tenant stands.
type ChangeState struct {
	// Head is the position of the last change that was accepted.
	Head int64
	// Applied is the position up to which the live index is current.
	Applied int64
	// Waiting is when the oldest change that is not applied was accepted; zero if all are.
	Waiting time.Time
	// Bytes is what the log keeps, ids and bodies.
	Bytes int64
	// Refused are the last changes that the live index has refused, the newest one last, up to [MaxRefused].
	Refused []RefusedChange
}

// Lag is the number of changes that are accepted and not applied.
func (s ChangeState) Lag() int64 { return s.Head - s.Applied }

// RefusedChange is a change that the index did not take.
type RefusedChange struct {
	// Position of the change in the tenant's log.
	Position int64
	// ID is the product's id.
	ID string
	// Reason is the reason, as in [Rejection]. Callers of an API see it.
	Reason string
}

// MaxRefused is how many refused changes per tenant a [ChangeLog] remembers.
const MaxRefused = 100

// AddRefused returns the refused changes that a [ChangeLog] remembers, of those from before and more: each position
// once, as a change can be carried out again, and the last [MaxRefused].
func AddRefused(before, more []RefusedChange) []RefusedChange {
	all := make([]RefusedChange, 0, len(before)+len(more))
	for _, r := range before {
		if !slices.ContainsFunc(more, func(m RefusedChange) bool { return m.Position == r.Position }) {
			all = append(all, r)
		}
	}
	all = append(all, more...)
	return all[max(0, len(all)-MaxRefused):]
}

// bytesOf is what changes take of a log, in bytes.
func bytesOf(changes []Change) (bytes int64) {
	for _, c := range changes {
		bytes += int64(c.Size())
	}
	return bytes
}

// lastOfEach returns the last change of each id, in the order in which these came.
func lastOfEach(entries []ChangeEntry) []ChangeEntry {
	last := make(map[string]int, len(entries))
	for i, e := range entries {
		last[e.Change.ID] = i
	}
	kept := make([]ChangeEntry, 0, len(last))
	for i, e := range entries {
		if last[e.Change.ID] == i {
			kept = append(kept, e)
		}
	}
	return kept
}
