package reindex

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// carrier sends changes to one index.
type carrier struct {
	cfg     *Config
	src     Source
	tenant  string
	send    func([]Change) error
	refused map[int64]ItemError
}

func (c *carrier) refuse(e ChangeEntry, err error) {
	c.refused[e.Position] = ItemError{ID: e.Change.ID, Err: err}
}

// find looks up the products of which it is only known that they have changed.
func (c *carrier) find(ctx context.Context, entries []ChangeEntry) ([]ChangeEntry, error) {
	var ids []string
	for _, e := range entries {
		if e.Change.lookup() {
			ids = append(ids, e.Change.ID)
		}
	}
	finder, ok := As[Finder](c.src)
	if len(ids) == 0 || !ok {
		return entries, nil
	}
	found := map[string]Change{}
	failed := map[string]error{}
	err := contain(func() error {
		for product, err := range finder.Find(ctx, c.tenant, ids...) {
			bad, isRecord := errors.AsType[*RecordError](sound(err))
			switch {
			case isRecord:
				failed[bad.ID] = bad.Err
			case err != nil:
				return fmt.Errorf("finding changed products: %w", err)
			default:
				found[product.ID], failed[product.ID] = c.cfg.prepareChange(ctx, c.tenant, Change{ID: product.ID, Body: product.Body})
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(failed, func(_ string, err error) bool { return err == nil })
	kept := entries[:0]
	for _, e := range entries {
		if e.Change.lookup() {
			if err := failed[e.Change.ID]; err != nil {
				c.refuse(e, errors.New(reason(err)))
				continue
			}
			change, ok := found[e.Change.ID]
			if !ok {
				change = Change{ID: e.Change.ID, Delete: true}
			}
			e.Change = change
		}
		kept = append(kept, e)
	}
	return kept, nil
}

// carry sends entries, whose ids are different from each other.
func (c *carrier) carry(ctx context.Context, entries []ChangeEntry) error {
	for attempt := 1; len(entries) > 0; attempt++ {
		changes := make([]Change, len(entries))
		for i, e := range entries {
			changes[i] = e.Change
		}
		err := contain(func() error { return c.send(changes) })
		failed, isBatch := errors.AsType[*BatchError](err)
		temporary, isTemporary := errors.AsType[*TemporaryError](err)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case isBatch:
			if entries, err = c.settle(entries, failed); err != nil || len(entries) == 0 {
				return err
			}
			err = c.cfg.Retry.pause(ctx, attempt, failed.RetryAfter, failed)
		case errors.Is(err, ErrTooLarge), errors.Is(err, ErrRefused):
			return c.split(ctx, entries, err)
		case isTemporary:
			err = c.cfg.Retry.pause(ctx, attempt, temporary.RetryAfter, err)
		}
		if err != nil {
			return fmt.Errorf("%d changes, the first one of product %q: %w", len(entries), entries[0].Change.ID, err)
		}
	}
	return nil
}

// settle notes what was refused of entries and returns those to send again.
func (c *carrier) settle(entries []ChangeEntry, failed *BatchError) (again []ChangeEntry, err error) {
	reasons := failed.byID()
	found := 0
	for _, e := range entries {
		item, bad := reasons[e.Change.ID]
		if !bad {
			continue
		}
		if found++; item.Retryable {
			again = append(again, e)
		} else {
			c.refuse(e, errors.New(reason(item.Err)))
		}
	}
	if found == 0 || found != len(failed.Items) {
		return nil, fmt.Errorf("the index reported %d failed changes of %d, of which %d were among them: a defect of the Indexer",
			len(failed.Items), len(entries), found)
	}
	return again, nil
}

// split sends the halves of what was refused as a whole, and refuses a single change.
func (c *carrier) split(ctx context.Context, entries []ChangeEntry, why error) error {
	if len(entries) == 1 {
		c.refuse(entries[0], errors.New(rejectionReason(why)))
		return nil
	}
	half := len(entries) / 2
	if err := c.carry(ctx, entries[:half]); err != nil {
		return err
	}
	return c.carry(ctx, entries[half:])
}
