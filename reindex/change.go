package reindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Change is an edit of one product: an upsert, or a deletion if Delete is set. Without either a body or Delete the
// product is looked up in the source (see [Finder]): many webhooks carry ids alone. Nobody changes the bytes of the
// body.
type Change struct {
	// ID is the product's id, as in [Product].
	ID string
	// Body is what the product is now: a JSON object, as in [Product].
	Body json.RawMessage
	// Delete removes the product.
	Delete bool
}

// lookup reports whether the change says only that the product has changed.
func (c Change) lookup() bool { return !c.Delete && c.Body == nil }

// Size is what the change takes of a [ChangeLog], in bytes.
func (c Change) Size() int { return len(c.ID) + len(c.Body) }

// Updater is an optional capability of an [Indexer]: it changes the live index. Without it Engine.Update returns an
// error that matches [errors.ErrUnsupported].
type Updater interface {
	// Update carries changes out in the tenant's live index: upserts, each with a body that the engine has checked, and
	// deletions. Ids are different from each other. A product that is to be deleted and is not there is none of its
	// business. When it returns nil the changes have landed, and searches see them, at the latest after the index's own
	// refresh interval; see [Settler].
	//
	// The engine calls it once at a time per tenant, and never while a generation of the tenant is committed. The error
	// matches [ErrNoLiveIndex] if nothing is live; otherwise it is one of those of Writer.Write.
	Update(ctx context.Context, tenant string, changes []Change) error
}

// Settler is an optional capability of an [Indexer] whose searches see an update only after a while.
type Settler interface {
	// Settle waits until searches see what Update has returned for.
	Settle(ctx context.Context, tenant string) error
}

// Editor is an optional capability of a [Generation]: it takes the edits that were made while it was filled. Without it
// a run during which a change was accepted does not go live ([RuleCurrent]).
type Editor interface {
	// Edit carries changes out in the generation, as Updater.Update does in the live index. The engine calls it after the
	// last Write and Flush, once at a time, before Seal and after it, until Commit.
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
		return change, errors.New("the change is a deletion, and has a body")
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
