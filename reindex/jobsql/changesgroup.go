package jobsql

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"productindex/reindex"
)

// If many changes come at once, a transaction for each is slow, because it waits for the tenant's row and for the disk.
// Therefore all changes that come while a transaction of the tenant is running are committed together in the next one.

const (
	// groupChanges and groupBytes limit the changes of several calls that are committed together. A single call may
	// have more.
	groupChanges = 1000
	groupBytes   = 1 << 20
)

// groups holds the waiting calls of each tenant.
type groups struct {
	mu      sync.Mutex
	waiting map[string][]*waitingCall // has a key for each tenant with a running transaction
}

// waitingCall is a call of Append that waits for the end of another call's transaction.
type waitingCall struct {
	ctx     context.Context //nolint:containedctx // the caller's
	changes []reindex.Change
	done    chan struct{} // closed when last and err are set
	last    int64
	err     error
}

// enter reports whether the caller is the first and may begin a transaction of the tenant. Otherwise it returns the
// call in which the caller waits.
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

// next returns the calls to commit together after a transaction has ended, and their changes. If none wait, it marks
// the tenant as idle. It ends the calls whose context has ended.
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

// Append implements [reindex.ChangeLog]. It locks the tenant's row until the changes are committed. The changes of
// calls that come at the same time are committed together. If ctx ends first, the changes of this call may or may not
// have been added.
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

// commitNext commits the next group in a goroutine of its own, because each caller may stop waiting at any time.
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
	if len(group) > 1 && errors.Is(err, reindex.ErrChangesFull) { // the group does not fit, but a single call may
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

// appendContained calls appendOnce and returns a panic of the driver as an error: in this goroutine the panic would end
// the program.
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

// awaited returns a context that ends when the contexts of all calls of the group have ended.
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
