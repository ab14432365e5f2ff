package reindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Change is an edit of one product: an upsert, or a deletion if Delete is set. If it has neither a body nor Delete, the
// engine looks the product up in the source (see [Finder]), since many webhooks carry only ids. The bytes of the body
// must not be modified.
type Change struct {
	// ID is the product's id, as in [Product].
	ID string
	// Body is the new body of the product: a JSON object, as in [Product].
	Body json.RawMessage
	// Delete removes the product.
	Delete bool
}

// lookup reports whether the product has to be looked up, since the change holds only its id.
func (c Change) lookup() bool { return !c.Delete && c.Body == nil }

// Size returns the number of bytes that the change occupies in a [ChangeLog].
func (c Change) Size() int { return len(c.ID) + len(c.Body) }

// Updater is an optional capability of an [Indexer]: it changes the live index. Without it, Engine.Update returns an
// error that matches [errors.ErrUnsupported].
type Updater interface {
	// Update applies changes to the tenant's live index: upserts, each with a body that the engine has checked, and
	// deletions. No two changes have the same id. Deleting a product that the index does not hold is not an error. When
	// Update returns nil, the changes have landed, and searches see them after the refresh interval of the index at the
	// latest; see [Settler].
	//
	// The engine makes one call at a time per tenant, or as many as Limits.MaxUpdates says, and none while a generation of
	// the tenant is being committed. The error matches [ErrNoLiveIndex] if nothing is live; otherwise it is one of those
	// of Writer.Write.
	Update(ctx context.Context, tenant string, changes []Change) error
}

// Settler is an optional capability of an [Indexer] whose searches see an update only after some time.
type Settler interface {
	// Settle waits until searches see every update that has returned.
	Settle(ctx context.Context, tenant string) error
}

// Editor is an optional capability of a [Generation]: it accepts the edits that were made while it was being filled.
// Without it, a generation does not go live if a change was accepted during its run ([RuleCurrent]).
type Editor interface {
	// Edit applies changes to the generation, as Updater.Update does to the live index. The engine makes one call at a
	// time, after the last Write and Flush and before Commit; some calls come after Seal.
	Edit(ctx context.Context, changes []Change) error
}

// prepare checks changes as a run checks products, and returns those that can be applied.
func (c *Config) prepare(
	ctx context.Context, tenant string, changes []Change,
) (good []Change, bad []ItemError, err error) {
	for _, change := range changes {
		change, err := c.prepareChange(ctx, tenant, change)
		if err != nil && ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			bad = append(bad, ItemError{ID: shortID(change.ID), Err: errors.New(reason(err))})
			continue
		}
		good = append(good, change)
	}
	return good, bad, nil
}

func (c *Config) prepareChange(ctx context.Context, tenant string, change Change) (Change, error) {
	if n := len(change.ID); n == 0 || n > maxIDBytes {
		return change, fmt.Errorf("the id has %d bytes, 1 to %d are allowed", n, maxIDBytes)
	}
	if change.Delete && change.Body != nil {
		return change, errors.New("the change is a deletion but has a body")
	}
	if change.Delete || change.lookup() {
		return change, checkID(change.ID)
	}
	var product Product
	err := contain(func() (err error) {
		product, err = c.checkProduct(ctx, tenant, Product{change.ID, change.Body})
		return err
	})
	change.Body = product.Body
	return change, err
}
