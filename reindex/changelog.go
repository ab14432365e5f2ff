package reindex

import (
	"context"
	"slices"
	"time"
)

// ChangeLog keeps the accepted changes of each tenant in order, until they are no longer needed. [NewChanges] returns
// one in memory. Package jobsql keeps one in a database, where it outlives the process and can be shared by several
// processes.
//
// The log of a tenant is a sequence of entries at positions 1, 2, 3 and so on. The head is the position of the last
// entry. The applied position is the one up to which the live index is current. A pin is a named position; the log
// keeps the entries after it. The log makes no decisions: the engine decides which changes to apply to which index, and
// when.
//
// A ChangeLog is safe for concurrent use. Tenants are any strings that [CheckTenant] accepts. Every method tries once,
// and returns a [*TemporaryError] if a later call can succeed. A call whose answer was lost can be repeated. The effect
// of repeating it is stated with each method, and is harmless.
//
// # One applier
//
// Only the holder of the tenant's claim writes to its live index: an applier, or a run that switches over. A claim has
// a fence, which is larger for each new holder. The claim expires unless it is renewed within Lease.
//
// A holder that has lost its claim may have written an older state over a newer one. It may also have put a generation
// live that lacks changes which its successor has applied. The log cannot stop a write that has been sent already.
// Therefore the holder that has lost its claim calls Rewind with the position that its write was based on, and the
// current holder applies everything after that position again. To make this possible, a log that gives an expired claim
// to another holder keeps the entries after the applied position of that moment for some time longer.
type ChangeLog interface {
	Claims

	// Append adds changes, all or none, at the next positions, and returns the last one. When it returns, After finds them
	// in every process. No position becomes visible after a greater one. A repeated call adds them again.
	//
	// An error that matches [ErrChangesFull] means that the log is full of changes that are not applied yet. Before it
	// returns that error, the log drops entries that are applied, even if a pin needs them: the live index is more
	// important than a run.
	Append(ctx context.Context, tenant string, changes []Change) (last int64, err error)

	// After returns the entries after a position, in order, and the number of entries that are left after these. It
	// returns at most docs entries, whose ids and bodies add up to at most the given number of bytes; a larger entry is
	// returned alone. An error that matches [ErrChangesLost] means that entries after the position are no longer kept.
	After(
		ctx context.Context, tenant string, position int64, docs, bytes int,
	) (entries []ChangeEntry, left int64, err error)

	// State returns the state of the tenant's log; it is zero for a tenant without changes.
	State(ctx context.Context, tenant string) (ChangeState, error)

	// Pin makes the log keep the entries after a position, under a name, until Unpin is called. If lasting is not zero,
	// the pin also ends after that time. A negative position stands for the head: every change that is accepted later
	// comes after it. Pin returns the position that is pinned. If a pin of that name exists already, the call renews it:
	// the pin keeps its position and lasts for the new time. A run has a pin. A kept generation can have one at the
	// position up to which it is current.
	Pin(ctx context.Context, tenant, name string, position int64, lasting time.Duration) (int64, error)

	// Unpin removes a pin. It is not an error if there is none.
	Unpin(ctx context.Context, tenant, name string) error

	// Pins returns the positions of the pins that have not run out, by their names.
	Pins(ctx context.Context, tenant string) (map[string]int64, error)

	// Applied records that the live index is current up to a position, and which changes the index has refused; State
	// returns these. The holder of the claim calls Applied with its fence once it has applied the entries after from,
	// which is the applied position that Claim returned. If Rewind has set the applied position back meanwhile, Applied
	// leaves it there. Applied drops the entries that neither the live index nor a pin needs. A repeated call records each
	// refused change once. An error that matches [ErrClaimLost] means that the claim has another fence by now, or was
	// released, and nothing was recorded.
	Applied(ctx context.Context, tenant string, fence, from, position int64, refused []RefusedChange) error

	// Rewind sets the applied position back to an earlier one, also if the caller does not hold the claim. A later
	// position changes nothing. An error that matches [ErrChangesLost] means that entries after the position are no longer
	// kept; in that case only a reindex makes the index current.
	Rewind(ctx context.Context, tenant string, position int64) error

	// Pending returns tenants whose applied position is behind the head, in any order.
	Pending(ctx context.Context) ([]string, error)
}

// Claims decides who may write to the live index of each tenant; see [ChangeLog].
type Claims interface {
	// Lease returns how long a claim lasts after it was made or renewed. Zero means that the log belongs to one process
	// and ends with it, so that claims do not expire. With such a log, Engine.Update waits until the live index has the
	// changes. With a log that outlives the process, it waits only until the log has them.
	Lease() time.Duration

	// Claim gives holder the right to write to the tenant's live index, and returns the fence of the claim and the applied
	// position. If holder has the claim already, Claim renews it and keeps its fence. This holds even for an expired
	// claim, unless another holder has had it since. An error that matches [ErrClaimed] means that another holds the
	// claim. After an urgent holder has got that error, holders that are not urgent get the claim only after the urgent
	// one, or once a Lease has passed.
	Claim(ctx context.Context, tenant, holder string, urgent bool) (fence, applied int64, err error)

	// Release gives a claim back. It returns nil if the holder has lost the claim already.
	Release(ctx context.Context, tenant string, fence int64) error
}

// ChangeEntry is a change at its position in a tenant's log.
type ChangeEntry struct {
	// Position counts from 1.
	Position int64
	// Change is the change that was accepted.
	Change Change
}

// ChangeState is the state of a tenant's log.
type ChangeState struct {
	// Head is the position of the last change that was accepted.
	Head int64
	// Applied is the position up to which the live index is current.
	Applied int64
	// Waiting is the time at which the oldest change that is not applied was accepted; zero if all are applied.
	Waiting time.Time
	// Bytes is the size of the ids and bodies that the log keeps.
	Bytes int64
	// Refused holds the last changes that the live index has refused, at most [MaxRefused], the newest one last.
	Refused []RefusedChange
}

// Lag returns the number of changes that are accepted and not yet applied.
func (s ChangeState) Lag() int64 { return s.Head - s.Applied }

// RefusedChange is a change that the live index has refused.
type RefusedChange struct {
	// Position is that of the change in the tenant's log.
	Position int64
	// ID is the product's id.
	ID string
	// Reason says why it was refused, as in [Rejection]. Callers of an API see it.
	Reason string
}

// MaxRefused is the number of refused changes per tenant that a [ChangeLog] remembers.
const MaxRefused = 100

// AddRefused merges more into before, and returns the last [MaxRefused] refused changes, which a [ChangeLog] remembers.
// It returns each position once, since a change can be applied more than once.
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

// bytesOf returns the size of changes in a log, in bytes.
func bytesOf(changes []Change) (bytes int64) {
	for _, c := range changes {
		bytes += int64(c.Size())
	}
	return bytes
}

// lastOfEach returns the last change of each id, in the order of the log.
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
