package reindex

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// carrier sends changes to one index.
type carrier struct {
	cfg     *Config
	src     Source
	tenant  string
	send    func([]Change) error
	refused map[int64]ItemError // by position
}

func (s *streams) newCarrier(tenant string, send func([]Change) error) *carrier {
	return &carrier{cfg: s.cfg, src: s.src, tenant: tenant, send: send, refused: map[int64]ItemError{}}
}

// carryAll sends entries until the index has accepted or refused each of them. After an error it is not known which
// were accepted.
func (c *carrier) carryAll(ctx context.Context, entries []ChangeEntry) error {
	entries, err := c.find(ctx, slices.Clone(entries))
	if err != nil {
		return err
	}
	return c.carry(ctx, entries)
}

func (c *carrier) refuse(e ChangeEntry, err error) {
	c.refused[e.Position] = ItemError{ID: e.Change.ID, Err: err}
}

// find looks up the products of the changes that have no body. It returns entries in the same slice.
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
				change := Change{ID: product.ID, Body: product.Body}
				found[product.ID], failed[product.ID] = c.cfg.prepareChange(ctx, c.tenant, change)
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

// carry sends entries. No two of them have the same id.
func (c *carrier) carry(ctx context.Context, entries []ChangeEntry) error {
	for attempt := 1; len(entries) > 0; attempt++ {
		err := c.call(entries)
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
			first := entries[0].Change.ID
			return fmt.Errorf("%s, the first one of product %q: %w", counted(len(entries), "change"), first, err)
		}
	}
	return nil
}

// call sends entries once.
func (c *carrier) call(entries []ChangeEntry) error {
	changes := make([]Change, len(entries))
	for i, e := range entries {
		changes[i] = e.Change
	}
	return contain(func() error { return c.send(changes) })
}

// settle notes which entries were refused and returns those to send again.
func (c *carrier) settle(entries []ChangeEntry, failed *BatchError) (again []ChangeEntry, err error) {
	again, bad, err := settle(entries, func(e ChangeEntry) string { return e.Change.ID }, failed)
	for _, b := range bad {
		c.refuse(b.member, errors.New(reason(b.item.Err)))
	}
	return again, err
}

// split sends the two halves of a call that the index refused as a whole. A single change is refused.
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
