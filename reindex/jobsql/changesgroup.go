package jobsql

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"productindex/reindex"
)

// A transaction for each change is slow if many come at once: each one waits for the tenant's row and for the disk. So
// the changes that come while a transaction of the tenant is on its way are committed together, in the next one.

const (
	// groupChanges and groupBytes limit the changes that are committed together, unless one call has more.
	groupChanges = 1000
	groupBytes   = 1 << 20
)

// groups are the calls that wait, by tenant.
type groups struct {
	mu      sync.Mutex
	waiting map[string][]*waitingCall // of each tenant with a transaction on its way
}

// waitingCall is a call of Append that waits for another one's transaction.
type waitingCall struct {
	ctx     context.Context //nolint:containedctx // the caller's
	changes []reindex.Change
	done    chan struct{} // closed when last and err are set
	last    int64
	err     error
}

// enter reports whether the caller may begin a transaction of the tenant. If not it waits in a call that is returned.
func (g *groups) enter(ctx context.Context, tenant string, changes []reindex.Change) (call *waitingCall, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	calls, busy := g.waiting[tenant]
	if !busy {
		if g.waiting == nil {
			g.waiting = map[string][]*waitingCall{}
		}
		g.waiting[tenant] = nil
		return nil, true
	}
	call = &waitingCall{ctx: ctx, changes: changes, done: make(chan struct{})}
	g.waiting[tenant] = append(calls, call)
	return call, false
}

// next returns the calls to commit together once a transaction has ended, and their changes. If there are none, the
// tenant has no transaction on its way. Calls that nobody waits for any more are left out.
func (g *groups) next(tenant string) (group []*waitingCall, changes []reindex.Change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	calls := g.waiting[tenant]
	var size int64
	n := 0
	for ; n < len(calls); n++ {
		c := calls[n]
		if c.ctx.Err() != nil {
			c.end(0, context.Cause(c.ctx))
			continue
		}
		if size += sizeOf(c.changes); len(group) > 0 && (len(changes)+len(c.changes) > groupChanges || size > groupBytes) {
			break
		}
		group, changes = append(group, c), append(changes, c.changes...)
	}
	g.waiting[tenant] = calls[n:]
	if len(group) == 0 {
		delete(g.waiting, tenant)
	}
	return group, changes
}

func (c *waitingCall) end(last int64, err error) {
	c.last, c.err = last, err
	close(c.done)
}

func sizeOf(changes []reindex.Change) (size int64) {
	for _, c := range changes {
		size += int64(c.Size())
	}
	return size
}

// Append implements [reindex.ChangeLog]. The tenant's row is locked until the changes are committed. Calls that come at
// the same time are committed together; if ctx ends first, the changes of this one may be added or not.
func (c *Changes) Append(ctx context.Context, tenant string, changes []reindex.Change) (last int64, err error) {
	call, first := c.groups.enter(ctx, tenant, changes)
	if first {
		defer func() { c.commitNext(tenant) }() //nolint:contextcheck // the next ones have contexts of their own
		return c.appendOnce(ctx, tenant, changes)
	}
	select {
	case <-call.done:
		return call.last, call.err
	case <-ctx.Done():
		return 0, c.explain(tenant, "adding to", context.Cause(ctx))
	}
}

// commitNext commits what waits, in a goroutine of its own: whoever waits may go away meanwhile.
func (c *Changes) commitNext(tenant string) {
	group, changes := c.groups.next(tenant)
	if len(group) == 0 {
		return
	}
	go func() {
		defer func() { c.commitNext(tenant) }()
		c.commit(tenant, group, changes)
	}()
}

// commit adds the changes of some calls in one transaction, and gives each call its result.
func (c *Changes) commit(tenant string, group []*waitingCall, changes []reindex.Change) {
	ctx, stop := awaited(group)
	defer stop()
	last, err := c.appendContained(ctx, tenant, changes)
	if len(group) > 1 && errors.Is(err, reindex.ErrChangesFull) { // for all of them, but perhaps not for each
		for _, call := range group {
			call.end(c.appendContained(ctx, tenant, call.changes))
		}
		return
	}
	last -= int64(len(changes))
	for _, call := range group {
		last += int64(len(call.changes))
		call.end(last, err)
	}
}

// appendContained is appendOnce; a panic of the driver becomes an error, as it would end the program.
func (c *Changes) appendContained(
	ctx context.Context, tenant string, changes []reindex.Change,
) (last int64, err error) {
	defer func() {
		if v := recover(); v != nil {
			last, err = 0, &reindex.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return c.appendOnce(ctx, tenant, changes)
}

// awaited returns a context that ends once nobody waits for a group any more.
func awaited(group []*waitingCall) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(group[0].ctx))
	stops := make([]func() bool, len(group))
	var left atomic.Int64
	left.Store(int64(len(group)))
	for i, call := range group {
		stops[i] = context.AfterFunc(call.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}
