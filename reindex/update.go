package reindex

import (
	"context"
	"errors"
	"fmt"
)

// Update applies changes of the tenant's products to the live index, and to the generation of a run in progress before
// that goes live. Changes of one product take effect in the order of the calls. Changes from different calls may be
// sent to the index together. Update returns when the live index has the changes; Settle waits until searches see them.
// If changes come nearly as fast as a run can replay them, Update takes longer until the run has caught up.
// If no index is live but the first run is in progress, Update returns when that run is certain to have the changes.
//
// Bodies are checked like those of products, and passed to Config.Transform. A [*BatchError] lists the changes that the
// engine or the index refused; all others were applied. Otherwise the error matches [ErrTenant], [ErrShutdown],
// [ErrTooManyChanges], or [ErrNoLiveIndex] if no index is live. It matches [errors.ErrUnsupported] if the index is not
// an [Updater], and if a change has neither a body nor Delete and the source is not a [Finder]. If ctx ends first, the
// changes may be applied later.
//
// Without Config.Changes, changes are kept in memory until they are applied and no run needs them, up to
// Config.ChangeBytes per tenant. All changes and runs of a tenant must then go through one Engine.
//
// If Config.Changes is a log that outlives the process, Update returns as soon as the log has the changes. One of the
// engines that share the log applies them to the live index, and repeats them until the index accepts or refuses them.
// Changes returns the refused ones, and the Logger has them. The error matches [ErrChangesFull] if too many changes are
// waiting already. It does not match [ErrNoLiveIndex], since the first run gets the changes.
func (e *Engine) Update(ctx context.Context, tenant string, changes ...Change) error {
	if err := e.checkUpdate(tenant, changes); err != nil {
		return err
	}
	good, bad, err := e.cfg.prepare(ctx, tenant, changes)
	if err != nil {
		return err
	}
	if len(good) > 0 {
		refused, err := e.await(ctx, tenant, good)
		if err != nil {
			return err
		}
		bad = append(bad, refused...)
	}
	if len(bad) > 0 {
		return &BatchError{Items: bad}
	}
	return nil
}

// checkUpdate returns an error if changes cannot be accepted at all.
func (e *Engine) checkUpdate(tenant string, changes []Change) error {
	if err := CheckTenant(tenant); err != nil {
		return err
	}
	if _, ok := As[Updater](e.ix); !ok {
		return fmt.Errorf("tenant %s: the index cannot change single products: %w", tenant, errors.ErrUnsupported)
	}
	size := 0
	for _, c := range changes {
		size += c.Size()
		if _, ok := As[Finder](e.src); !ok && c.lookup() {
			return fmt.Errorf("tenant %s, product %q: the change has no body, and the source cannot find products by id: %w",
				tenant, shortID(c.ID), errors.ErrUnsupported)
		}
	}
	if size > e.cfg.ChangeBytes {
		return fmt.Errorf("tenant %s: %w: they have %d bytes, at most %d may be in one call (ChangeBytes)",
			tenant, ErrTooManyChanges, size, e.cfg.ChangeBytes)
	}
	return nil
}

// await passes changes to the tenant's stream. It waits for their outcome, unless they are safe in the log.
func (e *Engine) await(ctx context.Context, tenant string, changes []Change) (refused []ItemError, err error) {
	st, done, err := e.streams.accept(tenant)
	if err != nil {
		return nil, err
	}
	defer done()
	w, err := e.streams.append(ctx, st, changes)
	if err != nil {
		return nil, err
	}
	e.streams.apply(st)
	return w.wait(ctx)
}

// wait returns the outcome of the changes.
func (w *waiter) wait(ctx context.Context) (refused []ItemError, err error) {
	select {
	case <-w.done:
		return w.refused, w.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Settle waits until searches of the tenant see every change that Update had accepted before the call, in this process
// or another one that shares Config.Changes.
func (e *Engine) Settle(ctx context.Context, tenant string) error {
	if err := CheckTenant(tenant); err != nil {
		return err
	}
	st, done, err := e.streams.accept(tenant)
	if err != nil {
		return err
	}
	defer done()
	if err := e.settled(ctx, st); err != nil {
		return err
	}
	if settler, ok := As[Settler](e.ix); ok {
		return contain(func() error { return settler.Settle(ctx, tenant) })
	}
	return nil
}

// settled waits until the log says that all its current changes are applied. Other processes can set the applied
// position back.
func (e *Engine) settled(ctx context.Context, st *stream) error {
	state, err := e.changesNow(ctx, st.tenant)
	if err != nil {
		return err
	}
	head := state.Head
	st.behind(state)
	w := st.await(head)
	for {
		e.streams.apply(st)
		if err := e.streams.wake(ctx, w); err != nil {
			return err
		}
		if state, err = e.changesNow(ctx, st.tenant); err != nil || state.Applied >= head || !e.streams.durable() {
			return err
		}
		st.behind(state)
	}
}

// changesNow is Changes with retries.
func (e *Engine) changesNow(ctx context.Context, tenant string) (state ChangeState, err error) {
	err = e.cfg.Retry.Do(ctx, func() (err error) {
		state, err = e.Changes(ctx, tenant)
		return err
	})
	return state, err
}

// Changes returns the state of the tenant's changes: how many are accepted and applied, and which ones the index has
// refused.
func (e *Engine) Changes(ctx context.Context, tenant string) (state ChangeState, err error) {
	if err := CheckTenant(tenant); err != nil {
		return ChangeState{}, err
	}
	err = contain(func() (err error) {
		state, err = e.cfg.Changes.State(ctx, tenant)
		return err
	})
	if err != nil {
		return ChangeState{}, fmt.Errorf("tenant %s: reading the log of changes: %w", tenant, err)
	}
	return state, nil
}
